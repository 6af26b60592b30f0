//! The closing summary of a run: a few lines for people, or one JSON object for programs.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use super::flags::Form;
use super::message::count;
use crate::embedded::{Outcome, Phase, Prepared, Progress};
use crate::job::By;
use crate::model::{Counters, InputNotes, JobSpec, JobState, Repeat, manifest, size};
use crate::task::{GROUP, MAP_INPUT_RECORDS, MAP_OUTPUT_BYTES, MAP_OUTPUT_RECORDS, PartDone};

/// Facts about a run. Times are in seconds. Keys may be added, but are never renamed.
#[derive(Debug, Serialize)]
struct Summary<'s> {
    job: &'s str,
    state: JobState,
    seconds: f64,
    phases: Vec<Timed>,
    input: InputRead,
    map_output: Moved,
    spills: Spills,
    output: Written<'s>,
    side_outputs: SideOutputs,
    skipped: Value,
    reached_again: Value,
    #[serde(skip)]
    notes: Vec<String>,
    /// Name and bytes of the largest part, if the parts are ranges of keys.
    #[serde(skip)]
    largest: Option<(&'s str, u64)>,
    bad_records: u64,
    counters: Counters,
}

#[derive(Debug, Serialize)]
struct Timed {
    phase: &'static str,
    seconds: f64,
}

#[derive(Debug, Serialize)]
struct InputRead {
    files: usize,
    bytes: u64,
    records: u64,
    splits: u32,
    /// Compression formats of the files.
    compression: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Moved {
    records: u64,
    bytes: u64,
}

#[derive(Debug, Serialize)]
struct Spills {
    files: u64,
    records: u64,
    bytes: u64,
    merges: u64,
}

#[derive(Debug, Serialize)]
struct Written<'s> {
    folder: Option<&'s str>,
    parts: usize,
    records: u64,
    bytes: u64,
}

/// Side outputs.
#[derive(Debug, Serialize)]
struct SideOutputs {
    files: usize,
    records: u64,
    bytes: u64,
}

/// The largest range part is mentioned if it is at least this many times as large as the average.
const SKEW: u64 = 2;

/// Durations of a run.
pub(super) struct Times {
    /// Time to list the input, before the phases.
    pub(super) listing: Duration,
    /// From the first look at the input to the last byte of the result.
    pub(super) whole: Duration,
}

/// Renders the summary in the requested form, with a final line break.
pub(super) fn render(
    form: Form,
    spec: &JobSpec,
    prepared: &Prepared,
    outcome: &Outcome,
    progress: &Progress,
    (by, times): (By, Times),
) -> String {
    let folder = spec.output.as_ref().map(ToString::to_string);
    let is_own = |part: &&PartDone| part.sealed.name.starts_with("part-");
    let is_bad = |part: &&PartDone| manifest::is_bad(&part.sealed.name);
    let own = Sum::of(outcome.parts.iter().filter(is_own));
    let side_outputs = Sum::of(outcome.parts.iter().filter(|part| !is_own(part) && !is_bad(part)));
    let (skipped, reached_again) = notes_json(&prepared.notes);
    let summary = Summary {
        job: &spec.name,
        state: JobState::Succeeded,
        seconds: times.whole.as_secs_f64(),
        phases: outcome
            .phases
            .iter()
            .filter(|(phase, _)| *phase != Phase::Done)
            .map(|(phase, time)| match phase {
                Phase::Planning => timed(*phase, *time + times.listing),
                _ => timed(*phase, *time),
            })
            .collect(),
        input: InputRead {
            files: prepared.files.len(),
            bytes: progress.bytes().0,
            records: outcome.counters.get(GROUP, MAP_INPUT_RECORDS),
            splits: progress.maps().1,
            compression: prepared.codecs.iter().map(ToString::to_string).collect(),
        },
        map_output: Moved { records: outcome.collected.records, bytes: outcome.collected.bytes },
        spills: Spills {
            files: outcome.collected.spills,
            records: outcome.collected.spilled_records,
            bytes: outcome.collected.spilled_bytes,
            merges: outcome.merges,
        },
        output: Written {
            folder: folder.as_deref(),
            parts: own.files,
            records: own.records,
            bytes: own.bytes,
        },
        side_outputs: SideOutputs {
            files: side_outputs.files,
            records: side_outputs.records,
            bytes: side_outputs.bytes,
        },
        skipped,
        reached_again,
        notes: prepared.notes.sentences(),
        largest: outcome
            .parts
            .iter()
            .filter(|part| by == By::Range && is_own(part))
            .map(|part| (part.sealed.name.as_str(), part.sealed.bytes))
            .max_by_key(|(_, bytes)| *bytes),
        bad_records: outcome.bad_records,
        counters: counters(outcome),
    };
    match form {
        Form::Text => summary.text(),
        Form::Json => summary.json(),
    }
}

/// Returns the JSON values of `skipped` and `reached_again`, from the input's notes.
pub(crate) fn notes_json(notes: &InputNotes) -> (Value, Value) {
    let example = |repeat: &Repeat| json!({ "path": repeat.path.to_string(), "first": repeat.first.to_string() });
    let examples: Vec<Value> = notes.repeats.iter().map(example).collect();
    (
        json!({ "hidden": notes.hidden, "special": notes.special }),
        json!({ "paths": notes.repeated, "examples": examples }),
    )
}

