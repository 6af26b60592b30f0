//! A job fails if its staged output is damaged before the commit publishes it.

use std::fs;
use std::path::PathBuf;

use crate::commands::Result;
use crate::fleet::Fleet;
use crate::leftovers::check_nothing_is_left;
use crate::odd::{MARKS, OUTPUT, Odd};
use crate::taken::staging;
use crate::until::until;

/// Returns the files staged by attempts of reduces whose names satisfy `is_meant`.
fn staged(fleet: &Fleet, is_meant: impl Fn(&str) -> bool) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for name in staging(fleet)? {
        for attempt in fs::read_dir(fleet.path(&name).join("attempts"))? {
            let attempt = attempt?.path();
            if !attempt.file_name().is_some_and(|it| it.to_string_lossy().starts_with('r')) {
                continue;
            }
            for file in fs::read_dir(attempt)? {
                let file = file?;
                if is_meant(&file.file_name().to_string_lossy()) {
                    found.push(file.path());
                }
            }
        }
    }
    Ok(found)
}

/// Damages the files that the first of two reduces has staged, while the second one still runs. The job must then fail
/// after one commit, with the commit's cause.
fn check_fails(is_meant: fn(&str) -> bool, said: &str) -> Result {
    let fleet = Fleet::start(2, 1)?;
    fs::write(fleet.path("in.txt"), "hold gate\na line\nanother line\none more\nand the last\n")?;
    let odd = Odd::new("in.txt -r 2");
    let job = odd.submit(&fleet)?;
    odd.waits(&fleet, "gate", 1)?;
    until("the other reduce has sealed its part", || {
        Ok(staged(&fleet, |name| name == "_parts")?.len() == 1)
    })?;
    let [list] = &staged(&fleet, |name| name == "_parts")?[..] else { return Err("a list".into()) };
    let done = list.parent().ok_or("a folder")?;
    for file in staged(&fleet, is_meant)?.iter().filter(|file| file.starts_with(done)) {
        fs::write(file, "not what it was")?;
    }
    odd.open(&fleet, "gate")?;
    let report = odd.watch(&fleet, &job)?;
    let stderr = &report.ended.stderr;
    assert_eq!(report.ended.code, Some(1), "{stderr}");
    assert!(stderr.contains(said) && stderr.contains("\nhint: check the disk"), "{stderr}");
    let commits = report.attempts.all(|attempt| attempt.kind == "commit");
    assert_eq!(commits.len(), 1, "another commit would read the same: {commits:?}");
    assert_eq!(fleet.json(&["why", &job])?["kind"], "disk");
    assert!(!fleet.path(OUTPUT).exists());
    until("the staging folder is removed", || Ok(staging(&fleet)?.is_empty()))?;
    fs::remove_dir_all(fleet.path(MARKS))?;
    check_nothing_is_left(fleet, &[])
}

#[test]
fn job_with_a_damaged_list_of_parts_fails() -> Result {
    check_fails(|name| name == "_parts", "an attempt's parts does not match its checksum")
}

#[test]
fn job_with_a_damaged_part_fails() -> Result {
    check_fails(|name| name.starts_with("part-"), "part has 15 bytes instead of ")
}
