//! Checks that the files of a module do not import from each other in a circle.
//!
//! Files in a circle cannot be read, tested or moved one by one.
//!
//! An import counts for the file that defines the name: re-exports, such as `super::Name`, are followed to it. Only
//! production code counts, without items under `#[cfg(test)]` and files that are declared there. `mod.rs` files do not
//! count: they declare and re-export, and the files below them may use their items.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::paths::{Path, paths};
use crate::source::Source;
use crate::tokens::{Token, tokens};

/// How many `use` items a path is followed through. A path that needs more leads back to itself.
const USES_MAX: usize = 16;

/// Words before the name of an item.
const ITEMS: &[&str] = &["fn", "struct", "enum", "trait", "type", "const", "static"];

/// What a file of `src/` names and defines outside its tests.
struct File<'a> {
    source: &'a Source,
    module: Vec<&'a str>,
    paths: Vec<Path<'a>>,
    items: BTreeSet<&'a str>,
}

/// The files of production code, by module.
type Files<'a> = BTreeMap<Vec<&'a str>, File<'a>>;

/// For each file, the files that it imports from, and the line of the first such import.
type Imports<'a> = BTreeMap<&'a str, BTreeMap<&'a str, usize>>;

/// Returns the shortest circle through each file that is in one: `src/a/b.rs:3: b.rs:3 -> c.rs:7 -> b.rs`.
///
/// Each line is that of the import of the next file.
pub(crate) fn circles(sources: &[Source]) -> Vec<String> {
    let files = production(sources);
    let imports = files.values().map(|file| (&*file.source.path, imports(&files, file))).collect();
    let mut seen = BTreeSet::new();
    let mut broken = Vec::new();
    for file in files.values() {
        let Some(circle) = shortest_circle(&imports, &file.source.path) else { continue };
        if seen.insert(circle.iter().copied().collect::<BTreeSet<_>>()) {
            broken.push(written(&imports, file, &circle));
        }
    }
    broken
}

fn production(sources: &[Source]) -> Files<'_> {
    let (mut files, mut of_tests) = (Files::new(), Vec::new());
    for source in sources {
        let Some(module) = source.module() else { continue };
        let all = tokens(&source.text);
        let kept = without_tests(&all);
        let for_tests = &declared(&all) - &declared(&kept);
        of_tests.extend(for_tests.into_iter().map(|name| [&module[..], &[name]].concat()));
        let is_item = |pair: &&[Token<'_>]| ITEMS.contains(&pair[0].text);
        let items = kept.windows(2).filter(is_item).map(|pair| pair[1].text).collect();
        let paths = paths(&kept, &module);
        files.insert(module.clone(), File { source, module, paths, items });
    }
    files.retain(|module, _| !of_tests.iter().any(|tests| module.starts_with(tests)));
    files
}

/// Returns the modules that have files of their own.
fn declared<'a>(tokens: &[Token<'a>]) -> BTreeSet<&'a str> {
    let is_declared = |three: &&[Token<'_>]| three[0].text == "mod" && three[2].text == ";";
    tokens.windows(3).filter(is_declared).map(|three| three[1].text).collect()
}

/// Returns the tokens without those of items under `#[cfg(test)]`.
fn without_tests<'a>(tokens: &[Token<'a>]) -> Vec<Token<'a>> {
    let (mut kept, mut at) = (Vec::new(), 0);
    while at < tokens.len() {
        let texts: Vec<_> = tokens[at..].iter().take(7).map(|token| token.text).collect();
        match texts[..] {
            ["#", "[", "cfg", "(", "test", ..] | ["#", "[", "cfg", "(", "all", "(", "test"] => {
                at += item_length(&tokens[at..]);
            }
            _ => {
                kept.push(tokens[at]);
                at += 1;
            }
        }
    }
    kept
}

/// Returns the number of tokens of an item and the attributes before it.
fn item_length(tokens: &[Token<'_>]) -> usize {
    let mut depth = 0;
    let is_last = |token: &Token<'_>| {
        depth += match token.text {
            "(" | "[" | "{" => 1,
            ")" | "]" | "}" => -1,
            _ => 0,
        };
        depth == 0 && matches!(token.text, "}" | ";")
    };
    tokens.iter().position(is_last).map_or(tokens.len(), |last| last + 1)
}

