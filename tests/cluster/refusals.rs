//! Commands that are refused: exit codes and messages, as a table.

use std::fs::{self, File};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::commands::{GRISTMILL, alone};
use crate::dev::{Dev, Result};
use crate::until::until;

#[test]
fn invalid_commands_exit_with_the_code_of_their_kind() -> Result {
    let dev = Dev::start()?;
    dev.input(10)?;
    let wordcount = Dev::job("wordcount");
    let wordcount = wordcount.as_str();
    let table: &[(&[&str], i32, &str)] = &[
        (&["status", "j9"], 3, "j9"),
        (&["kill", "j9"], 3, "j9"),
        (&["logs", "j9/m1"], 3, "j9"),
        (&["workers", "drain", "w9"], 3, "w9"),
        (&["status", "9"], 2, "not a job id: `9`"),
        (&["jobs", "--cluster", "127.0.0.1:1"], 4, "127.0.0.1:1"),
        (&["jobs", "--cluster", "192.168.0.1:7400"], 2, "not on this machine"),
        (
            &["master", "--id", "1", "--listen", "0.0.0.0:7400", "--data", "m"],
            2,
            "not on this machine",
        ),
        (&["master", "--id", "1", "--listen", "127.0.0.1:0", "--data", "m"], 2, "--init"),
        (&["dev", "--masters", "8"], 2, "--masters"),
        (&["dev", "--masters", "0"], 2, "--masters"),
        (&["submit"], 2, "EXECUTABLE"),
        (&["submit", "--name", "../x", wordcount, "in.txt", "-o", "o"], 2, "job name `../x`"),
        (&["submit", "--task-timeout", "10", wordcount, "in.txt", "-o", "o"], 2, "unit of time"),
        (&["submit", "/bin/true"], 2, "without describing a job: /bin/true"),
        (&["submit", "./none"], 2, "No such file"),
        (&["submit", wordcount, "in.txt"], 2, "--output"),
        (&["submit", wordcount, "-", "-o", "o"], 2, "standard input"),
        (&["submit", wordcount, "none.txt", "-o", "o"], 2, "none.txt"),
        (&["submit", wordcount, "--name", "x"], 2, "--name"),
    ];
    for (arguments, code, said) in table {
        let ended = dev.run(arguments)?;
        assert_eq!(ended.code, Some(*code), "{arguments:?}: {}", ended.stderr);
        assert!(ended.stderr.starts_with("error: "), "{arguments:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(said), "{arguments:?}: {}", ended.stderr);
        assert_eq!(ended.stdout, "", "{arguments:?}");
    }
    assert_eq!(dev.json(&["jobs"])?.as_array().map(Vec::len), Some(0));
    let help = dev.run(&["submit", wordcount, "--help"])?;
    assert_eq!(help.code, Some(0));
    assert!(help.stdout.contains("Counts"), "{}", help.stdout);
    Ok(())
}

#[test]
fn a_worker_that_finds_no_master_says_so_and_goes_on_asking() -> Result {
    let _alone = alone();
    let folder = TempDir::new()?;
    let said = folder.path().join("said");
    let mut worker = Command::new(GRISTMILL)
        .args(["worker", "--cluster", "127.0.0.1:1"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(&said)?)
        .spawn()?;
    let told = until("it says so", || {
        let said = fs::read_to_string(&said)?;
        Ok(said.contains("127.0.0.1:1") && said.contains("keeps trying for 10 min"))
    });
    let runs = worker.try_wait()?.is_none();
    worker.kill()?;
    worker.wait()?;
    told?;
    assert!(runs, "it goes on");
    Ok(())
}
