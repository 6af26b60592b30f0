//! Difficult inputs: one key with nearly all records, and more files than tasks.

use std::fs;

use crate::commands::Result;
use crate::fleet::Fleet;
use crate::leftovers::check_nothing_is_left;
use crate::odd::{OUTPUT, Odd, filled};
use crate::trial::{counted, parts, status};

/// Files of a few bytes.
const FILES: usize = 10_000;
/// Limit on the maps, far below the number of files.
const MAPS_MAX: u64 = 20;

#[test]
fn a_key_that_has_nine_tenths_of_the_records_is_reduced_within_the_memory() -> Result {
    // The records of the hot key alone are larger than an attempt's memory.
    let fleet = Fleet::start_with(2, 1, &["--memory", "40MiB"])?;
    let hot = format!("hot {}\n", "key".repeat(40));
    let line = |number: usize| match number % 10 {
        0 => format!("cold {}\n", number % 1_000),
        _ => hot.clone(),
    };
    let input = filled(48 << 20, line);
    let records = input.lines().filter(|line| line.starts_with("hot")).count();
    assert!(records * hot.len() > 40 << 20);
    fs::write(fleet.path("in.txt"), input)?;
    let odd = Odd::new("in.txt -r 3 --split-size 4MiB --memory 16MiB");
    let report = odd.run(&fleet)?;
    assert!(report.failed().is_empty(), "{:?}", report.failed());
    assert_eq!(counted(&fleet, &report.job, "attempts_rerun")?, 0);
    let hot_line = format!("{}\t{records}\n", hot.trim_end());
    let has_it =
        |(_, bytes): &(String, Vec<u8>)| String::from_utf8_lossy(bytes).contains(&hot_line);
    assert!(parts(&fleet, OUTPUT)?.iter().any(has_it), "{records}");
    odd.check_succeeded(&fleet, &report)?;
    check_nothing_is_left(fleet, &[])
}

#[test]
fn ten_thousand_small_files_are_few_tasks() -> Result {
    let fleet = Fleet::start(2, 1)?;
    fs::create_dir(fleet.path("in"))?;
    for number in 0..FILES {
        let line = format!("line {} of a small file\n", number % 77);
        fs::write(fleet.path(&format!("in/{number:05}")), line)?;
    }
    fs::write(fleet.path("in.txt"), "a file beside them\n")?;
    let odd = Odd::new("in in.txt -r 2");
    let report = odd.run(&fleet)?;
    let maps = status(&fleet, &report.job)?["maps"]["total"].as_u64().ok_or("no maps")?;
    assert!((1..=MAPS_MAX).contains(&maps), "{maps}");
    assert_eq!(counted(&fleet, &report.job, "attempts_rerun")?, 0);
    odd.check_succeeded(&fleet, &report)?;
    check_nothing_is_left(fleet, &["in"])
}
