//! Checks the names of files, the entries of the top folder, and the code map in ARCHITECTURE.md.

use std::collections::BTreeSet;

use crate::source::Source;

/// Names that do not describe the contents.
const EMPTY_NAMES: &[&str] = &[
    "util",
    "utils",
    "helper",
    "helpers",
    "common",
    "core",
    "misc",
    "manager",
    "handler",
    "processor",
    "imp",
    "types",
    "base",
];

/// What the top folder may hold, besides names that begin with `.` or `LICENSE-` and names in .gitignore.
const TOP: &[&str] = &[
    "Cargo.toml",
    "Cargo.lock",
    "rust-toolchain.toml",
    "proto",
    "src",
    "jobs",
    "tests",
    "benches",
    "README.md",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "target",
];

const ARCHITECTURE_LINES_MAX: usize = 300;

pub(crate) fn empty_names(sources: &[Source]) -> Vec<String> {
    let is_empty = |source: &&Source| {
        let name = source.path.trim_end_matches(".rs");
        name.split(['/', '_', '-']).any(|word| EMPTY_NAMES.contains(&word))
    };
    let tell = |source: &Source| source.at(1, "a name that says nothing about what is inside");
    sources.iter().filter(is_empty).map(tell).collect()
}

/// Returns the entries of the top folder that are not allowed. `ignored` is the text of .gitignore.
pub(crate) fn strange_entries(names: &[String], ignored: &str) -> Vec<String> {
    let known = |name: &str| {
        TOP.contains(&name)
            || name.starts_with('.')
            || name.starts_with("LICENSE-")
            || ignored.lines().any(|line| line.trim_matches('/') == name)
    };
    let tell = |name: &String| format!("{name}:1: not one of the entries that the top folder has");
    names.iter().filter(|name| !known(name)).map(tell).collect()
}

/// Returns the differences between the code map of ARCHITECTURE.md and the modules of `src/`.
///
/// The map is the section `## Code map`. The heading of a module's paragraph is its name: ``### `record` ``.
pub(crate) fn map_disagrees(architecture: &str, sources: &[Source]) -> Vec<String> {
    let modules = sources
        .iter()
        .filter_map(Source::top_module)
        .filter(|module| !["lib", "main"].contains(module));
    let mut missing: BTreeSet<&str> = modules.collect();
    let all = missing.clone();
    let page = Source::new("ARCHITECTURE.md", architecture);
    let mut broken = Vec::new();
    if architecture.lines().count() > ARCHITECTURE_LINES_MAX {
        broken.push(page.at(1, format!("more than {ARCHITECTURE_LINES_MAX} lines")));
    }
    let (mut inside, mut open) = (false, None);
    for (number, line) in (1..).zip(architecture.lines()) {
        if line.starts_with("## ") || inside && line.starts_with("### ") {
            broken.extend(open.take().map(|(line, name)| without_invariant(&page, line, name)));
        }
        if line.starts_with("## ") {
            inside = line.trim() == "## Code map";
        } else if let Some(name) = line.strip_prefix("### `").filter(|_| inside) {
            let name = name.split('`').next().unwrap_or_default();
            open = Some((number, name));
            missing.remove(name);
            if !all.contains(name) {
                broken.push(page.at(number, format!("`{name}` is not a module of src/")));
            }
        } else if line.starts_with("**Invariant:**") {
            open = None;
        }
    }
    broken.extend(open.map(|(line, name)| without_invariant(&page, line, name)));
    broken.extend(
        missing.iter().map(|name| page.at(1, format!("`## Code map` has no ``### `{name}` ``"))),
    );
    broken
}

fn without_invariant(page: &Source, line: usize, name: &str) -> String {
    page.at(line, format!("`{name}` has no line `**Invariant:** …`"))
}

#[test]
fn planted_empty_names_are_found() {
    for path in ["src/util.rs", "src/job/core/mod.rs", "src/task_manager.rs", "tests/common/mod.rs"]
    {
        assert_eq!(empty_names(&[Source::new(path, "")]).len(), 1, "{path}");
    }
    for path in ["src/base64.rs", "src/record/text.rs", "src/utility.rs"] {
        assert!(empty_names(&[Source::new(path, "")]).is_empty(), "{path}");
    }
}

#[test]
fn planted_entries_of_the_top_folder_are_found() {
    let names = ["src", ".ci", "LICENSE-MIT", "out", "target", "notes.txt"].map(String::from);
    let broken = strange_entries(&names, "/target\n/out\n");
    assert_eq!(broken, ["notes.txt:1: not one of the entries that the top folder has"]);
}

#[test]
fn a_map_that_lacks_a_module_or_names_one_that_is_gone_is_found() {
    let sources =
        ["src/lib.rs", "src/model/mod.rs", "src/clock.rs"].map(|path| Source::new(path, ""));
    let map = "# A\n## Code map\n### `model`\nX.\n**Invariant:** Y.\n### `clock`\nX.\n**Invariant:** Y.\n";
    assert!(map_disagrees(map, &sources).is_empty());
    let table = [
        (
            "`clock`",
            "`attic`",
            "6: `attic` is not a module of src/\n1: `## Code map` has no ``### `clock` ``",
        ),
        ("### `model`", "", "1: `## Code map` has no ``### `model` ``"),
        (
            "**Invariant:** Y.\n### `clock`",
            "### `clock`",
            "3: `model` has no line `**Invariant:** …`",
        ),
        (
            "`clock`\nX.\n**Invariant:** Y.",
            "`clock`\n## Next",
            "6: `clock` has no line `**Invariant:** …`",
        ),
    ];
    for (part, plant, wanted) in table {
        let broken = map_disagrees(&map.replace(part, plant), &sources);
        let wanted: Vec<_> = wanted.lines().map(|line| format!("ARCHITECTURE.md:{line}")).collect();
        assert_eq!(broken, wanted);
    }
}
