//! Bad command lines and inputs: each is refused before any work, with an error, its place and a hint.

use crate::program::{Place, Result};

/// Commands that prepare the folder, the command line, the exit code, and parts of the error.
type Row = (&'static str, &'static str, i32, &'static [&'static str]);

const ROWS: &[Row] = &[
    ("", "wordcount", 2, &["no input was given"]),
    (
        "",
        "wordcount in.txt --overwritten",
        2,
        &["unknown flag --overwritten", "did you mean --overwrite?"],
    ),
    ("", "wordcount in.txt --memory 1GB --memory 2GB", 2, &["--memory", "given more than once"]),
    ("", "wordcount in.txt --memory", 2, &["--memory", "needs a value"]),
    ("", "wordcount in.txt --memory 1000", 2, &["`1000` has no unit", "256MiB"]),
    (
        "",
        "wordcount in.txt --memory 0",
        2,
        &["`0` has no unit", "write a size from 16MiB to 16TiB"],
    ),
    (
        "",
        "wordcount in.txt --memory 10G",
        2,
        &["`10G` has an unknown unit", "write a size from 16MiB to 16TiB"],
    ),
    (
        "",
        "wordcount in.txt --split-size 1",
        2,
        &["`1` has no unit", "write a size from 1KiB to 1TiB"],
    ),
    (
        "",
        "wordcount in.txt --split-size 1B",
        2,
        &["`1B` is out of range", "write a size from 1KiB to 1TiB"],
    ),
    (
        "",
        "wordcount in.txt --memory -1GB",
        2,
        &[
            "size `-1GB` is negative: --memory <SIZE>\nhint: write a size from 16MiB to 16TiB, such as 256MiB or 1GB\n",
        ],
    ),
    ("", "wordcount in.txt --split-size=-1GB", 2, &["is negative: --split-size"]),
    (
        "",
        "wordcount in.txt --memory --threads 2",
        2,
        &["expected a value, got `--threads`: --memory", "write a size from 16MiB"],
    ),
    ("", "wordcount in.txt --threads -x", 2, &["expected a value, got `-x`: --threads"]),
    (
        "",
        "find-lines in.txt --pattern -x",
        2,
        &[
            "--pattern needs a value, but `-x` looks like a flag\nhint: if `-x` is the value of --pattern, write --pattern=-x\n",
        ],
    ),
    (
        "",
        "find-lines in.txt --pattern '--a b'",
        2,
        &["hint: if `--a b` is the value of --pattern, write --pattern='--a b'\n"],
    ),
    ("", "find-lines in.txt --pattern -q", 2, &["write --pattern=-q\n"]),
    ("", "wordcount in.txt -o -x", 2, &["write -o=-x\n"]),
    (
        "mv in.txt ./-in.txt",
        "wordcount -in.txt",
        2,
        &["unknown flag -i\nhint: if you mean the file of that name, write ./-in.txt\n"],
    ),
    (
        "",
        "wordcount in.txt --priority 9",
        2,
        &[
            "unknown flag --priority\nhint: it is a flag of `gristmill submit`: write it before the executable\n",
        ],
    ),
    ("", "wordcount in.txt --detach -o out", 2, &["a flag of `gristmill submit`"]),
    ("", "wordcount in.txt --cluster=127.0.0.1:7400", 2, &["a flag of `gristmill submit`"]),
    ("", "wordcount in.txt --memory $'1\\x1b[31mGB'", 2, &["`1\\x1b[31mGB`"]),
    ("", "wordcount in.txt --quiet=yes", 2, &["--quiet takes no value, but got `yes`"]),
    ("", "wordcount in.txt --memory $'\\xff'", 2, &["not UTF-8: `\\xff`"]),
    ("", "wordcount in.txt --memory 99999999999999999999GB", 2, &["--memory"]),
    ("", "wordcount in.txt --memory NaN", 2, &["NaN"]),
    ("", "wordcount in.txt --memory 1KiB", 2, &["out of range", "16MiB"]),
    ("", "wordcount in.txt --split-size 10XB", 2, &["10XB"]),
    ("", "wordcount in.txt -r 0", 2, &["`0` is not a number from 1 to 10000"]),
    ("", "wordcount in.txt -r 10001", 2, &["`10001`"]),
    ("", "wordcount in.txt -r 100000000", 2, &["`100000000` is not a number from 1 to 10000"]),
    ("", "wordcount in.txt -r -1", 2, &["`-1`"]),
    ("", "wordcount in.txt --threads 0", 2, &["--threads"]),
    ("", "wordcount in.txt --max-bad-records x", 2, &["`x`"]),
    ("", "wordcount in.txt --progress loud", 2, &["`loud`", "hadoop"]),
    ("", "wordcount in.txt -q --summary json", 2, &["cannot be used together"]),
    ("", "wordcount in.txt --overwrite", 2, &["--overwrite", "--output DIR"]),
    ("", "wordcount missing.txt", 2, &["does not exist", "missing.txt"]),
    ("", "wordcount s3://b/k", 2, &["input is a URL", "s3://b/k"]),
    ("", "wordcount file:///etc/passwd", 2, &["input is a URL", "without file://"]),
    ("", "wordcount in.txt -o s3://b/out", 2, &["output is a URL", "s3://b/out"]),
    ("", "wordcount '*.none'", 2, &["matches no file", "*.none"]),
    ("", "wordcount - in.txt", 2, &["standard input", "the only input"]),
    ("mkfifo pipe", "wordcount pipe", 2, &["a pipe", "pipe"]),
    ("", "wordcount /dev/zero", 2, &["a device", "/dev/zero"]),
    (
        "printf 'PK\\003\\004xx' >a.zip",
        "wordcount in.txt a.zip",
        2,
        &["the input format cannot read a zip archive: a.zip\nhint: unpack it first"],
    ),
    (
        "mkdir d && printf 'PAR1\\025\\004\\025' >d/p",
        "wordcount d -o out",
        2,
        &["cannot read a Parquet file: d/p\nhint: convert it"],
    ),
    ("printf '\\377\\376a\\0' >u", "wordcount - <u", 2, &["UTF-16 text: -\nhint: ", "iconv"]),
    ("tar cf a.tar in.txt && gzip a.tar", "wordcount a.tar.gz", 2, &["a tar archive: a.tar.gz"]),
    (
        "cp in.txt a.gz",
        "wordcount '*.gz'",
        2,
        &["named like gzip data, but does not begin like gzip data: a.gz"],
    ),
    ("ln -s nowhere link", "wordcount link", 2, &["leads to nothing", "nowhere"]),
    ("mkdir -p d/e && ln -s .. d/e/up", "wordcount d", 2, &["loop"]),
    ("mkdir out && touch out/mine", "wordcount in.txt -o out", 2, &["not empty: it holds mine"]),
    (
        "mkdir out && touch out/.DS_Store",
        "wordcount in.txt -o out",
        2,
        &["not empty: it holds .DS_Store"],
    ),
    (
        "$JOBS/wordcount in.txt -o out -q && mkdir out/mine && touch out/notes.txt",
        "wordcount in.txt -o out --overwrite",
        2,
        &["not part of the earlier output: mine/, notes.txt"],
    ),
    (
        "$JOBS/wordcount in.txt -o out -q && echo mine >>out/part-00000.tsv",
        "wordcount in.txt -o out --overwrite",
        2,
        &[
            "not part of the earlier output: part-00000.tsv (changed from 8 to 13 bytes): out\nhint: move them",
        ],
    ),
    (
        "mkdir out && touch out/mine",
        "wordcount in.txt -o out --overwrite",
        2,
        &["not written by gristmill"],
    ),
    ("", "wordcount in.txt -o in.txt", 2, &["in.txt"]),
    ("mkdir d && cp in.txt d", "wordcount d -o d/out", 2, &["inside an input"]),
    ("", "wordcount in.txt -o missing/out", 2, &["parent folder does not exist", "missing"]),
    ("", "wordcount in.txt -o /", 2, &["/"]),
    ("", "wordcount in.txt -o out --scratch in.txt", 2, &["in.txt"]),
    ("", "join-orders in.txt", 2, &["users=PATH or orders=PATH"]),
    ("", "join-orders users=in.txt", 2, &["no input is given for `orders`"]),
    ("", "join-orders users=in.txt order=in.txt", 2, &["no input named `order`"]),
    ("gzip -c in.txt | head -c 15 >cut.gz", "wordcount cut.gz", 1, &["truncated", "cut.gz"]),
    (
        "gzip -c in.txt >pad.gz && head -c 512 /dev/zero >>pad.gz && gzip -c in.txt >>pad.gz",
        "wordcount pad.gz",
        1,
        &["data follows the zero padding", "pad.gz"],
    ),
    (
        "printf 'no tab\\n' >u && printf '{}\\n' >o",
        "join-orders users=u orders=o",
        1,
        &["jobs/join-orders/src/main.rs:", "u at byte 0", "record: `no tab`"],
    ),
    (
        "printf 'u\\tn\\n' >u && printf '{\"user\":}\\n' >o",
        "join-orders users=u orders=o",
        1,
        &["bad JSON", "o at byte 0"],
    ),
    (
        "head -c 70000000 /dev/zero >long",
        "wordcount long --progress never",
        1,
        &["record is longer than the limit of 67108864 bytes", "long"],
    ),
];