/// Number of files, records and bytes of some parts.
#[derive(Default)]
struct Sum {
    files: usize,
    records: u64,
    bytes: u64,
}

impl Sum {
    fn of<'p>(parts: impl Iterator<Item = &'p PartDone>) -> Self {
        parts.fold(Sum::default(), |sum, part| Sum {
            files: sum.files + 1,
            records: sum.records + part.records,
            bytes: sum.bytes + part.sealed.bytes,
        })
    }
}

/// Returns the manifest's counters, or the same counters from the outcome if there is no manifest.
fn counters(outcome: &Outcome) -> Counters {
    if let Some(manifest) = &outcome.manifest {
        return manifest.counters.clone();
    }
    let mut counters = outcome.counters.clone();
    if outcome.collected.records > 0 {
        counters.add(GROUP, MAP_OUTPUT_RECORDS, outcome.collected.records);
        counters.add(GROUP, MAP_OUTPUT_BYTES, outcome.collected.bytes);
    }
    counters
}

fn timed(phase: Phase, time: Duration) -> Timed {
    Timed { phase: phase.name(), seconds: time.as_secs_f64() }
}

impl Summary<'_> {
    fn json(&self) -> String {
        // The summary has only string keys and plain values, so JSON can represent it.
        let json = serde_json::to_string(self)
            .unwrap_or_else(|error| format!("{{\"error\":\"{error}\"}}"));
        format!("{json}\n")
    }

    fn text(&self) -> String {
        let mut lines = Vec::new();
        let rate = (self.input.bytes as f64 / self.seconds.max(1e-3)) as u64;
        lines.push(format!(
            "{} succeeded in {:.2} s, {}/s",
            self.job,
            self.seconds,
            size::format(rate)
        ));
        let InputRead { files, bytes, records, splits, compression } = &self.input;
        let compression = match &compression[..] {
            [] => String::new(),
            codecs => format!(" ({})", codecs.join(", ")),
        };
        lines.push(format!(
            "  read    {}, {}, {}{compression}, in {}",
            count(*records, "record"),
            size::format(*bytes),
            count(*files as u64, "file"),
            count(u64::from(*splits), "map task"),
        ));
        if self.map_output.records > 0 {
            let spilled = if self.spills.files > 0 { "" } else { ", all in memory" };
            let pairs = count(self.map_output.records, "pair");
            lines.push(format!("  mapped  {pairs}{spilled}"));
        }
        lines.extend(self.spilled());
        let Written { folder, parts, records, bytes } = &self.output;
        let parts = count(*parts as u64, "part");
        let place = folder.map_or("to standard output".into(), |folder| format!("to {folder}"));
        lines.push(format!(
            "  wrote   {}, {}, {parts}, {place}",
            count(*records, "record"),
            size::format(*bytes)
        ));
        if let (SideOutputs { files: files @ 1.., records, bytes }, Some(_)) =
            (&self.side_outputs, folder)
        {
            lines.push(format!(
                "  side    {}, {}, {}",
                count(*records, "record"),
                size::format(*bytes),
                count(*files as u64, "side output file")
            ));
        }
        let phases: Vec<String> = self
            .phases
            .iter()
            .map(|timed| format!("{} {:.2} s", timed.phase, timed.seconds))
            .collect();
        lines.push(format!("  time    {}", phases.join(", ")));
        lines.extend(self.remarks().into_iter().map(|remark| format!("  note    {remark}")));
        lines.join("\n") + "\n"
    }

    fn spilled(&self) -> Option<String> {
        let Spills { files, records, bytes, merges } = &self.spills;
        let merges = match merges {
            0 => String::new(),
            merges => format!(", {}", count(*merges, "early merge")),
        };
        (*files > 0).then(|| {
            format!(
                "  spilled {}, {}, in {}{merges}",
                count(*records, "record"),
                size::format(*bytes),
                count(*files, "file")
            )
        })
    }

    /// Describes the largest range part, if it is far larger than the average.
    fn skew(&self) -> Option<String> {
        let (name, bytes) = self.largest?;
        let Written { parts, records, bytes: all, .. } = &self.output;
        let (parts, all) = (*parts as u64, (*all).max(1));
        // With only a few records, parts cannot be even.
        let is_skewed = bytes >= SKEW * (all / parts.max(1)) && *records >= 100 * parts;
        (parts > 1 && is_skewed).then(|| {
            format!(
                "{name} holds {} % of the output: either a few keys have most of the records, or the \
                 key ranges come from a sample that missed part of the input (standard input is \
                 not sampled; read a file instead)",
                bytes * 100 / all
            )
        })
    }

    /// Returns notes on facts that a user may not expect.
    fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        if self.input.bytes == 0 {
            remarks.push("the input is empty".into());
        }
        remarks.extend(self.notes.iter().cloned());
        remarks.extend(self.skew());
        let not_kept = "not kept; to keep such records, name a folder with --output DIR";
        if self.bad_records > 0 {
            let bad = count(self.bad_records, "bad record");
            remarks.push(match self.output.folder {
                Some(folder) => format!("{bad} set aside, in {folder}/_bad"),
                None => format!("{bad} skipped, {not_kept}"),
            });
        }
        if let (SideOutputs { files: 1.., records, .. }, None) =
            (&self.side_outputs, self.output.folder)
        {
            remarks.push(format!("{} of side outputs {not_kept}", count(*records, "record")));
        }
        remarks
    }
}
