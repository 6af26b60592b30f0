//! Output on a terminal: bars, tables that fit, optional colours, and escaped control characters.

use std::fs;

use crate::commands::{GRISTMILL, Result};
use crate::dev::{Dev, send};
use crate::examples::example;
use crate::odd::{MARKS, Odd};
use crate::pty::Pty;
use crate::until::until;

const FLAGS: &str = "in.txt --split-size 1KiB -r 2";

/// Writes an input of about ten maps. One of them waits, and so does the reduce.
fn write_input(dev: &Dev) -> Result {
    let lines: String = (0..250).map(|n| format!("the {} and the other\n", n % 100)).collect();
    fs::create_dir_all(dev.path(MARKS))?;
    Ok(fs::write(dev.path("in.txt"), format!("{lines}wait one\nhold two\n\x1b[31mred\n{lines}"))?)
}

/// Submits the job on a terminal.
fn submit(dev: &Dev, variables: &[(&str, &str)], columns: u32, output: &str) -> Result<Pty> {
    let (odd, marks) = (example("odd"), dev.path(MARKS).display().to_string());
    let mut arguments = vec!["submit", "--no-backups", "--name", "nightly", &odd];
    arguments.extend(FLAGS.split(' '));
    arguments.extend(["--marks", &marks, "-o", output]);
    Pty::start(dev, columns, variables, &arguments)
}

/// Returns the bars on a screen, as pairs of name and percentage.
fn bars(screen: &[String]) -> Vec<(String, String)> {
    let names = ["plan", "map", "reduce", "commit"];
    let bars = screen.iter().filter_map(|row| {
        let mut words = row.split_whitespace();
        Some((words.next().filter(|name| names.contains(name))?.into(), words.next()?.into()))
    });
    bars.collect()
}

#[test]
fn a_job_that_is_followed_is_drawn_and_its_last_state_stays() -> Result {
    let dev = Dev::start()?;
    write_input(&dev)?;
    let odd = Odd::new(FLAGS);
    let mut pty = submit(&dev, &[], 80, "out")?;
    odd.waits(&dev, "one", 1)?;
    let mut screen = Vec::new();
    until("others are mapped, and one is waited for", || {
        screen = pty.screen()?;
        let waits = |row: &str| {
            let begins = row.starts_with("waits for j1/m");
            begins && row.contains(" on w") && row.contains(", started 0:")
        };
        let is_mapped = |row: &str| row.starts_with("map ") && row.contains("[#");
        Ok(screen.iter().any(|row| waits(row)) && screen.iter().any(|row| is_mapped(row)))
    })?;
    assert!(screen.iter().any(|row| row.starts_with("j1 nightly  mapping  ")), "{screen:?}");
    let shown: Vec<_> = bars(&screen).into_iter().map(|(name, _)| name).collect();
    assert_eq!(shown, ["plan", "map", "reduce", "commit"], "once each: {screen:?}");
    odd.open(&dev, "one")?;
    odd.waits(&dev, "two", 1)?;
    let screen = pty.until_row("waits for j1/r")?;
    assert!(screen.iter().any(|row| row.starts_with("map    100% [##")), "{screen:?}");
    odd.open(&dev, "two")?;
    assert_eq!(pty.ended()?, Some(0));

    let screen = pty.screen()?;
    let rows: Vec<&str> = screen.iter().map(String::as_str).filter(|row| !row.is_empty()).collect();
    assert!(rows[0].starts_with("j1 is submitted; "), "{rows:?}");
    assert_eq!(rows[1], "j1 nightly  succeeded  100 %");
    let all =
        ["plan", "map", "reduce", "commit"].map(|name| (name.to_string(), "100%".to_string()));
    assert_eq!(bars(&screen), all);
    assert_eq!(rows.len(), 7, "nothing else is left: {rows:?}");
    assert_eq!(rows[6], format!("j1 succeeded: {}", dev.path("out").display()));
    let said = pty.output()?;
    assert!(said.contains("\x1b[32msucceeded\x1b[0m"), "{said:?}");

    // The gates are open now, so this job ends by itself. It has no colours and a narrow terminal.
    let mut narrow = submit(&dev, &[("NO_COLOR", "1")], 40, "out2")?;
    assert_eq!(narrow.ended()?, Some(0));
    let said = narrow.output()?;
    assert!(
        said.contains("\x1b[K") && !said.contains("\x1b[3") && !said.contains("\x1b[0m"),
        "{said:?}"
    );
    let rows = narrow.screen()?;
    assert!(rows.iter().any(|row| row == "j2 nightly  succeeded  100 %"), "{rows:?}");
    assert!(rows.iter().any(|row| row.starts_with("reduce 100% 2/2")), "{rows:?}");

    // A terminal that supports only lines gets lines.
    let mut dumb = submit(&dev, &[("TERM", "dumb")], 80, "out3")?;
    assert_eq!(dumb.ended()?, Some(0));
    assert!(
        !dumb.output()?.contains('\x1b') && dumb.output()?.contains("j3 succeeded"),
        "{:?}",
        dumb.output()
    );
    Ok(())
}