/// Returns the other files of the same folder of `src/` that a file imports from. A `mod.rs` file imports from none.
fn imports<'a>(files: &Files<'a>, file: &File<'a>) -> BTreeMap<&'a str, usize> {
    let mut found = BTreeMap::new();
    for path in file.paths.iter().filter(|_| !is_root(file)) {
        for target in targets(files, &resolved(files, &file.module, &path.segments, USES_MAX)) {
            let is_other = target.module != file.module && target.module[0] == file.module[0];
            if is_other && !is_root(target) {
                found.entry(&*target.source.path).or_insert(path.line);
            }
        }
    }
    found
}

fn is_root(file: &File<'_>) -> bool {
    file.source.path.ends_with("/mod.rs")
}

/// Returns the file that defines what a resolved path names. For a glob of a `mod.rs` file, returns the files that define
/// what it uses.
fn targets<'f, 'a>(files: &'f Files<'a>, path: &[&'a str]) -> Vec<&'f File<'a>> {
    let Some((file, rest)) = owner(files, path) else { return Vec::new() };
    if rest != ["*"] || !is_root(file) {
        return vec![file];
    }
    let used = file.paths.iter().filter(|path| path.name.is_some());
    let paths = used.map(|path| resolved(files, &file.module, &path.segments, USES_MAX));
    paths.filter_map(|path| Some(owner(files, &path)?.0)).collect()
}

/// Returns the file of the innermost module that a path names, and the rest of the path.
fn owner<'f, 'a, 'p>(
    files: &'f Files<'a>,
    path: &'p [&'a str],
) -> Option<(&'f File<'a>, &'p [&'a str])> {
    let split = |length: usize| Some((files.get(&path[..length])?, &path[length..]));
    (1..=path.len()).rev().find_map(split)
}

