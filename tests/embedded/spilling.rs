//! Inputs that do not fit into memory are spilled and merged in passes, and the output is the same.

use crate::cases::{
    Case, GrepCase, InvertedIndexCase, JoinCase, SessionsCase, TeraSortCase, WordCountCase, check,
};
use crate::random::Random;
use crate::trial::{Result, Setting, Trial};

/// Checks that plenty of memory gives the right output, and that little memory gives the same bytes with one thread and
/// with three.
///
/// Returns how many spills and merges the runs with little memory needed.
fn runs_alike<C: Case>(seed: u64, records: usize) -> Result<(u64, u64)> {
    let trial = Trial::new(C::input(&mut Random(seed), records))?;
    let setting = |threads, memory_bytes| Setting {
        split_bytes: Some(128 << 10),
        reducers: Some(3),
        threads,
        memory_bytes,
        ..Setting::PLAIN
    };
    let plenty = check::<C>(&trial, setting(2, 1 << 30))?;
    assert_eq!(plenty.outcome.collected.spills, 0);
    let (mut spills, mut merges) = (0, 0);
    for threads in [1, 3] {
        let little = trial.run::<C::Job>(C::FLAGS, setting(threads, 16 << 20))?;
        let differ = plenty.parts.keys().chain(little.parts.keys());
        let differ = differ.filter(|name| plenty.parts.get(*name) != little.parts.get(*name));
        assert_eq!(differ.collect::<Vec<_>>(), Vec::<&String>::new(), "with {threads} threads");
        assert!(little.litter.is_empty(), "{:?}", little.litter);
        spills = spills.max(little.outcome.collected.spills);
        merges = merges.max(little.outcome.merges);
    }
    Ok((spills, merges))
}

#[test]
fn word_count_spills() -> Result {
    let (spills, merges) = runs_alike::<WordCountCase>(1, 250_000)?;
    assert!(spills > 5 && merges > 0, "{spills} {merges}");
    Ok(())
}

#[test]
fn terasort_spills() -> Result {
    let (spills, merges) = runs_alike::<TeraSortCase>(2, 150_000)?;
    assert!(spills > 5 && merges > 0, "{spills} {merges}");
    Ok(())
}

#[test]
fn the_inverted_index_spills() -> Result {
    let (spills, merges) = runs_alike::<InvertedIndexCase>(3, 250_000)?;
    assert!(spills > 5 && merges > 0, "{spills} {merges}");
    Ok(())
}

#[test]
fn sessions_spill() -> Result {
    let (spills, merges) = runs_alike::<SessionsCase>(4, 500_000)?;
    assert!(spills > 5 && merges > 0, "{spills} {merges}");
    Ok(())
}

#[test]
fn the_join_spills() -> Result {
    let (spills, merges) = runs_alike::<JoinCase>(5, 400_000)?;
    assert!(spills > 5 && merges > 0, "{spills} {merges}");
    Ok(())
}

#[test]
fn find_lines_has_nothing_to_spill() -> Result {
    let (spills, merges) = runs_alike::<GrepCase>(6, 50_000)?;
    assert_eq!((spills, merges), (0, 0));
    Ok(())
}
