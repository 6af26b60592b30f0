//! Rules that the compiler does not enforce: which modules may import which, banned words, sizes, licences.
//!
//! Each rule is one test, which reports each violation as `file:line: what`. The checkers are in `tests/tidy/`. Tests
//! there run them on planted mistakes, so that a checker that finds nothing is noticed.

#[path = "tidy/bans.rs"]
mod bans;
#[path = "tidy/circles.rs"]
mod circles;
#[path = "tidy/floors.rs"]
mod floors;
#[path = "tidy/lock.rs"]
mod lock;
#[path = "tidy/patches.rs"]
mod patches;
#[path = "tidy/paths.rs"]
mod paths;
#[path = "tidy/prose.rs"]
mod prose;
#[path = "tidy/sizes.rs"]
mod sizes;
#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/tokens.rs"]
mod tokens;
#[path = "tidy/tree.rs"]
mod tree;
#[path = "tidy/unsafety.rs"]
mod unsafety;

use std::fs;

use source::{entries, root, sources, stands};

/// The floors of `src/`, lowest first. A module imports only from lower floors.
///
/// Three files have no floor: `lib.rs` and `main.rs` may name everything, and `clock.rs` names nothing and may be named
/// from floor 4 upwards.
const FLOORS: &[&[&str]] = &[
    &["model", "crash", "procfs"],
    &["scheduler", "record", "storage", "frame", "offload"],
    &["rpc", "shuffle", "format"],
    &["consensus", "job"],
    &["task"],
    &["master", "worker", "client", "executor", "embedded"],
    &["web", "launch"],
    &["cli", "prelude", "testing"],
];

/// The files that may hold unsafe code, and the reason for each.
const UNSAFE: &[(&str, &str)] = &[
    ("src/record/text/mod.rs", "text is bytes with methods of its own, as `str` is"),
    ("src/record/words.rs", "finds the ends of words with vector instructions"),
    ("src/record/short.rs", "loads short keys without a branch on their length, and prefetches"),
    ("src/shuffle/slots.rs", "the slots of the combining table, zeroed and on huge pages"),
    (
        "src/shuffle/chunk.rs",
        "memory of sort buffers, on huge pages and not touched before it is filled",
    ),
    ("src/launch/ending.rs", "hooks of the process's end"),
    ("src/executor/supervisor.rs", "splits an executor's process in two before it has threads"),
    ("src/launch/standard.rs", "looks at the standard descriptors before `main`"),
    ("tests/jobs/odd.rs", "calls `quick_exit`, which Rust's library does not have"),
    ("tests/simulation/entropy.rs", "takes the place of what the system draws at random"),
];

#[test]
fn every_module_has_a_floor_and_imports_go_down() {
    stands(&floors::climbs(FLOORS, &sources()));
}

#[test]
fn the_files_of_a_module_import_in_no_circle() {
    stands(&circles::circles(&sources()));
}

#[test]
fn no_module_is_on_two_floors() {
    let mut names = FLOORS.concat();
    names.sort_unstable();
    let twice: Vec<_> =
        names.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect();
    assert!(twice.is_empty(), "{twice:?}");
}

#[test]
fn every_file_opens_with_its_purpose() {
    stands(&sizes::without_opening(&sources()));
}

#[test]
fn no_file_is_too_long() {
    stands(&sizes::long_files(&sources()));
}

#[test]
fn the_median_file_is_short() {
    stands(&sizes::long_median(&sources()));
}

#[test]
fn no_function_is_too_long() {
    stands(&sizes::long_functions(&sources()));
}

#[test]
fn no_banned_word_is_used() {
    stands(&bans::banned_words(&sources()));
}

#[test]
fn no_text_has_a_phrase_that_is_not_plain_english() {
    stands(&prose::unplain(sources().iter().chain(&prose::texts())));
}

#[test]
fn unsafe_code_stands_in_named_files_and_gives_its_reason() {
    stands(&unsafety::unsafe_code(UNSAFE, &sources()));
}

#[test]
fn crash_points_exist_only_in_builds_that_enable_them() {
    let jobs = entries(&root().join("jobs"));
    let manifests = [root()].into_iter().chain(jobs).map(|folder| folder.join("Cargo.toml"));
    let texts: String = manifests.filter_map(|path| fs::read_to_string(path).ok()).collect();
    let naming: Vec<_> = texts.lines().filter(|line| line.contains("crash-points")).collect();
    assert_eq!(
        naming,
        ["crash-points = []"],
        "the feature stands alone, and no other brings it in"
    );
}

#[test]
fn every_planted_bug_still_applies() {
    let folder = root().join("tests/simulation/bugs");
    assert!(folder.is_dir());
    stands(&patches::broken_patches(&folder, &root()));
}

#[test]
fn every_file_name_says_something() {
    stands(&tree::empty_names(&sources()));
}

#[test]
fn the_top_folder_holds_what_was_agreed() {
    let name = |path: &std::path::PathBuf| {
        path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    };
    let names: Vec<_> = entries(&root()).iter().map(name).collect();
    let ignored = fs::read_to_string(root().join(".gitignore")).unwrap_or_default();
    stands(&tree::strange_entries(&names, &ignored));
}

#[test]
fn the_map_in_architecture_md_shows_the_modules_that_are_there() {
    let page = fs::read_to_string(root().join("ARCHITECTURE.md"))
        .expect("ARCHITECTURE.md stands in the top folder");
    stands(&tree::map_disagrees(&page, &sources()));
}

#[test]
fn every_dependency_has_a_licence_that_can_be_passed_on() {
    stands(&lock::foreign_licences(&lock::packages()));
}

#[test]
fn no_dependency_is_banned() {
    stands(&lock::banned_crates(&lock::packages()));
}

#[test]
fn a_job_executable_is_built_from_few_crates() {
    stands(&lock::too_high(&lock::small_tower()));
}