/// Returns a path that a module names as the modules from the root of the crate and the item, with every `use` on the
/// way followed.
///
/// A path into another crate becomes one into the module itself.
fn resolved<'a>(
    files: &Files<'a>,
    module: &[&'a str],
    path: &[&'a str],
    uses_left: usize,
) -> Vec<&'a str> {
    let full = match path {
        ["crate", rest @ ..] => rest.to_vec(),
        _ => [module, path].concat(),
    };
    let Some((file, [name, rest @ ..])) = owner(files, &full) else { return full };
    if *name == "*" || uses_left == 0 {
        return full;
    }
    let follow = |used: &[&'a str]| resolved(files, &file.module, used, uses_left - 1);
    if let Some(used) = file.paths.iter().find(|used| used.name == Some(name)) {
        return follow(&[&used.segments, rest].concat());
    }
    if file.items.contains(name) {
        return full;
    }
    let globs = file.paths.iter().filter_map(|used| used.segments.strip_suffix(&["*"]));
    let mut through = globs.map(|above| follow(&[above, &[*name], rest].concat()));
    let defines = |path: &Vec<&str>| {
        owner(files, path)
            .is_some_and(|(file, rest)| file.items.contains(rest.first().unwrap_or(&"")))
    };
    through.find(defines).unwrap_or(full)
}

fn shortest_circle<'a>(imports: &Imports<'a>, first: &'a str) -> Option<Vec<&'a str>> {
    let mut queue = VecDeque::from([vec![first]]);
    let mut seen = BTreeSet::new();
    while let Some(chain) = queue.pop_front() {
        for next in imports[chain[chain.len() - 1]].keys() {
            if *next == first {
                return Some(chain);
            }
            if seen.insert(*next) {
                queue.push_back([&chain[..], &[next]].concat());
            }
        }
    }
    None
}

fn written(imports: &Imports<'_>, first: &File<'_>, circle: &[&str]) -> String {
    let folder = format!("src/{}/", first.module[0]);
    let name = |path: &str| path.trim_start_matches(&folder).to_owned();
    let line = |at: usize| imports[circle[at]][circle[(at + 1) % circle.len()]];
    let steps: String =
        (0..circle.len()).map(|at| format!("{}:{} -> ", name(circle[at]), line(at))).collect();
    first.source.at(line(0), format!("{steps}{}", name(circle[0])))
}

/// Returns the circles of `src/room/`, whose files are given by name and text.
#[cfg(test)]
fn circles_of(files: &[(&str, &str)]) -> String {
    let source = |(name, text): &(&str, &str)| Source::new(&format!("src/room/{name}.rs"), *text);
    circles(&files.iter().map(source).collect::<Vec<_>>()).join("\n")
}

#[test]
fn planted_circles_are_found() {
    let table: &[(&[(&str, &str)], &str)] = &[
        (
            &[("a", "struct A;\nuse super::b::B;"), ("b", "fn f() { crate::room::a::A }")],
            "src/room/a.rs:2: a.rs:2 -> b.rs:1 -> a.rs",
        ),
        (
            &[("a", "use super::b::B;"), ("b", "use super::c::{\nC};"), ("c", "use super::a;")],
            "src/room/a.rs:1: a.rs:1 -> b.rs:2 -> c.rs:1 -> a.rs",
        ),
        (
            &[("mod", "pub(super) use b::B;"), ("a", "use super::B;"), ("b", "use super::a::A;")],
            "src/room/a.rs:1: a.rs:1 -> b.rs:1 -> a.rs",
        ),
        (
            &[
                ("mod", "mod deep;\npub use deep::{Other as Renamed};"),
                ("a", "use crate::room::Renamed as Again;"),
                ("deep/mod", "mod b;\npub use b::B as Other;"),
                ("deep/b", "use super::super::a;\nfn f() { a::go() }"),
            ],
            "src/room/a.rs:1: a.rs:1 -> deep/b.rs:1 -> a.rs",
        ),
        (
            &[
                ("mod", "pub use c::*;\npub use b::*;"),
                ("a", "use super::B;"),
                ("b", "pub struct B(super::a::A);"),
                ("c", "pub struct C;"),
            ],
            "src/room/a.rs:1: a.rs:1 -> b.rs:1 -> a.rs",
        ),
        (
            &[("mod", "use b::B;"), ("a", "use super::*;"), ("b", "use super::a::A;")],
            "src/room/a.rs:1: a.rs:1 -> b.rs:1 -> a.rs",
        ),
        (
            &[
                ("a", "use super::deep;\nfn f() { deep::b::B }"),
                ("deep/mod", ""),
                ("deep/b", "use crate::room::a::A;"),
            ],
            "src/room/a.rs:2: a.rs:2 -> deep/b.rs:1 -> a.rs",
        ),
        (
            &[
                ("a", "#[cfg(test)]\nfn f() { if x {} }\nuse super::b;"),
                ("b", "#[cfg(unix)]\nuse super::a;"),
            ],
            "src/room/a.rs:3: a.rs:3 -> b.rs:2 -> a.rs",
        ),
    ];
    for (files, wanted) in table {
        assert_eq!(circles_of(files), *wanted, "{files:?}");
    }
}

#[test]
fn tests_and_mod_rs_are_in_no_circle() {
    let table: &[&[(&str, &str)]] = &[
        &[("a", "use super::b::B;"), ("b", "use super::c::C;"), ("c", "")],
        &[
            ("mod", "use a::A;\nuse b::B;\npub struct M;"),
            ("a", "use super::M;"),
            ("b", "use super::{M, a};"),
        ],
        // Another module of `src/`, the file itself, and other crates.
        &[
            ("a", "use crate::other::b;\nuse me;\nfn f() { b::B; me::go(); std::b::c() }"),
            ("b", "use super::a;\nuse super::b::B;"),
        ],
        &[
            ("mod", "#[cfg(test)]\nmod tests;\n#[cfg(all(test, unix))]\nmod law;"),
            ("a", "use super::b;\n#[cfg(test)]\n#[x]\nuse super::tests::T;"),
            ("b", "#[cfg(test)]\nmod tests { use super::*; fn f() { super::super::a::A } }"),
            ("law", "use super::a;\nuse super::tests::deep;"),
            ("tests/mod", "mod deep;"),
            ("tests/deep", "use super::super::{a, law};"),
        ],
    ];
    for files in table {
        assert_eq!(circles_of(files), "", "{files:?}");
    }
}
