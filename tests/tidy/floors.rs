//! Checks that each module is in a layer, called a floor, and imports only from modules on lower floors.

use crate::paths::paths;
use crate::source::Source;
use crate::tokens::tokens;

/// The lowest floor whose modules may receive a clock. Lower modules receive the time as an argument.
const CLOCK_FROM: usize = 4;

/// Returns every import in `src/` from the same floor or a higher one, and every module without a floor.
pub(crate) fn climbs(floors: &[&[&str]], sources: &[Source]) -> Vec<String> {
    sources.iter().flat_map(|source| climbs_of(floors, source)).collect()
}

fn climbs_of(floors: &[&[&str]], source: &Source) -> Vec<String> {
    let Some(home) = source.module() else { return Vec::new() };
    let own = home[0];
    let floor = match own {
        "lib" | "main" => return Vec::new(),
        "clock" => 0,
        _ => match floor_of(floors, own) {
            Some(floor) => floor,
            None => return vec![source.at(1, format!("module `{own}` is on no floor"))],
        },
    };
    let mut broken = Vec::new();
    for path in paths(&tokens(&source.text), &home) {
        let ["crate", other, ..] = path.segments[..] else { continue };
        let what = match floor_of(floors, other) {
            _ if other == own => continue,
            Some(below) if below < floor => continue,
            Some(above) => {
                format!("`{own}` (floor {floor}) names `crate::{other}` (floor {above})")
            }
            None if other == "clock" && floor >= CLOCK_FROM => continue,
            None if other == "clock" => {
                format!(
                    "`{own}` (floor {floor}) names the clock: below floor {CLOCK_FROM} time is an argument"
                )
            }
            None => format!("`{own}` names `crate::{other}`, which is not a module on a floor"),
        };
        broken.push(source.at(path.line, what));
    }
    broken
}

fn floor_of(floors: &[&[&str]], module: &str) -> Option<usize> {
    floors.iter().position(|floor| floor.contains(&module))
}

#[test]
fn planted_climbs_are_found() {
    let floors: &[&[&str]] =
        &[&["model"], &["record", "storage"], &["shuffle"], &["job"], &["task"]];
    let table = [
        ("src/record/text.rs", "use crate::model::Job;\nuse crate::record::Key;", ""),
        (
            "src/record/text.rs",
            "use crate::{\n    model,\n    shuffle::Fold,\n};",
            "3: `record` (floor 1) names `crate::shuffle` (floor 2)",
        ),
        (
            "src/record/text.rs",
            "fn f() { crate::storage::open() }",
            "1: `record` (floor 1) names `crate::storage` (floor 1)",
        ),
        (
            "src/record/text.rs",
            "use super::super::job::Job;",
            "1: `record` (floor 1) names `crate::job` (floor 3)",
        ),
        (
            "src/record/mod.rs",
            "use super::job;",
            "1: `record` (floor 1) names `crate::job` (floor 3)",
        ),
        ("src/record/mod.rs", "// crate::job\nmod tests { use super::*; }", ""),
        (
            "src/record/mod.rs",
            "use crate::Emitter;",
            "1: `record` names `crate::Emitter`, which is not a module on a floor",
        ),
        ("src/attic.rs", "", "1: module `attic` is on no floor"),
        (
            "src/job.rs",
            "use crate::clock::Clock;",
            "1: `job` (floor 3) names the clock: below floor 4 time is an argument",
        ),
        ("src/task.rs", "use crate::clock::Clock;", ""),
        (
            "src/clock.rs",
            "use crate::model;",
            "1: `clock` (floor 0) names `crate::model` (floor 0)",
        ),
        ("src/lib.rs", "pub use crate::job::Job;", ""),
    ];
    for (path, text, wanted) in table {
        let broken = climbs(floors, &[Source::new(path, text)]).join("\n");
        let wanted = if wanted.is_empty() { String::new() } else { format!("{path}:{wanted}") };
        assert_eq!(broken, wanted, "{path}: {text}");
    }
}
