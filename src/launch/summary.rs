//! The closing summary of a run: a few lines for people, or one JSON object for programs.

use std::time::Duration;

use serde::Serialize;

use super::flags::Form;
use super::message::{count, grouped};
use crate::embedded::{Outcome, Phase, Prepared, Progress};
use crate::spec::{Counters, JobSpec, size};
use crate::task::GROUP;

/// What a run did. Times are seconds; more keys may be added, none renamed.
#[derive(Debug, Serialize)]
struct Summary<'s> {
    job: &'s str,
    state: &'static str,
    seconds: f64,
    phases: Vec<Timed>,
    input: InputRead,
    map_output: Moved,
    spills: Spills,
    output: Written<'s>,
    skipped: Skipped,
    bad_records: u64,
    counters: &'s Counters,
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

#[derive(Debug, Serialize)]
struct Skipped {
    hidden: u64,
    special: u64,
}

/// The summary, in the form that was asked for, with its last newline.
pub(super) fn render(
    form: Form,
    spec: &JobSpec,
    prepared: &Prepared,
    outcome: &Outcome,
    progress: &Progress,
    elapsed: Duration,
) -> String {
    let folder = spec.output.as_ref().map(ToString::to_string);
    let summary = Summary {
        job: &spec.name,
        state: "succeeded",
        seconds: elapsed.as_secs_f64(),
        phases: outcome
            .phases
            .iter()
            .filter(|(phase, _)| *phase != Phase::Done)
            .map(timed)
            .collect(),
        input: InputRead {
            files: prepared.files.len(),
            bytes: progress.bytes().0,
            records: outcome.counters.get(GROUP, "Map input records"),
            splits: progress.maps().1,
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
            parts: outcome.parts.len(),
            records: outcome.parts.iter().map(|part| part.records).sum(),
            bytes: outcome.parts.iter().map(|part| part.sealed.bytes).sum(),
        },
        skipped: Skipped { hidden: prepared.skipped.hidden, special: prepared.skipped.special },
        bad_records: outcome.bad_records,
        counters: &outcome.counters,
    };
    match form {
        Form::Text => summary.text(),
        Form::Json => summary.json(),
    }
}

fn timed((phase, time): &(Phase, Duration)) -> Timed {
    Timed { phase: phase.name(), seconds: time.as_secs_f64() }
}

impl Summary<'_> {
    fn json(&self) -> String {
        // Its keys are strings and its values plain, so there is nothing that JSON could not hold.
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
        let InputRead { files, bytes, records, splits } = &self.input;
        lines.push(format!(
            "  read    {} of {}, {}, in {}",
            count(*records, "record"),
            size::format(*bytes),
            count(*files as u64, "file"),
            count(u64::from(*splits), "map task"),
        ));
        if self.map_output.records > 0 {
            lines.push(format!("  mapped  {}, {}", pairs(self.map_output.records), self.spilled()));
        }
        let Written { folder, parts, records, bytes } = &self.output;
        let parts = count(*parts as u64, "part");
        let place = folder.map_or("to standard output".into(), |folder| format!("to {folder}"));
        lines.push(format!(
            "  wrote   {} of {}, {parts}, {place}",
            count(*records, "record"),
            size::format(*bytes)
        ));
        let phases: Vec<String> = self
            .phases
            .iter()
            .map(|timed| format!("{} {:.2} s", timed.phase, timed.seconds))
            .collect();
        lines.push(format!("  time    {}", phases.join(", ")));
        lines.extend(self.remarks().into_iter().map(|remark| format!("  note    {remark}")));
        lines.join("\n") + "\n"
    }

    fn spilled(&self) -> String {
        let Spills { files, records, bytes, merges } = &self.spills;
        if *files == 0 {
            return "all in memory".into();
        }
        let merges = if *merges > 0 {
            format!(", merged in {}", count(*merges, "pass merge"))
        } else {
            String::new()
        };
        format!(
            "{} of {} in {}{merges}",
            count(*records, "record"),
            size::format(*bytes),
            count(*files, "spill")
        )
    }

    /// What a user may not have expected.
    fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        if self.input.bytes == 0 {
            remarks.push("the input is empty".into());
        }
        let Skipped { hidden, special } = &self.skipped;
        if hidden + special > 0 {
            let (hidden, special) = (count(*hidden, "name"), grouped(*special));
            remarks.push(format!(
                "skipped {hidden} beginning with . or _, and {special} special files"
            ));
        }
        if self.bad_records > 0 {
            let place =
                self.output.folder.map_or("not kept".into(), |folder| format!("in {folder}/_bad"));
            remarks.push(format!("{} set aside, {place}", count(self.bad_records, "bad record")));
        }
        remarks
    }
}

fn pairs(records: u64) -> String {
    count(records, "pair")
}
