//! The usual mistakes of job authors: each is a change to the word-count job, with the expected compiler message.

use crate::rustc::Rustc;

const GOOD: &str = "\
use gristmill::prelude::*;

#[derive(Args, Serialize, Deserialize)]
struct Count {}

impl Job for Count {
    type Input = Lines;
    type Key<'a> = &'a Text;
    type Value<'a> = u64;
    type Output = Tsv;

    fn map(&self, line: &Text, out: &mut Emitter<Self>) -> Result {
        line.words().try_for_each(|word| out.emit(word, 1))
    }

    fn combiner(&self) -> impl Combine<Self> {
        Sum
    }

    fn reduce(&self, word: &Text, counts: Values<Self>, out: &mut Writer<Tsv>) -> Result {
        out.write((word, counts.sum()?))
    }
}

fn main() -> ExitCode {
    gristmill::launch::<Count>()
}
";

struct Mistake {
    /// Pairs of right code and the mistake that the author wrote instead.
    changes: &'static [(&'static str, &'static str)],
    /// How the first error begins.
    error: &'static str,
    /// What else the compiler prints.
    said: &'static [&'static str],
}

const DERIVE: &str = "#[derive(Args, Serialize, Deserialize)]\n";
const STRUCT: &str = "struct Count {}";
const EMIT: &str = "out.emit(word, 1)";
const WRITE: &str = "out.write((word, counts.sum()?))";
const NO_JOB: &str = "error[E0277]: `Count` cannot be a job: its fields must be flags, and its value must be serializable for the tasks\n";
const ALL_THREE: &str = "needs all three of `#[derive(Args, Serialize, Deserialize)]`\n";

