//! The example program for the client library, which runs one job on the output of another.

use std::path::Path;
use std::process::Command;

use crate::commands::{Ended, Result};
use crate::dev::Dev;
use crate::executables::executables;

/// Builds the example, which is otherwise built only by a test run of all targets.
fn build() -> Result {
    let target = executables().parent().ok_or("profiles lie below target")?;
    let status = Command::new(env!("CARGO"))
        .args(["build", "--locked", "--offline", "--all-features", "--profile", "test"])
        .args(["--example", "two_steps", "--target-dir"])
        .arg(target)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()?;
    if status.success() { Ok(()) } else { Err("the example cannot be built".into()) }
}

/// Runs a program with the cluster's address in its environment.
fn run(dev: &Dev, program: &Path, arguments: &[&str]) -> Result<Ended> {
    let mut command = Command::new(program);
    let around = dev.command(&[]);
    for (name, value) in around.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    Ok(command.args(arguments).current_dir(dev.path("")).output()?.into())
}

#[test]
fn a_program_runs_one_job_on_the_output_of_another_and_may_be_started_again() -> Result {
    build()?;
    let dev = Dev::start()?;
    dev.input(3_000)?;
    let jobs = executables().display().to_string();
    let arguments = [&jobs, "monday", "in.txt", "9"];
    let program = executables().join("examples/two_steps");
    let ended = run(&dev, &program, &arguments)?;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let said = "monday-counting: j1 succeeded, monday/counts\nmonday-finding: j2 succeeded, monday/found\n";
    assert_eq!(ended.stdout, said);

    let alone = |job: &str, arguments: &[&str]| {
        let program = executables().join(job);
        let ended = run(&dev, &program, &[arguments, &["-q"]].concat())?;
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        Ok::<_, Box<dyn std::error::Error>>(())
    };
    alone("wordcount", &["in.txt", "-o", "counts"])?;
    alone("find-lines", &["counts", "-e", "9", "-o", "found"])?;
    assert_eq!(dev.parts("monday/counts")?, dev.parts("counts")?);
    assert_eq!(dev.parts("monday/found")?, dev.parts("found")?);
    assert!(!dev.parts("found")?.is_empty());

    let again = run(&dev, &program, &arguments)?;
    let said =
        "monday-counting: done before, monday/counts\nmonday-finding: done before, monday/found\n";
    assert_eq!((again.code, again.stdout.as_str()), (Some(0), said), "{}", again.stderr);
    assert_eq!(dev.json(&["jobs"])?.as_array().map(Vec::len), Some(2));

    let wrong = run(&dev, &program, &[&jobs, "tuesday", "nowhere", "9"])?;
    assert_eq!(wrong.code, Some(1));
    assert!(wrong.stderr.contains("nowhere"), "{}", wrong.stderr);
    Ok(())
}
