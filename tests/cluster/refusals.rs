//! Commands that are refused: exit codes and messages, as a table.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::commands::{Ended, GRISTMILL, alone};
use crate::dev::{Dev, Result};
use crate::examples::example;
use crate::until::until;

#[test]
fn invalid_commands_exit_with_the_code_of_their_kind() -> Result {
    let dev = Dev::start()?;
    dev.input(10)?;
    let wordcount = Dev::job("wordcount");
    let (wordcount, odd) = (wordcount.as_str(), &*example("odd"));
    let table: &[(&[&str], i32, &str)] = &[
        (&["status", "j9"], 3, "j9"),
        (&["kill", "j9"], 3, "no job j9\nhint: list the jobs with `gristmill jobs`"),
        (&["logs", "j9/m1"], 3, "j9"),
        (
            &["workers", "drain", "w9"],
            3,
            "no worker w9\nhint: list the workers with `gristmill workers`",
        ),
        (
            &["masters", "transfer", "m9"],
            3,
            "master m9\nhint: list the masters with `gristmill masters`",
        ),
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
        (
            &["submit", odd, "in.txt", "--times", "x"],
            2,
            "`x` is not a whole number: --times <N>\nhint",
        ),
        (&["submit", odd, "in.txt", "--times", "-1"], 2, "write --times=-1"),
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

#[test]
fn ended_job_cannot_be_killed_and_hint_names_those_that_can() -> Result {
    let dev = Dev::start()?;
    dev.input(10)?;
    let submitted = dev.run(&["submit", &Dev::job("wordcount"), "in.txt", "-o", "out"])?;
    assert_eq!(submitted.code, Some(0), "{}", submitted.stderr);
    let killed = dev.run(&["kill", "j1"])?;
    assert_eq!(killed.code, Some(5));
    let said = "error: job j1 has already ended (succeeded)\nhint: only waiting and running jobs can be killed: list the jobs with `gristmill jobs`\n";
    assert_eq!(killed.stderr, said);
    let replayed = dev.run(&["replay", "j1/m0#9"])?;
    assert_eq!(replayed.code, Some(3));
    let said = "no attempt j1/m0#9: the last attempt at j1/m0 is #1\nhint: list the attempts with `gristmill tasks j1`";
    assert!(replayed.stderr.contains(said), "{}", replayed.stderr);
    Ok(())
}

#[test]
fn executable_on_the_path_is_named_where_it_is() -> Result {
    let dev = Dev::start()?;
    dev.input(10)?;
    let job = Dev::job("wordcount");
    let folder = Path::new(&job).parent().ok_or("a folder")?;
    let path = format!("/usr/bin:/bin:{}", folder.display());
    let submit = |executable: &str| -> Result<Ended> {
        let mut command = dev.command(&["submit", executable, "in.txt", "-o", "out"]);
        Ok(command.env("PATH", &path).output()?.into())
    };
    let ended = submit("wordcount")?;
    assert_eq!(ended.code, Some(2));
    let said = format!(": wordcount\nhint: submit {job}, which was found in PATH\n");
    assert!(ended.stderr.ends_with(&said), "{}", ended.stderr);
    // A folder with that name is not the executable either.
    fs::create_dir(dev.path("wordcount"))?;
    let ended = submit("wordcount")?;
    assert!(ended.stderr.ends_with(&said), "{}", ended.stderr);
    // An executable that is given as a path is not searched for elsewhere.
    let ended = submit("./word-count")?;
    assert!(ended.stderr.contains("hint: check the path"), "{}", ended.stderr);
    Ok(())
}

#[test]
fn address_of_another_server_is_not_called_a_silent_master() -> Result {
    let dev = Dev::start()?;
    dev.input(10)?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let other = listener.local_addr()?.to_string();
    std::thread::spawn(move || {
        for mut connection in listener.incoming().flatten() {
            // Clients close the connection when they see this.
            let _sent_or_closed = connection.write_all(b"220 mail.example ESMTP\r\n");
            let _read_or_closed = connection.read(&mut [0; 64]);
        }
    });
    let web = dev.webs.first().ok_or("a page")?.as_str();
    let job = Dev::job("wordcount");
    for (arguments, address, found) in [
        (
            &["jobs", "--cluster", web][..],
            web,
            "an HTTP server answers there, perhaps a master's web pages",
        ),
        (&["submit", "--cluster", web, &job, "in.txt", "-o", "o"], web, "an HTTP server answers"),
        (
            &["master", "--id", "2", "--listen", "127.0.0.1:0", "--data", "m", "--join", web],
            web,
            "an HTTP server answers",
        ),
        (
            &["jobs", "--cluster", &other],
            &other,
            "neither a master nor an HTTP server answers there",
        ),
    ] {
        let ended = dev.run(arguments)?;
        assert_eq!(ended.code, Some(4), "{arguments:?}: {}", ended.stderr);
        assert!(
            ended.stderr.contains(&format!("{address} is not a master's address: "))
                && ended.stderr.contains(found)
                && ended.stderr.contains("\nhint: use the address in the line"),
            "{arguments:?}: {}",
            ended.stderr
        );
    }
    Ok(())
}