#[test]
fn watch_shows_progress_in_the_requested_form() -> Result {
    let dev = Dev::start()?;
    dev.input(100)?;
    let wordcount = Dev::job("wordcount");
    assert_eq!(dev.run(&["submit", &wordcount, "in.txt", "-o", "out"])?.code, Some(0));
    let succeeded = format!("j1 succeeded: {}\n", dev.path("out").display());
    let table = [
        ("auto", format!("j1 succeeded  maps 1/1  reduces 1/1  100 %\n{succeeded}")),
        ("never", succeeded.clone()),
        ("hadoop", format!(" map 100% reduce 100%\n{succeeded}")),
    ];
    for (how, said) in table {
        let ended = dev.run(&["watch", "--progress", how, "j1"])?;
        assert_eq!((ended.code, ended.stderr), (Some(0), said), "{how}");
    }
    let drawn = dev.run(&["watch", "j1", "--progress", "always"])?;
    assert!(drawn.stderr.contains("commit 100% [##"), "{}", drawn.stderr);
    assert!(!drawn.stderr.contains("\x1b[32m"), "no terminal, no colours: {}", drawn.stderr);
    let refused = dev.run(&["watch", "j1", "--progress", "sometimes"])?;
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    // With JSON, standard error holds nothing else.
    let json = dev.run(&["submit", &wordcount, "in.txt", "-o", "out2", "--summary", "json"])?;
    let summary: serde_json::Value = serde_json::from_str(&json.stderr)?;
    assert_eq!(summary["state"], "succeeded");
    Ok(())
}

#[test]
fn lists_and_outputs_fit_a_terminal_and_are_whole_elsewhere() -> Result {
    let dev = Dev::start()?;
    write_input(&dev)?;
    let (odd, name) = (Odd::new(FLAGS), "a".repeat(60));
    let job = odd.clone().with_options(&format!("--name {name}")).submit(&dev)?;
    odd.open(&dev, "one")?;
    odd.open(&dev, "two")?;
    assert_eq!(odd.watch(&dev, &job)?.ended.code, Some(0));
    let on_terminal = |columns, arguments: &[&str]| -> Result<(Vec<String>, String)> {
        let mut pty = Pty::start(&dev, columns, &[], arguments)?;
        assert_eq!(pty.ended()?, Some(0), "{arguments:?}");
        Ok((pty.screen()?, pty.output()?))
    };

    let (rows, said) = on_terminal(100, &["jobs"])?;
    assert!(rows.iter().all(|row| row.chars().count() <= 100), "{rows:?}");
    assert!(
        rows[1].starts_with("j1   aaaaaaaa") && rows[1].contains("a…  succeeded  20"),
        "{rows:?}"
    );
    assert!(said.contains("\x1b[32msucceeded\x1b[0m  20"), "{said:?}");
    let piped = dev.run(&["jobs"])?;
    assert!(piped.stdout.contains(&name) && !piped.stdout.contains('\x1b'), "{}", piped.stdout);
    let (_, said) = on_terminal(80, &["status", &job])?;
    assert!(said.contains("state      \x1b[32msucceeded\x1b[0m\r\n"), "{said:?}");

    // The key would turn the terminal red.
    let (rows, said) = on_terminal(80, &["cat", "out"])?;
    assert!(rows.iter().any(|row| row.starts_with(r"\x1b[31mred")), "{rows:?}");
    assert!(!said.contains('\x1b'), "{said:?}");
    assert!(dev.parts("out")?.windows(8).any(|bytes| bytes == b"\x1b[31mred"));
    Ok(())
}

#[test]
fn a_shell_completes_commands_and_flags() -> Result {
    let dev = Dev::start()?;
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = dev.run(&["completions", shell])?;
        assert_eq!(script.code, Some(0), "{shell}: {}", script.stderr);
        for word in ["completions", "submit", "drain", "no-backups"] {
            assert!(script.stdout.contains(word), "{shell}: {word}");
        }
    }
    let complete = |words: &[&str]| -> Result<String> {
        let line = format!(
            "source <({GRISTMILL} completions bash); COMP_WORDS=({}); COMP_CWORD={}; \
             _gristmill gristmill \"${{COMP_WORDS[-1]}}\" \"${{COMP_WORDS[-2]}}\"; echo \"${{COMPREPLY[*]}}\"",
            words.join(" "),
            words.len() - 1
        );
        let output = std::process::Command::new("bash").args(["-c", &line]).output()?;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?.trim_end().to_owned())
    };
    assert_eq!(complete(&["gristmill", "wat"])?, "watch");
    assert_eq!(complete(&["gristmill", "watch", "--prog"])?, "--progress");
    assert_eq!(complete(&["gristmill", "watch", "--progress", "h"])?, "hadoop");
    assert_eq!(complete(&["gristmill", "workers", "dr"])?, "drain");
    let unknown = dev.run(&["completions", "tcsh"])?;
    assert_eq!(unknown.code, Some(2), "{}", unknown.stderr);
    assert!(
        unknown.stderr.contains("use one of bash, elvish, fish, powershell, zsh"),
        "{}",
        unknown.stderr
    );
    Ok(())
}

#[test]
fn ctrl_c_keeps_the_drawn_progress() -> Result {
    let dev = Dev::start()?;
    write_input(&dev)?;
    let odd = Odd::new(FLAGS);
    let job = odd.submit(&dev)?;
    odd.waits(&dev, "one", 1)?;
    let mut pty = Pty::start(&dev, 80, &[], &["watch", &job])?;
    pty.until_row("waits for j1/m")?;
    let mut watcher = None;
    until("it is found", || {
        let found = crate::leftovers::children(pty.pid())?;
        watcher = found.first().copied();
        Ok(watcher.is_some())
    })?;
    send("INT", watcher.ok_or("nobody watches")?)?;
    assert_eq!(pty.ended()?, Some(130));
    let screen = pty.screen()?;
    assert_eq!(bars(&screen).len(), 4, "{screen:?}");
    assert!(screen.iter().any(|row| row.starts_with("detached; j1 continues")), "{screen:?}");
    assert_eq!(dev.run(&["kill", &job])?.code, Some(0));
    Ok(())
}
