//! Checks Cargo.lock: whether all licences allow redistribution, whether a crate or version is banned, and how many
//! crates a job links.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

use crate::source::root;

const LICENCES: &[&str] = &[
    "MIT",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "BSL-1.0",
    "Unicode-3.0",
    "CC0-1.0",
    "bzip2-1.0.6",
    "Unlicense",
    "0BSD",
];

/// The versions of a crate that a ban is about.
enum Versions {
    All,
    Below(&'static str),
    Not(&'static str),
    Only(&'static str),
}

use Versions::{All, Below, Not, Only};

const BANNED: &[(&str, Versions, &str)] = &[
    ("protobuf", Below("3.7.2"), "crashes on nested input (RUSTSEC-2024-0437)"),
    (
        "bincode",
        Not("1.3.3"),
        "1.3.3 is the version whose bytes our files hold; 3.0.0 does not compile",
    ),
    ("bincode-next", All, "a fork by people that nobody knows"),
    ("openssl", All, "TLS is rustls"),
    ("openssl-sys", All, "TLS is rustls"),
    ("native-tls", All, "TLS is rustls"),
    ("aws-lc-rs", All, "the TLS provider is ring; two of them in one binary panic"),
    ("aws-lc-sys", All, "the TLS provider is ring; two of them in one binary panic"),
    ("rustls-pemfile", All, "unmaintained (RUSTSEC-2025-0134)"),
    ("openraft", Below("0.9.25"), "can commit on a quorum that never existed"),
    ("raft", All, "drags in protobuf 2"),
    ("prost", Only("0.14.2"), "withdrawn"),
    ("h2", Below("0.4.16"), "RUSTSEC-2026-0258"),
    ("lz4_flex", Below("0.11.6"), "can show uninitialised memory (RUSTSEC-2026-0041)"),
    ("lz4_flex", Only("0.12.0"), "can show uninitialised memory (RUSTSEC-2026-0041)"),
    ("memmap2", Below("0.9.11"), "RUSTSEC-2026-0186"),
    ("tracing-subscriber", Below("0.3.20"), "RUSTSEC-2025-0055"),
];

/// Limit on the crates that a job executable links or needs for its build, including its own and the library.
const TOWER_CRATES_MAX: usize = 60;

/// A crate of Cargo.lock. `licence` is the SPDX expression of its manifest, or empty if it has none.
pub(crate) struct Package {
    name: String,
    version: String,
    licence: String,
}

/// Returns all crates of Cargo.lock, for all features and platforms.
pub(crate) fn packages() -> Vec<Package> {
    let text = cargo(&["metadata", "--format-version", "1", "--locked"]);
    let metadata: Value = serde_json::from_str(&text).expect("cargo metadata writes JSON");
    let of = |package: &Value, key: &str| package[key].as_str().unwrap_or_default().to_owned();
    let packages = metadata["packages"].as_array().expect("cargo metadata lists packages");
    let read = |package| Package {
        name: of(package, "name"),
        version: of(package, "version"),
        licence: of(package, "license"),
    };
    packages.iter().map(read).collect()
}

/// Runs cargo offline. If it lacks a crate of another platform, runs it again with the network.
fn cargo(arguments: &[&str]) -> String {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let run = |more: &[&str]| {
        let mut command = Command::new(&cargo);
        command
            .args(arguments)
            .args(more)
            .current_dir(root())
            .output()
            .expect("cargo started this test")
    };
    let mut output = run(&["--offline"]);
    if !output.status.success() {
        output = run(&[]);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo {}\n{said}", arguments.join(" "));
    String::from_utf8(output.stdout).expect("cargo writes UTF-8")
}

pub(crate) fn foreign_licences(packages: &[Package]) -> Vec<String> {
    let foreign = |package: &&Package| !is_allowed(&package.licence);
    let tell = |package: &Package| {
        package.tell(&format!("licence `{}` is not on the list", package.licence))
    };
    packages.iter().filter(foreign).map(tell).collect()
}

/// Returns whether an SPDX expression lets us choose a licence from the list. A `/` is an old way to write `OR`.
fn is_allowed(expression: &str) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<_> = spaced.split_whitespace().collect();
    let mut at = 0;
    any_of(&words, &mut at) && at == words.len()
}

fn any_of(words: &[&str], at: &mut usize) -> bool {
    let mut allowed = all_of(words, at);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        allowed |= all_of(words, at);
    }
    allowed
}

fn all_of(words: &[&str], at: &mut usize) -> bool {
    let mut allowed = one(words, at);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        allowed &= one(words, at);
    }
    allowed
}

fn one(words: &[&str], at: &mut usize) -> bool {
    let Some(&word) = words.get(*at) else { return false };
    *at += 1;
    if word == "(" {
        let allowed = any_of(words, at);
        *at += 1;
        return allowed && words.get(*at - 1) == Some(&")");
    }
    if let (Some(&"WITH"), Some(exception)) = (words.get(*at), words.get(*at + 1)) {
        *at += 2;
        return LICENCES.contains(&format!("{word} WITH {exception}").as_str());
    }
    LICENCES.contains(&word)
}

pub(crate) fn banned_crates(packages: &[Package]) -> Vec<String> {
    let mut broken = Vec::new();
    for package in packages {
        for (_, versions, why) in BANNED.iter().filter(|(name, ..)| *name == package.name) {
            let banned = match versions {
                All => true,
                Below(first) => numbers(&package.version) < numbers(first),
                Not(only) => package.version != *only,
                Only(one) => package.version == *one,
            };
            if banned {
                broken.push(package.tell(why));
            }
        }
    }
    broken
}

/// Returns `1.12.0-alpha.3` as (1, 12, 0), which is good enough to compare releases.
fn numbers(version: &str) -> Vec<u64> {
    let release = version.split(['-', '+']).next().unwrap_or_default();
    release.split('.').map(|part| part.parse().expect("cargo writes versions as numbers")).collect()
}

impl Package {
    fn tell(&self, what: &str) -> String {
        format!("Cargo.lock:1: {} {}: {what}", self.name, self.version)
    }
}

/// Returns the crates that word count is built from, each once, as `name version`.
pub(crate) fn small_tower() -> BTreeSet<String> {
    unique(&cargo(&[
        "tree",
        "-p",
        "wordcount",
        "-e",
        "normal,build",
        "--prefix",
        "none",
        "--locked",
    ]))
}

/// Drops cargo's remarks after name and version, such as `(*)` for a crate that was listed before.
fn unique(tree: &str) -> BTreeSet<String> {
    let crates =
        tree.lines().map(|line| line.split_whitespace().take(2).collect::<Vec<_>>().join(" "));
    crates.filter(|line| !line.is_empty()).collect()
}

pub(crate) fn too_high(tower: &BTreeSet<String>) -> Vec<String> {
    let list = || tower.iter().cloned().collect::<Vec<_>>().join(", ");
    let tell = || {
        format!(
            "Cargo.lock:1: a job executable needs {} crates, at most {TOWER_CRATES_MAX}: {}",
            tower.len(),
            list()
        )
    };
    (tower.len() > TOWER_CRATES_MAX).then(tell).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, version: &str, licence: &str) -> Package {
        Package { name: name.into(), version: version.into(), licence: licence.into() }
    }

