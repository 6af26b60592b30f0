//! How a job executable describes the job that a command line asks for, before anything runs.

use std::fs;

use gristmill::frame::{Description, VERSION};
use gristmill::model::Location;

use crate::worker::{Result, describe, described, names};

#[test]
fn a_description_holds_the_job_with_absolute_paths() -> Result {
    let folder = tempfile::tempdir()?;
    let place = folder.path().canonicalize()?.join("odd [name] {a,b}");
    fs::create_dir(&place)?;
    for name in ["a.txt", "b.txt"] {
        fs::write(place.join(name), "a b a\n")?;
    }
    let args =
        ["a.txt", "*.txt", "-o", "out", "-r", "3", "--progress", "hadoop", "--memory", "32MiB"];
    let Description::Job { version, spec, map_only, report, notes } =
        describe("wordcount", &args, &place)?
    else {
        return Err("no job".into());
    };
    assert_eq!((version, map_only), (VERSION, false));
    assert_eq!((spec.name.as_str(), spec.reducers, spec.sync), ("wordcount", Some(3), true));
    assert_eq!(spec.output, Some(Location::from(&place.join("out"))));
    assert_eq!(spec.inputs[0].location, Location::from(&place.join("a.txt")));
    // The folder's own name is not part of the pattern. The pattern matches the first file again.
    let inputs: Vec<_> = spec.inputs.iter().map(|input| input.location.path().into()).collect();
    assert_eq!(gristmill::storage::list(&inputs)?.files.len(), 2);
    assert_eq!((notes.repeated, notes.hidden), (1, 0));
    let report: Vec<(&str, &str)> = report.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    assert_eq!(report, [("progress", "hadoop"), ("summary", "text")]);
    // Describing a job creates no files.
    assert_eq!(names(&place)?, ["a.txt", "b.txt"]);
    let found = described("find-lines", &["a.txt", "-e", "a", "-o", "out", "-q"], &place)?;
    assert_eq!(found.name, "find-lines");
    Ok(())
}

#[test]
fn invalid_jobs_are_refused_before_any_work() -> Result {
    let folder = tempfile::tempdir()?;
    fs::create_dir(folder.path().join("full"))?;
    for file in ["in.txt", "full/x"] {
        fs::write(folder.path().join(file), "a\n")?;
    }
    let table: [(&[&str], &str); 8] = [
        (&["in.txt"], "a job on a cluster needs an output folder\nhint: "),
        (&["in.txt", "-o", "-"], "a job on a cluster needs an output folder\nhint: "),
        (&["-", "-o", "out"], "a cluster cannot read standard input (`-`)\nhint: "),
        (&["none.txt", "-o", "out"], "input does not exist: "),
        (&["in.txt", "-o", "full"], "output folder is not empty: it holds "),
        (&["in.txt", "-o", "no/out"], "output's parent folder does not exist: "),
        (&["full", "-o", "full/out"], "output lies inside an input: "),
        (&["in.txt", "-o", "out", "--memory", "1"], "size"),
    ];
    for (args, expected) in table {
        let Description::Refused { line, .. } = describe("wordcount", args, folder.path())? else {
            return Err(format!("{args:?} is not refused").into());
        };
        assert!(line.starts_with(expected), "{args:?}: {line}");
    }
    assert_eq!(names(folder.path())?, ["full", "in.txt"]);
    let help = describe("wordcount", &["--help"], folder.path())?;
    assert!(matches!(&help, Description::Text(text) if text.contains("--reducers")), "{help:?}");
    Ok(())
}
