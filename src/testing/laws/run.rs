//! A real run, with threads and spills, must write the same output as calling map and reduce one by one.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::atomic::AtomicBool;

use super::super::side_results::{Difference, SideResults};
use super::super::subject::{Subject, Unchecked, groups_of};
use super::super::{Breach, show};
use super::reduce::parted;
use super::totals::totals;
use crate::clock::Manual;
use crate::embedded::{self, Options, Outcome, Prepared, Progress};
use crate::format::plan;
use crate::job::{By, Job, Partition};
use crate::model::{InputSpec, JobSpec, TaskKind, split_hint};
use crate::storage::draw_nonce;

/// Input bytes of a map task: the minimum that a spec allows.
const SPLIT_BYTES: u64 = *crate::model::job::SPLIT_BYTES.start();
/// Bytes that a run may use: enough for two threads.
const MEMORY_BYTES: u64 = 64 << 20;

/// Checks that a run writes the same parts as calling map and reduce one by one.
pub(crate) fn agrees<J: Job>(subject: &mut Subject<'_, J>) -> Result<Unchecked, Breach> {
    let totals = totals(subject, &vec![subject.files.to_vec()], 1, false)?;
    let mut sides: Option<Parts> = None;
    for (threads, reducers) in [(1, 1), (2, 3)] {
        let job = subject.bench.task(TaskKind::Plan, 0, reducers)?;
        // If partitions are ranges of keys, only the plan task knows the cut points.
        if !J::MAP_ONLY && reducers > 1 && is_ranged(&job.partitioner()) {
            continue;
        }
        let expected =
            if J::MAP_ONLY { mapped(subject)? } else { reduced(subject, &job, reducers)? };
        let Found { parts: found, sides: map_sides, counters } = run(subject, threads, reducers)?;
        for part in 0..expected.len().max(found.len()) {
            let empty = Vec::new();
            let expected = expected.get(part).unwrap_or(&empty);
            let found = found.get(part).unwrap_or(&empty);
            if !subject.same(expected, found) {
                let (expected, found) = show::results(expected, found);
                return Err(Breach::RunDiffers { threads, reducers, part, expected, found });
            }
        }
        let counted = totals.counts_differ(&counters, subject.settings);
        // Splits are the same in both runs, and so are the side parts of maps.
        let differs = counted
            .or_else(|| sides_differ(sides.get_or_insert_with(|| map_sides.clone()), &map_sides));
        if let Some((what, expected, found)) = differs {
            return Err(Breach::RunTotalsDiffer { threads, reducers, what, expected, found });
        }
    }
    Ok(None)
}

fn is_ranged<J: Job, P: Partition<J>>(_: &P) -> bool {
    P::BY == By::Range
}

/// Returns the expected parts of a job without a reduce.
fn mapped<J: Job>(subject: &mut Subject<'_, J>) -> Result<Vec<Vec<u8>>, Breach> {
    let splits =
        plan::plan::<J::Input>(subject.files, Some(SPLIT_BYTES)).map_err(Breach::not_run)?;
    let mut parts = Vec::new();
    for (index, split) in (0..).zip(&splits) {
        parts.push(subject.bench.map_to_part(index, std::slice::from_ref(&split.ranges))?);
    }
    Ok(parts)
}

/// Returns the expected parts of a job with a reduce.
fn reduced<J: Job>(
    subject: &mut Subject<'_, J>,
    job: &J,
    reducers: u32,
) -> Result<Vec<Vec<u8>>, Breach> {
    let mut parts = Vec::new();
    let groups = groups_of::<J>(&subject.whole)?;
    for (index, groups) in parted(job, groups, reducers)?.iter().enumerate() {
        let job = subject.bench.task(TaskKind::Reduce, index as u32, reducers)?;
        parts.push(subject.bench.reduce_to_part(&job, groups)?);
    }
    Ok(parts)
}

/// Parts by their names.
type Parts = BTreeMap<String, Vec<u8>>;

/// The results of a run.
struct Found {
    /// The parts of the output, in order.
    parts: Vec<Vec<u8>>,
    /// The parts of side outputs that maps have written.
    sides: Parts,
    counters: SideResults,
}

fn sides_differ(first: &Parts, second: &Parts) -> Option<Difference> {
    let name =
        first.keys().chain(second.keys()).find(|name| first.get(*name) != second.get(*name))?;
    let bytes = |parts: &Parts| parts.get(name).cloned().unwrap_or_default();
    let (first, second) = show::results(&bytes(first), &bytes(second));
    Some((format!("the side-output part {name}"), first, second))
}

/// Runs the job, and returns its results.
fn run<J: Job>(subject: &Subject<'_, J>, threads: usize, reducers: u32) -> Result<Found, Breach> {
    let inputs = subject.files.iter();
    let spec = JobSpec {
        name: "laws".into(),
        inputs: inputs
            .map(|file| InputSpec { source: file.source, location: file.location.clone() })
            .collect(),
        output: None,
        overwrite: false,
        reducers: Some(reducers),
        split_bytes: Some(SPLIT_BYTES),
        memory_bytes: MEMORY_BYTES,
        memory_is_given: false,
        max_bad_records: 0,
        umask: 0o022,
        sync: false,
        side_files: Vec::new(),
        job: subject.bench.job.clone(),
        invocation: Default::default(),
    };
    let temporary = subject.bench.folder().to_path_buf();
    let options = Options { threads, scratch: None, temporary, nonce: draw_nonce() };
    let mut prepared = embedded::prepare::<J>(&spec, &options).map_err(Breach::not_run)?;
    // The map must see the same paths as in the checks of the other laws, even if they contain links.
    prepared.files = subject.files.to_vec();
    let (progress, clock, stop) =
        (Progress::default(), Manual::at(0).clock(), AtomicBool::new(false));
    let outcome = embedded::run::<J>(&spec, &prepared, &options, &progress, &clock, &stop);
    let outcome = outcome.map_err(Breach::not_run)?;
    match outcome.failure {
        Some((_, failure)) => Err(Breach::Failed {
            step: "a real run",
            message: split_hint(&failure.message).0.to_string(),
            at: failure.at,
            record: failure.record.map(|record| show::bytes(&record.excerpt)),
        }),
        None => {
            found(&prepared, &outcome, &subject.settings.varying_sides).map_err(Breach::not_run)
        }
    }
}

fn found(prepared: &Prepared, outcome: &Outcome, varying: &[&str]) -> std::io::Result<Found> {
    let mut counters = SideResults::default();
    counters.add(&outcome.counters, &[]);
    let mut found = Found { parts: Vec::new(), sides: Parts::new(), counters };
    for name in outcome.parts.iter().map(|part| &part.sealed.name) {
        let mut bytes = Vec::new();
        prepared.staging.open_accepted(name)?.read_to_end(&mut bytes)?;
        match name.rsplit_once("-m-") {
            _ if name.starts_with("part-") => found.parts.push(bytes),
            Some((side, _)) if !varying.contains(&side) => {
                found.sides.insert(name.clone(), bytes);
            }
            _ => {}
        }
    }
    Ok(found)
}
