//! Every kind of job writes the same output in an executor as in an embedded run.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use gristmill::model::{Counters, Manifest};
use gristmill::storage::verify;

use crate::executables::executables;
use crate::worker::{Executor, Job, Result, described, names};

/// Runs the job embedded and with an executor, and compares everything that the two runs leave behind.
fn compare(job: &str, args: &[&str], folder: &Path) -> Result<Executor> {
    let args = |out| [args, &["-o", out]].concat();
    let embedded = Command::new(executables().join(job))
        .args(args("embedded"))
        .arg("-q")
        .current_dir(folder)
        .output()?;
    assert!(embedded.status.success(), "{embedded:?}");
    let mut spec = described(job, &args("apart"), folder)?;
    assert!(spec.sync);
    // Syncing hundreds of small files one by one would be slow.
    spec.sync = false;
    let (mut executor, job) = (Executor::of(job)?, Job::new(spec)?);
    let (records, bytes) = job.whole(&mut executor)?;

    let (one, other) = (folder.join("embedded"), folder.join("apart"));
    assert!(verify(&other)?.findings.is_empty());
    let (ours, theirs) = (manifest(&one)?, manifest(&other)?);
    assert_eq!((&theirs.parts, counted(&theirs)), (&ours.parts, counted(&ours)));
    assert_eq!((records, bytes), (ours.records, ours.bytes));
    assert!(bytes > 0, "nothing was compared");
    for part in &theirs.parts {
        assert!(fs::read(one.join(&part.name))? == fs::read(other.join(&part.name))?);
    }
    // Nothing of the staging folder is left.
    assert_eq!(names(folder)?, ["apart", "embedded", "in"]);
    Ok(executor)
}

/// Returns the counters, except the one that shows how much combiners have folded: one table for many maps folds more.
fn counted(manifest: &Manifest) -> Vec<(&str, &str, u64)> {
    manifest.counters.iter().filter(|(_, name, _)| *name != "reduce_input_records").collect()
}

fn manifest(out: &Path) -> Result<Manifest> {
    Ok(serde_json::from_slice(&fs::read(out.join("_MANIFEST.json"))?)?)
}

/// Returns bytes without a pattern, the same ones every time.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..bytes.div_ceil(8)).flat_map(|_| next()).take(bytes).collect()
}

#[test]
fn three_hundred_small_maps_are_reduced_a_few_at_a_time() -> Result {
    let folder = tempfile::tempdir()?;
    let mut text = String::new();
    for line in 0..20_000_u64 {
        writeln!(text, "word{} and the {}", line * line % 977, line % 7)?;
    }
    fs::write(folder.path().join("in"), &text)?;
    let bytes = (text.len() / 300).to_string() + "B";
    let input = folder.path().join("in");
    let input = input.to_str().ok_or("a path of ours is text")?;
    let args = [input, "--split-size", &bytes, "-r", "3", "--memory", "16MiB"];
    compare("wordcount", &args, folder.path()).map(drop)
}

#[test]
fn a_map_that_spills_leaves_one_sorted_file() -> Result {
    let folder = tempfile::tempdir()?;
    let input = folder.path().join("in");
    fs::write(&input, noise(400_000 * 100))?;
    let input = input.to_str().ok_or("a path of ours is text")?;
    let args = [input, "-r", "4", "--memory", "16MiB", "--split-size", "25MB"];
    let executor = compare("terasort", &args, folder.path())?;
    // Long maps report their progress, in bytes of their split of 20 MB.
    let told = &executor.progress;
    assert!(told.iter().any(|&(bytes, total)| bytes > 0 && total == 20_000_000), "{told:?}");
    Ok(())
}

#[test]
fn memory_changes_nothing_in_a_map_output() -> Result {
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("in"), noise(200_000 * 100))?;
    let mut outputs = Vec::new();
    for (out, memory) in [("a", "16MiB"), ("b", "1GiB")] {
        let args = ["in", "-o", out, "-r", "2", "--memory", memory, "--split-size", "1GB"];
        let job = Job::new(described("terasort", &args, folder.path())?)?;
        let mut executor = Executor::of("terasort")?;
        let (plan, splits, _) = job.plan(&mut executor)?;
        let (made, _) = job.map(&mut executor, &plan, splits, &mut Counters::new())?;
        let path = made[0].clone().ok_or("a map without output")?;
        outputs.push(gristmill::shuffle::SpillFile::open(path)?.index().digest);
    }
    assert_eq!(outputs[0], outputs[1]);
    Ok(())
}

#[test]
fn a_job_without_a_reduce_keeps_its_parts_and_side_outputs() -> Result {
    let folder = tempfile::tempdir()?;
    let input = folder.path().join("in");
    fs::write(&input, "a whale\nno\nanother whale\n".repeat(500))?;
    let input = input.to_str().ok_or("a path of ours is text")?;
    compare(
        "find-lines",
        &[input, "-e", "whale", "--counts", "--split-size", "2KiB"],
        folder.path(),
    )
    .map(drop)
}

/// The paths of the input files are part of this job's output.
#[test]
fn paths_of_input_are_the_same_however_it_is_named() -> Result {
    for input in [
        "in",
        "./in",
        "in/../in/",
        "./in/*",
        ".//{./in,none}/./s*/../*",
        "in/{s*,a}",
        "in/link",
        "PLACE/in",
        "PLACE/./in/**",
    ] {
        let folder = tempfile::tempdir()?;
        let place = folder.path().canonicalize()?;
        fs::create_dir_all(place.join("in/sub"))?;
        // The names contain any bytes, including the separators of the output's format.
        for name in ["a", "sub/b [x].txt", "sub/tab\there", "sub/line\nbreak", "sub/ü \"quoted\""]
        {
            fs::write(place.join("in").join(name), format!("word {}\n", name.len()))?;
        }
        fs::write(place.join("in/sub").join(OsStr::from_bytes(b"\xff\xfe")), "word\n")?;
        symlink("sub", place.join("in/link"))?;
        let input = input.replace("PLACE", place.to_str().ok_or("a path of ours is text")?);
        compare("inverted-index", &[&input, "-r", "2"], &place)?;
        if input != "in/link" {
            continue;
        }
        let lines = fs::read_to_string(place.join("embedded/part-00000.jsonl"))?
            + &fs::read_to_string(place.join("embedded/part-00001.jsonl"))?;
        assert!(lines.contains(&format!("{}/in/link/b [x].txt", place.display())), "{lines}");
        assert!(lines.contains("in/link/tab\\there") && lines.contains("line\\nbreak"), "{lines}");
    }
    Ok(())
}

#[test]
fn two_inputs_and_side_outputs_of_reduces() -> Result {
    let folder = tempfile::tempdir()?;
    let input = folder.path().join("in");
    fs::create_dir(&input)?;
    let users: String = (0..500).map(|user| format!("u{user}\tname {user}\n")).collect();
    let order = |n: u32| format!("{{\"user\":\"u{}\",\"item\":\"i{n}\",\"cents\":{n}}}\n", n % 600);
    fs::write(input.join("users.tsv"), users)?;
    fs::write(input.join("orders.jsonl"), (0..3000).map(order).collect::<String>())?;
    let args = ["users=in/users.tsv", "orders=in/orders.jsonl", "-r", "2", "--split-size", "4KiB"];
    compare("join-orders", &args, folder.path()).map(drop)
}
