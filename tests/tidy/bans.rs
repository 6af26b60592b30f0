//! Words that are banned in some places: a table, and a search for violations.

use crate::paths::paths;
use crate::source::Source;
use crate::tokens::{Token, tokens};

/// Where a ban holds.
enum Within {
    /// In one module of `src/`.
    Module(&'static str),
    /// In all of `src/`.
    Src,
    /// In every Rust file: jobs, tests and benches too.
    Tree,
}

struct Ban {
    words: &'static [&'static str],
    within: Within,
    /// Modules of `src/` that are exempt.
    except: &'static [&'static str],
    why: &'static str,
}

/// The bans. They apply to code, not to comments or strings. A word with `::` is also found when it is spread over a
/// `use` group.
const BANS: &[Ban] = &[
    Ban {
        words: &[
            "async",
            "tokio",
            "std::fs",
            "std::net",
            "std::time",
            "rand",
            "HashMap",
            "HashSet",
            "tracing",
        ],
        within: Within::Module("scheduler"),
        except: &[],
        why: "the scheduler is a value: no I/O, async, clock, chance, hash order or log line",
    },
    Ban {
        words: &["prost", "tonic", "pb::"],
        within: Within::Src,
        except: &["rpc"],
        why: "wire types stop at `rpc`",
    },
    Ban {
        words: &["openraft"],
        within: Within::Src,
        except: &["consensus"],
        why: "openraft stays behind `consensus`",
    },
    Ban {
        words: &["println!", "eprintln!", "print!", "eprint!"],
        within: Within::Src,
        except: &["cli", "launch", "main"],
        why: "only `cli` and `launch` talk to the terminal",
    },
    Ban {
        words: &["std::env"],
        within: Within::Src,
        // An author's test has three lines. A fourth one, to name the temporary folder, would be one too many. Crash
        // points lie deep in the code, where no caller passes the environment down.
        except: &["cli", "launch", "main", "testing", "crash"],
        why: "only `cli`, `launch` and `testing` ask the environment, and `crash`, which is not released",
    },
    Ban {
        words: &["Instant::now", "SystemTime::now"],
        within: Within::Tree,
        except: &["clock"],
        why: "only src/clock.rs reads the clock: take a time or a `Clock` as an argument",
    },
    Ban {
        words: &["dbg!", "#[ignore", "#[should_panic"],
        within: Within::Tree,
        except: &[],
        why: "tests always run and say what they expect; debugging aids do not land",
    },
    Ban {
        words: &["[allow("],
        within: Within::Tree,
        except: &[],
        why: "an exception is `#[expect(…, reason = …)]`, which goes away with its cause",
    },
];

/// The word is written in two halves, because it is also searched for in comments and strings.
const UNFINISHED: &str = concat!("TO", "DO");

pub(crate) fn banned_words(sources: &[Source]) -> Vec<String> {
    sources.iter().flat_map(banned_words_of).collect()
}

fn banned_words_of(source: &Source) -> Vec<String> {
    let tokens = tokens(&source.text);
    let mut broken = Vec::new();
    for ban in BANS.iter().filter(|ban| ban.holds_in(source.top_module())) {
        for word in ban.words {
            let mut lines = places(&tokens, word);
            lines.dedup();
            broken.extend(
                lines.into_iter().map(|line| source.at(line, format!("`{word}`: {}", ban.why))),
            );
        }
    }
    for (number, line) in (1..).zip(source.text.lines()) {
        if line.split(|letter: char| !letter.is_alphanumeric()).any(|word| word == UNFINISHED) {
            broken.push(source.at(number, format!("`{UNFINISHED}`: finish it, or write an issue")));
        }
    }
    broken
}

impl Ban {
    fn holds_in(&self, module: Option<&str>) -> bool {
        let within = match self.within {
            Within::Module(only) => module == Some(only),
            Within::Src => module.is_some(),
            Within::Tree => true,
        };
        within && !module.is_some_and(|module| self.except.contains(&module))
    }
}

/// Returns the lines that contain a word, in order.
fn places(file: &[Token<'_>], word: &str) -> Vec<usize> {
    let needle = tokens(word);
    let same = |window: &&[Token<'_>]| window.iter().zip(&needle).all(|(a, b)| a.text == b.text);
    let mut lines: Vec<_> =
        file.windows(needle.len()).filter(same).map(|window| window[0].line).collect();
    let segments: Vec<_> = word.split("::").collect();
    if segments.len() > 1 {
        let named = |path: &crate::paths::Path<'_>| {
            path.segments.windows(segments.len()).any(|part| part == segments)
        };
        lines.extend(paths(file, &[]).iter().filter(|path| named(path)).map(|path| path.line));
        lines.sort_unstable();
    }
    lines
}

#[test]
fn planted_words_are_found_where_they_are_banned_and_only_there() {
    let table = [
        ("src/scheduler/apply.rs", "async fn f() {}", "async"),
        ("src/scheduler/apply.rs", "use std::{collections::BTreeMap,\n fs};", "std::fs"),
        ("src/scheduler.rs", "let x: HashMap<u8, u8>;", "HashMap"),
        ("src/scheduler/apply.rs", "// async, asynchronous\nlet random = \"rand\";", ""),
        ("src/worker/mod.rs", "async fn f() { tokio::spawn(g()) }", ""),
        ("src/master/mod.rs", "#[derive(prost::Message)]", "prost"),
        ("src/master/mod.rs", "use crate::rpc::pb::Poll;", "pb::"),
        ("src/rpc/mod.rs", "use tonic::Status; pb::Poll", ""),
        ("src/master/mod.rs", "let pb = bar();", ""),
        ("src/worker/mod.rs", "use openraft::Raft;", "openraft"),
        ("src/consensus/mod.rs", "use openraft::Raft;", ""),
        ("src/client.rs", "use std::{env, io};", "std::env"),
        ("src/client.rs", "println!(\"x\")", "println!"),
        ("src/testing/check.rs", "println!(\"{:?}\", std::env::temp_dir())", "println!"),
        ("src/cli/jobs.rs", "println!(\"{:?}\", std::env::args())", ""),
        ("src/launch.rs", "eprintln!()", ""),
        ("tests/cluster.rs", "println!(\"x\")", ""),
        ("benches/b.rs", "let t = std::time::Instant::now();", "Instant::now"),
        ("src/clock.rs", "SystemTime::now()", ""),
        ("tests/cluster.rs", "#[ignore = \"slow\"]", "#[ignore"),
        ("tests/cluster.rs", "#[should_panic(expected = \"x\")]", "#[should_panic"),
        ("jobs/a/src/main.rs", "#![allow(dead_code)]", "[allow("),
        ("jobs/a/src/main.rs", "dbg!(x)", "dbg!"),
        ("jobs/a/src/main.rs", concat!("// TO", "DO: later"), UNFINISHED),
    ];
    for (path, text, word) in table {
        let broken = banned_words(&[Source::new(path, text)]);
        assert_eq!(broken.len(), usize::from(!word.is_empty()), "{path}: {text}: {broken:?}");
        assert!(
            broken.iter().all(|line| line.contains(&format!(": `{word}`: "))),
            "{text}: {broken:?}"
        );
    }
}
