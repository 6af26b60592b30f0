//! The jobs of this repository, which are programs, as modules.

#[path = "../../jobs/grep/src/main.rs"]
#[expect(dead_code, reason = "nobody calls its main")]
pub mod grep;
#[path = "../../jobs/inverted-index/src/main.rs"]
#[expect(dead_code, reason = "nobody calls its main")]
pub mod inverted_index;
#[path = "../../jobs/join/src/main.rs"]
#[expect(dead_code, reason = "nobody calls its main")]
pub mod join;
#[path = "../../jobs/sessions/src/main.rs"]
#[expect(dead_code, reason = "nobody calls its main")]
pub mod sessions;
#[path = "../../jobs/terasort/src/main.rs"]
#[expect(dead_code, reason = "nobody calls its main")]
pub mod terasort;
#[path = "../../jobs/wordcount/src/main.rs"]
#[expect(dead_code, reason = "nobody calls its main")]
pub mod wordcount;
