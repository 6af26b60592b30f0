//! Runs that reach a resource limit (`ulimit`): the error names the cause, its hint fits that limit, and nothing is
//! left behind. Also tests that jobs replace outputs in an overlay file system.

use std::fs;

use crate::program::{Place, Result};

/// Runs word count on many words within this limit of the shell, and checks that only its output is left.
fn within(limit: &str, flags: &str) -> Result<(Option<i32>, String)> {
    let place = Place::new()?;
    let line = format!("seq 1 400000 >in.txt; {limit}; exec $JOBS/wordcount in.txt -q {flags}");
    let ended = place.shell(&line)?;
    let names = place.names()?;
    let made = ["in.txt", "out"].map(String::from);
    let expected = &made[..1 + usize::from(ended.code == Some(0) && flags.contains("-o out"))];
    assert_eq!(names, expected, "{limit} {flags}: {}", ended.stderr);
    assert!(ended.code == Some(0) || ended.stdout.is_empty(), "{limit} {flags}");
    Ok((ended.code, ended.stderr))
}

#[test]
fn each_limit_of_the_process_has_its_own_cause_and_hint() -> Result {
    for (limit, flags, cause, hint) in [
        ("ulimit -f 100", "-o out", "File too large", "ulimit -f"),
        ("ulimit -f 100", "", "File too large", "ulimit -f"),
        ("ulimit -f 1", "-o out --memory 16MiB", "File too large", "ulimit -f"),
        ("ulimit -f 0", "-o out", "File too large", "ulimit -f"),
        // The lowest limits with which a program starts, and some higher ones.
        ("ulimit -n 4", "-o out", "Too many open files", "ulimit -n"),
        ("ulimit -n 5", "-o out", "Too many open files", "ulimit -n"),
        ("ulimit -n 6", "-o out", "Too many open files", "ulimit -n"),
        ("ulimit -n 7", "-o out --scratch .", "Too many open files", "ulimit -n"),
        ("ulimit -n 8", "", "Too many open files", "ulimit -n"),
        ("ulimit -n 9", "-o out --memory 16MiB", "Too many open files", "ulimit -n"),
        ("ulimit -n 10", "-o out --memory 16MiB --threads 1", "Too many open files", "ulimit -n"),
        ("ulimit -n 10", "--memory 16MiB", "Too many open files", "ulimit -n"),
    ] {
        let (code, said) = within(limit, flags)?;
        assert!(matches!(code, Some(1 | 2)), "{limit} {flags}: {said}");
        assert!(said.starts_with("error: ") && said.contains(cause), "{limit} {flags}: {said}");
        assert!(said.contains(hint) && !said.contains("(disk)"), "{limit} {flags}: {said}");
    }
    Ok(())
}

#[test]
fn lack_of_memory_names_the_flag_and_leaves_nothing() -> Result {
    let mut failed = 0;
    for megabytes in [24, 40, 60, 80, 120, 200, 400] {
        for flags in ["-o out", "--threads 3"] {
            let (code, said) = within(&format!("ulimit -v {}", megabytes << 10), flags)?;
            if code != Some(0) {
                failed += 1;
                let names = ["--memory", "ulimit -v"];
                assert!(names.iter().any(|name| said.contains(name)), "{megabytes}: {said}");
            }
        }
    }
    assert!(failed > 0, "all limits were large enough");
    Ok(())
}

/// Runs a shell line in a folder `d` whose lower layer the shell line `lower` makes. `$JOBS` and `in.txt` are outside.
fn in_layers(lower: &str, run: &str) -> Result<String> {
    let place = Place::new()?;
    let script = format!(
        "set -e; mkdir low up work d; cd low; {lower}; cd ..; \
         mount -t overlay -o userxattr,lowerdir=low,upperdir=up,workdir=work none d; {run}"
    );
    fs::write(place.path("script"), script)?;
    let ended = place.shell("exec unshare -Urm bash script")?;
    assert_eq!(ended.code, Some(0), "{lower}: {}", ended.stderr);
    Ok(String::from_utf8(ended.stdout)?)
}

#[test]
fn outputs_in_a_lower_layer_are_replaced() -> Result {
    const OLD: &str = "$JOBS/wordcount ../in.txt -q -o out";
    const NEW: &str = "echo c >new.txt; $JOBS/wordcount new.txt -q -o d/out --overwrite; cat d/out/part-*; ls -A d";
    for (lower, run, expected) in [
        (OLD, NEW, "c\t1\nout\n"),
        ("mkdir out", NEW, "c\t1\nout\n"),
        (
            "mkdir out; chmod 750 out",
            "$JOBS/wordcount in.txt -q -o d/out; stat -c %a d/out",
            "750\n",
        ),
        (
            "mkdir x; cd x; $JOBS/wordcount ../../in.txt -q -o out; cd ..",
            "echo c >new.txt; $JOBS/wordcount new.txt -q -o d/x/out --overwrite; cat d/x/out/part-*; ls -A d/x",
            "c\t1\nout\n",
        ),
        (
            "printf 'a\\tb\\n' >in; $JOBS/wordcount in -q -o out; rm in",
            "for n in 1 2; do $JOBS/wordcount in.txt -q -o d/out --overwrite; done; cat d/out/part-*; ls -A d",
            "a\t2\nb\t1\nout\n",
        ),
    ] {
        assert_eq!(in_layers(lower, run)?, expected, "{lower}");
    }
    Ok(())
}
