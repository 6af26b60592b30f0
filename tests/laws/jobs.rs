//! The jobs of this repository obey the laws.

use clap::Command;
use gristmill::format::Json;
use gristmill::job::{Job, MapOnly, Side};
use gristmill::testing::check;

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

/// Returns the job for these flags.
fn job<J: Job>(flags: &[&str]) -> J {
    let command = J::with_flags(Command::new("job").no_binary_name(true));
    let matches = command.try_get_matches_from(flags).expect("these are the job's flags");
    J::from_flags(&matches).expect("and good ones")
}

#[test]
fn word_count_obeys() {
    check(job::<wordcount::WordCount>(&[])).input(super::TEXT).run();
}

#[test]
fn find_lines_obeys() {
    check(job::<MapOnly<find_lines::FindLines>>(&["-e", "the", "--counts"]))
        .input(super::TEXT)
        // A map task writes one line of counts, so the lines depend on the number of tasks. The job declares that.
        .varying_side(Side::<Json>::new("counts"))
        .run();
}

#[test]
fn terasort_obeys() {
    let record = |n: usize| format!("{:010}{:090}", n * 7919 % 13, n);
    check(job::<terasort::TeraSort>(&[]))
        .input((0..20).map(record).collect::<String>())
        .ordered_values()
        .run();
}

#[test]
fn the_inverted_index_obeys() {
    check(job::<inverted_index::InvertedIndex>(&[])).input(super::TEXT).input("the end\n").run();
}

#[test]
fn sessions_obey() {
    let visits = "ann\t100\ta\nbob\t7\tx\nann\t5000\tb\nann\t160\tc\nbob\t7\ty\nann\t170\td\n";
    check(job::<sessions::Sessions>(&["--gap", "90s"])).input(visits).run();
}

#[test]
fn the_join_obeys() {
    let order =
        |user, cents| format!("{{\"user\":\"{user}\",\"item\":\"lamp\",\"cents\":{cents}}}\n");
    check(job::<join_orders::JoinOrders>(&[]))
        .named_input("users", "u1\tAnn\nu2\tBob\n")
        .named_input("orders", [order("u1", 1), order("u7", 2), order("u1", 3)].concat())
        .ordered_values()
        .run();
}
