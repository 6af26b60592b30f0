//! Includes the job programs of this repository as modules.

#[path = "../../jobs/find-lines/src/main.rs"]
#[expect(dead_code, reason = "nobody calls its main")]
pub mod find_lines;
#[path = "../../jobs/inverted-index/src/main.rs"]
#[expect(dead_code, reason = "nobody calls its main")]
pub mod inverted_index;
#[path = "../../jobs/join-orders/src/main.rs"]
#[expect(dead_code, reason = "nobody calls its main")]
pub mod join_orders;
#[path = "../../jobs/sessions/src/main.rs"]
#[expect(dead_code, reason = "nobody calls its main")]
pub mod sessions;
#[path = "../../jobs/terasort/src/main.rs"]
#[expect(dead_code, reason = "nobody calls its main")]
pub mod terasort;
#[path = "../../jobs/wordcount/src/main.rs"]
#[expect(dead_code, reason = "nobody calls its main")]
pub mod wordcount;