/// More [`ROWS`], for the `gristmill` command.
#[cfg(feature = "cluster")]
const ROWS_OF_THE_COMMAND: &[Row] = &[
    ("", "gristmill verfy out", 2, &["unknown command `verfy`", "did you mean verify?"]),
    (
        "",
        "gristmill submit --reducers 4 \"$JOBS\"/wordcount in.txt -o out",
        2,
        &[
            "unknown flag --reducers\nhint: it is a flag of the job: write it after the executable\n",
        ],
    ),
    ("", "gristmill submit -o out \"$JOBS\"/wordcount in.txt", 2, &["a flag of the job"]),
    (
        "",
        "gristmill submit --pattern=x \"$JOBS\"/find-lines in.txt",
        2,
        &[
            "unknown flag --pattern\nhint: if it is a flag of the job, write it after the executable\n",
        ],
    ),
    (
        "",
        "gristmill submit \"$JOBS\"/wordcount in.txt -o out --max-attempts 2",
        2,
        &["unknown flag --max-attempts\nhint: it is a flag of `gristmill submit`: write it before"],
    ),
    (
        "",
        "gristmill submit --priority high \"$JOBS\"/wordcount in.txt -o out",
        2,
        &["`high` is not a number from 0 to 9: --priority <P>\nhint: "],
    ),
    (
        "",
        "gristmill submit --max-attempts 101 \"$JOBS\"/wordcount in.txt -o out",
        2,
        &["`101` is not a number from 1 to 100: --max-attempts <N>\nhint: "],
    ),
    ("", "gristmill worker --slots many", 2, &["`many` is not a number from 1 to 1024: --slots"]),
    ("", "gristmill dev --workers 1e3", 2, &["`1e3` is not a number from 1 to 64: --workers"]),
    (
        "",
        "gristmill submit no-such-job in.txt -o out",
        2,
        &["No such file or directory", "no-such-job\nhint: check the path"],
    ),
    ("", "gristmill submit --name -x \"$JOBS\"/wordcount in.txt", 2, &["write --name=-x\n"]),
    ("", "gristmill verify in.txt in.txt", 2, &["unexpected additional argument: in.txt"]),
    (
        "",
        "gristmill verify none",
        2,
        &["the output folder does not exist: none\nhint: check the spelling"],
    ),
    (
        "",
        "gristmill cat none",
        2,
        &["the output folder does not exist: none\nhint: check the spelling"],
    ),
    ("", "gristmill cat .", 2, &["cannot read the manifest", "_MANIFEST.json"]),
    (
        "$JOBS/wordcount in.txt -o out && rm out/part-00000.tsv",
        "gristmill cat out",
        6,
        &["part is missing: out/part-00000.tsv\nhint: run `gristmill verify out`"],
    ),
    (
        "$JOBS/wordcount in.txt -o out && rm out/part-00000.tsv && mkfifo out/part-00000.tsv",
        "gristmill cat out",
        6,
        &["part is not a regular file: out/part-00000.tsv"],
    ),
    (
        "$JOBS/wordcount in.txt -o out && rm out/part-00000.tsv && mkfifo out/part-00000.tsv",
        "gristmill verify out",
        6,
        &["part-00000.tsv cannot be read: not a regular file"],
    ),
    (
        "$JOBS/wordcount in.txt -o out && echo >>out/part-00000.tsv",
        "gristmill cat out",
        6,
        &["part has 9 bytes instead of 8"],
    ),
    (
        "$JOBS/wordcount in.txt -o out",
        "gristmill cat out >/dev/full",
        1,
        &[
            "cannot write the result to standard output: ",
            "\nhint: redirect standard output to a file with free space",
        ],
    ),
    ("", "gristmill --version >&-", 1, &["standard output: it is closed"]),
    ("", "gristmill completions bash >&-", 1, &["standard output: it is closed"]),
    (
        "$JOBS/wordcount in.txt -o out",
        "gristmill cat out >&-",
        1,
        &["standard output: it is closed"],
    ),
    (
        "$JOBS/wordcount in.txt -o out",
        "gristmill verify out 1<in.txt",
        1,
        &["standard output: it is open for reading only"],
    ),
    (
        "",
        "gristmill submit --detach \"$JOBS\"/wordcount in.txt -o out >&-",
        2,
        &["the job's id", "it is closed"],
    ),
];