    #[test]
    fn planted_licences_are_found() {
        let allowed = [
            "MIT",
            "MIT/Apache-2.0",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "GPL-3.0 OR MIT",
            "Apache-2.0 WITH LLVM-exception OR GPL-2.0",
            "MIT AND (GPL-2.0 OR BSD-3-Clause)",
        ];
        let foreign = ["", "GPL-3.0", "MIT AND GPL-3.0", "MIT or Apache-2.0", "MIT WITH X", "(MIT"];
        for (expressions, count) in [(allowed.as_slice(), 0), (foreign.as_slice(), 1)] {
            for expression in expressions {
                let broken = foreign_licences(&[package("a", "1.0.0", expression)]);
                assert_eq!(broken.len(), count, "{expression}");
            }
        }
    }

    #[test]
    fn planted_crates_are_found() {
        let table = [
            ("protobuf", "2.28.0", true),
            ("protobuf", "3.7.2", false),
            ("bincode", "1.3.3", false),
            ("bincode", "3.0.0", true),
            ("aws-lc-sys", "0.1.0", true),
            ("openraft", "0.9.9", true),
            ("openraft", "0.10.0-alpha.37", false),
            ("lz4_flex", "0.12.0", true),
            ("lz4_flex", "0.14.0", false),
            ("serde", "1.0.0", false),
        ];
        for (name, version, banned) in table {
            assert_eq!(
                banned_crates(&[package(name, version, "MIT")]).len(),
                usize::from(banned),
                "{name} {version}"
            );
        }
    }

    #[test]
    fn a_planted_high_tower_is_found_and_repeats_are_counted_once() {
        let tree = "a v1.0.0\na v1.0.0 (*)\nb v2.0.0 (proc-macro)\n\nb v2.0.0 (proc-macro) (*)\n";
        assert_eq!(unique(tree), BTreeSet::from(["a v1.0.0".to_owned(), "b v2.0.0".to_owned()]));
        assert!(too_high(&(0..60).map(|n| format!("c{n} v1")).collect()).is_empty());
        assert_eq!(too_high(&(0..61).map(|n| format!("c{n} v1")).collect()).len(), 1);
    }
}
