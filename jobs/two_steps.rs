//! Runs two jobs on a cluster. The first counts words. The second reads the first one's output, and finds the words
//! that contain a given text.
//!
//! ```text
//! $ gristmill dev &
//! $ cargo run --release --example two_steps -- target/release monday in.txt whale
//! monday-counting: j1 succeeded, monday/counts
//! monday-finding: j2 succeeded, monday/found
//! ```
//!
//! Each run has its own name, which is also the folder of its outputs. A run can be interrupted and started again at
//! any time. A step whose output exists is not run again. A step that was already submitted continues as the same job,
//! because it is submitted with the same id.

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use gristmill::client::{
    DESCRIBE_WITHIN, Described, Master, Options, Submission, describe, follow, submit,
};
use gristmill::model::JobState;

type Result = std::result::Result<(), Box<dyn Error>>;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [executables, run, input, text] = &arguments[..] else {
        eprintln!(
            "error: expected a folder of job executables, a name for this run, an input and a text to find"
        );
        return ExitCode::from(2);
    };
    match two_steps(executables, run, input, text).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn two_steps(executables: &str, run: &str, input: &str, text: &str) -> Result {
    let masters = std::env::var("GRISTMILL_CLUSTER").unwrap_or("127.0.0.1:7400".into());
    let masters: Vec<String> = masters.split(',').map(String::from).collect();
    let master = Master::connect(&masters, Options::default())?;

    std::fs::create_dir_all(run)?;
    let (wordcount, counts) = (format!("{executables}/wordcount"), format!("{run}/counts"));
    step(&master, &format!("{run}-counting"), &wordcount, &[input], &counts).await?;
    let (finder, found) = (format!("{executables}/find-lines"), format!("{run}/found"));
    step(&master, &format!("{run}-finding"), &finder, &[&counts, "-e", text], &found).await
}

/// Runs one job to its end, unless its output is already complete.
async fn step(
    master: &Master,
    id: &str,
    executable: &str,
    arguments: &[&str],
    output: &str,
) -> Result {
    if Path::new(output).join("_SUCCESS").exists() {
        println!("{id}: done before, {output}");
        return Ok(());
    }
    let arguments: Vec<_> = [arguments, &["-o", output]].concat().iter().map(Into::into).collect();
    let described = describe(executable.as_ref(), &arguments, DESCRIBE_WITHIN).await?;
    let Described::Job { executable, spec, map_only, .. } = described else {
        return Err(
            "the executable printed a text, such as its help, instead of describing a job".into()
        );
    };
    let job = submit(master, Submission::new(id.into(), executable, *spec, map_only)).await?;
    let ended = follow(master, job, |_| ()).await?;
    if ended.state != JobState::Succeeded {
        return Err(format!("{id}: {}", ended.error.unwrap_or(ended.reason)).into());
    }
    println!("{id}: {job} succeeded, {output}");
    Ok(())
}