#[cfg(feature = "cluster")]
#[test]
fn what_the_command_cannot_do_is_refused_likewise() -> Result {
    check(ROWS_OF_THE_COMMAND)
}

#[test]
fn what_cannot_be_is_refused_with_what_where_and_what_to_do() -> Result {
    check(ROWS)
}

fn check(rows: &[Row]) -> Result {
    for (prepare, typed, code, said) in rows {
        let place = Place::new()?;
        assert_eq!(place.shell(prepare)?.code, Some(0), "{prepare}");
        let before = place.names()?;
        let ended = place.shell(&format!("exec \"$JOBS\"/{typed}"))?;
        let shown = format!("{typed}\n{}", ended.stderr);
        assert_eq!(ended.code, Some(*code), "{shown}");
        assert!(ended.stderr.starts_with("error: "), "{shown}");
        assert_eq!(
            ended.stderr.lines().filter(|line| !line.starts_with("  ")).count(),
            1 + ended.stderr.lines().filter(|line| line.starts_with("hint: ")).count(),
            "{shown}"
        );
        assert!(said.iter().all(|said| ended.stderr.contains(said)), "{shown}");
        assert!(!ended.stderr.contains('\x1b') && ended.stdout.is_empty(), "{shown}");
        assert_eq!(place.names()?, before, "something is left behind: {shown}");
    }
    Ok(())
}