/// Mistakes in the order in which an author meets them: the struct, the types, the map, the combiner, the reduce, the
/// launch.
const MISTAKES: &[Mistake] = &[
    Mistake {
        changes: &[(DERIVE, "")],
        error: NO_JOB,
        said: &[ALL_THREE, "`cargo add clap --features derive`"],
    },
    Mistake {
        changes: &[(DERIVE, "#[derive(Serialize, Deserialize)]\n")],
        error: NO_JOB,
        said: &[ALL_THREE],
    },
    Mistake {
        changes: &[(DERIVE, "#[derive(Args, Deserialize)]\n")],
        error: NO_JOB,
        said: &[ALL_THREE],
    },
    Mistake {
        changes: &[(DERIVE, "#[derive(Args, Serialize)]\n")],
        error: NO_JOB,
        said: &[ALL_THREE],
    },
    Mistake {
        changes: &[(
            STRUCT,
            "struct Count {\n    #[arg(long)]\n    seen: std::collections::HashSet<u8>,\n}",
        )],
        error: "error[E0277]: `HashSet<u8>` cannot be the type of a flag: clap does not know how to read it from text\n",
        said: &[
            "mark a field that is not a flag with `#[arg(skip)]`",
            "`#[arg(value_parser = f)]` with a function `fn f(text: &str) -> Result<HashSet<u8>, String>`",
        ],
    },
    Mistake {
        changes: &[
            (
                STRUCT,
                "#[derive(Clone, Serialize, Deserialize)]\nstruct Range(u8, u8);\n\n#[derive(Args, Serialize, Deserialize)]\nstruct Count {\n    \
             #[arg(long)]\n    of: Option<Range>,\n    #[arg(long)]\n    n: u32,\n}",
            ),
            (DERIVE, ""),
        ],
        error: "error[E0277]: `Range` cannot be the type of a flag: clap does not know how to read it from text\n",
        said: &["`FromStr`, `From<String>` or `clap::ValueEnum`"],
    },
    Mistake {
        changes: &[(
            STRUCT,
            "struct Count {\n    #[serde(skip)]\n    cache: std::collections::BTreeSet<u8>,\n}",
        )],
        error: "error[E0277]: `BTreeSet<u8>` cannot be the type of a flag: clap does not know how to read it from text\n",
        said: &["mark a field that is not a flag with `#[arg(skip)]`"],
    },
    Mistake {
        changes: &[("Key<'a> = &'a Text", "Key = &Text")],
        error: "error: missing lifetime in associated type\n",
        said: &["// in your impl, such as `type Key<'a> = &'a Text;`, always with `<'a>`\n"],
    },
    Mistake {
        changes: &[("Key<'a> = &'a Text", "Key = u64"), (EMIT, "out.emit(1, 1)")],
        error: "error[E0195]: lifetime parameters or bounds on associated type `Key` do not match the trait declaration\n",
        said: &["// in your impl, such as `type Key<'a> = &'a Text;`, always with `<'a>`\n"],
    },
    Mistake {
        changes: &[("Value<'a> = u64", "Value = &str")],
        error: "error: missing lifetime in associated type\n",
        said: &["// in your impl, such as `type Value<'a> = u64;`\n"],
    },
    Mistake {
        changes: &[("Value<'a> = u64", "Value = u64")],
        error: "error[E0195]: lifetime parameters or bounds on associated type `Value` do not match the trait declaration\n",
        said: &["// in your impl, such as `type Value<'a> = u64;`\n"],
    },
    Mistake {
        changes: &[
            (STRUCT, "struct Count {}\nstruct Host(u32);"),
            ("Key<'a> = &'a Text", "Key<'a> = Host"),
            (EMIT, "out.emit(Host(word.len() as u32), 1)"),
            ("word: &Text", "host: Host"),
            (WRITE, "out.write((host.0, counts.sum()?))"),
        ],
        error: "error[E0277]: `Host` cannot be a key\n",
        said: &["a key needs both of `#[derive(Serialize, Deserialize)]`\n"],
    },
    Mistake {
        changes: &[
            (STRUCT, "struct Count {}\nstruct Tally(u64);"),
            ("Value<'a> = u64", "Value<'a> = Tally"),
            (EMIT, "out.emit(word, Tally(1))"),
            ("        Sum", "        NoCombiner"),
            (WRITE, "out.write((word, counts.count()?))"),
        ],
        error: "error[E0277]: the trait bound `Tally: serde::",
        said: &[
            "consider adding `#[derive(serde::Serialize)]`",
            "consider adding `#[derive(serde::Deserialize)]`",
        ],
    },
    Mistake {
        changes: &[("Input = Lines", "Input = String")],
        error: "error[E0277]: `std::string::String` is not an input format\n",
        said: &[
            "write `type Input = Lines`, or another format\n",
            "the formats are Lines, Utf8Lines, JsonLines<T>",
        ],
    },
    Mistake {
        changes: &[("Output = Tsv", "Output = String"), ("Writer<Tsv>", "Writer<String>")],
        error: "error[E0277]: `std::string::String` is not an output format\n",
        said: &["write `Tsv`, `Json`, `TextLines`, `Raw`, `Seq`, or `Gzip` around one of them\n"],
    },
    Mistake {
        changes: &[(EMIT, "out.emit(word.to_string(), 1)")],
        error: "error[E0308]: mismatched types\n",
        said: &["expected `&Text`, found `String`\n", "out.emit(word, 1)"],
    },
    Mistake {
        changes: &[(EMIT, "out.emit(word, 1_u32)")],
        error: "error[E0308]: mismatched types\n",
        said: &["expected `u64`, found `u32`\n", "1_u64"],
    },
    Mistake {
        changes: &[
            ("Value<'a> = u64", "Value<'a> = String"),
            (EMIT, "out.emit(word, word.to_string())"),
            (WRITE, "out.write((word, counts.count()?))"),
        ],
        error: "error[E0277]: values of type `std::string::String` are not numbers, so `Sum`, `Min`, `Max` and `values.sum()` cannot take them\n",
        said: &[
            "needs a number type, such as `type Value<'a> = u64`\n",
            "`while let Some(value) = values.next()? { … }`",
        ],
    },
    Mistake {
        changes: &[("        Sum\n", "        Sum;\n")],
        error: "error[E0277]: `()` is not a combiner of `Count`\n",
        said: &["without a semicolon after the combiner\n"],
    },
    Mistake {
        changes: &[
            (STRUCT, "struct Count {}\n#[derive(Serialize)]\nstruct Tally { n: u64 }"),
            (WRITE, "out.write((word, Tally { n: counts.sum()? }))"),
        ],
        error: "error[E0277]: `Tally` cannot be a field of tab-separated text\n",
        said: &[
            "`Tsv` writes numbers, text and tuples of them, such as `(word, count)`\n",
            "`type Output = Json`",
        ],
    },
    Mistake {
        changes: &[(WRITE, "out.write((word, counts.sum()))")],
        error: "error[E0277]: `std::result::Result<u64, gristmill::job::Error>` cannot be a field of tab-separated text\n",
        said: &["a `Result` needs a `?` first\n"],
    },
    Mistake {
        changes: &[("Output = Tsv", "Output = TextLines"), ("Writer<Tsv>", "Writer<TextLines>")],
        error: "error[E0277]: `u64` is not text or bytes\n",
        said: &[
            "`TextLines` and `Raw` write text, bytes and tuples of them\n",
            "`type Output = Tsv`",
        ],
    },
    Mistake {
        changes: &[("Writer<Tsv>", "Writer<Self>")],
        error: "error[E0053]: method `reduce` has an incompatible type for trait\n",
        said: &["expected `gristmill::format::Tsv`, found `Count`\n"],
    },
    Mistake {
        changes: &[("launch::<Count>", "launch::<MapOnly<Count>>")],
        error: "error[E0277]: `Count` is not a map-only job\n",
        said: &[
            "a job with a reduce implements `Job` and is launched directly: `gristmill::launch::<Count>()`\n",
        ],
    },
];

#[test]
fn every_mistake_is_answered_with_what_to_do() {
    let rustc = Rustc::find();
    let folder = tempfile::tempdir().expect("the system has a temporary folder");
    assert_eq!(rustc.says(GOOD, folder.path()), "", "word count itself compiles");
    for Mistake { changes, error, said } in MISTAKES {
        let mut program = GOOD.to_string();
        for (right, wrong) in *changes {
            assert!(program.contains(right), "word count has `{right}`");
            program = program.replacen(right, wrong, 1);
        }
        let found = rustc.says(&program, folder.path());
        assert!(found.starts_with(error), "{changes:?}: expected {error} of\n{found}");
        for sentence in *said {
            assert!(found.contains(sentence), "{changes:?}: expected {sentence} in\n{found}");
        }
    }
}
