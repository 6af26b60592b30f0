//! The lines that show a job's progress: first its name and state, then a bar for each phase, then what the job waits
//! for.

use std::time::Duration;

use super::meter::Phase;
use crate::cli::terminal::{Colour, columns, cut};
use crate::launch::span;
use crate::model::{JobState, TEXT_CHARS_MAX, escape, size};
use crate::rpc::jobs::JobStatus;

/// Maximum and minimum columns between a bar's brackets. Narrower terminals get no bar.
const BAR_COLUMNS_MAX: usize = 40;
const BAR_COLUMNS_MIN: usize = 8;
/// Columns reserved for the text beside a bar: ` 4321/10000, 64 running, 117.7MiB/s, 12:34 left`.
const BESIDE_COLUMNS: usize = 46;
/// Columns of a job's name that take precedence over everything in the head except the state. With fewer columns than
/// the minimum, the name is left out.
const HEAD_NAME_COLUMNS: usize = 12;
const HEAD_NAME_COLUMNS_MIN: usize = 4;
/// Length of the longest name of a phase.
const NAME_COLUMNS: usize = 6;

/// A job's progress, as it is drawn.
#[derive(Clone, Debug)]
pub(super) struct Sight<'s> {
    pub(super) status: &'s JobStatus,
    /// Bytes read per second in the current phase.
    pub(super) rate: Option<u64>,
    /// Estimated time until the current phase ends.
    pub(super) left: Option<Duration>,
    /// Attempts that redid finished or started work.
    pub(super) reruns: u64,
    /// Backup attempts.
    pub(super) backups: u64,
    /// What the job waits for, or another remark.
    pub(super) below: Option<String>,
}

/// A line, in which one word may have a colour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) text: String,
    /// Position of that word in the text, and its colour.
    word: Option<(std::ops::Range<usize>, Colour)>,
}

impl Line {
    fn plain(text: String) -> Self {
        Self { text, word: None }
    }

    /// Returns the line, with its colour if `has_colours`.
    pub(super) fn painted(&self, has_colours: bool) -> String {
        match &self.word {
            Some((word, colour)) if has_colours => {
                let (before, rest) = self.text.split_at(word.start);
                let (word, after) = rest.split_at(word.len());
                format!("{before}{}{after}", colour.paint(word))
            }
            _ => self.text.clone(),
        }
    }
}

/// Renders all lines. None uses the last column, because terminals differ in when they wrap.
pub(super) fn lines(sight: &Sight<'_>, columns: usize) -> Vec<Line> {
    let room = columns.saturating_sub(1);
    let mut lines = vec![head(sight, room)];
    let is_there = |phase: &Phase| *phase != Phase::Reduce || has_reduces(sight.status);
    lines.extend(Phase::ALL.into_iter().filter(is_there).map(|phase| bar(sight, phase, room)));
    lines.extend(sight.below.as_ref().map(|below| Line::plain(cut(below, room))));
    lines
}

/// Whether a job has reduces, or may have some while its plan is unknown.
fn has_reduces(status: &JobStatus) -> bool {
    status.reduces.total > 0 || status.maps.total == 0 && Phase::of(status.state).is_some()
}

/// Renders the head, such as `j7 wordcount  mapping  43 %, 2 attempts again, 1 backup`.
fn head(sight: &Sight<'_>, room: usize) -> Line {
    let JobStatus { id, name, state, progress, .. } = sight.status;
    let (id, state) = (id.to_string(), state.to_string());
    let name = escape(name.as_bytes(), TEXT_CHARS_MAX);
    let mut rest = format!("  {:.0} %", 100.0 * progress);
    let counts =
        [("attempt again", "attempts again", sight.reruns), ("backup", "backups", sight.backups)];
    for (one, many, count) in counts.into_iter().filter(|(.., count)| *count > 0) {
        let piece = format!(", {count} {}", if count == 1 { one } else { many });
        let beside = id.len() + 1 + columns(&name).min(HEAD_NAME_COLUMNS) + 2 + state.len();
        if beside + rest.len() + piece.len() <= room {
            rest += &piece;
        }
    }
    // Only the name may be shortened.
    let name_room = room.saturating_sub(id.len() + 1 + 2 + state.len() + rest.len());
    let before = match cut(&name, name_room) {
        cut if name_room >= HEAD_NAME_COLUMNS_MIN => format!("{id} {cut}  "),
        _ => format!("{id}  "),
    };
    let word = before.len()..before.len() + state.len();
    let text = format!("{before}{state}{rest}");
    match Colour::of(&state) {
        Some(colour) if columns(&text) <= room => Line { text, word: Some((word, colour)) },
        _ => Line::plain(cut(&text, room)),
    }
}

/// Renders a bar, such as `map     43% [########------------] 43/100, 4 running, 117.7MiB/s, 1:12 left`.
fn bar(sight: &Sight<'_>, phase: Phase, room: usize) -> Line {
    let (share, total, done, running) = counts(sight.status, phase);
    // 100 % means done, whatever the rounding.
    let percent = if total > 0 && done == total { 100 } else { ((100.0 * share) as usize).min(99) };
    let mut text = format!("{:<NAME_COLUMNS$} {percent:>3}%", phase.name());
    let bar = room.saturating_sub(text.len() + 3 + BESIDE_COLUMNS).min(BAR_COLUMNS_MAX);
    if bar >= BAR_COLUMNS_MIN {
        let full = bar * percent / 100;
        text += &format!(" [{}{}]", "#".repeat(full), "-".repeat(bar - full));
    }
    let is_now = Phase::of(sight.status.state) == Some(phase);
    let now = |piece: Option<String>| piece.filter(|_| is_now);
    // Listed in display order; the highest number is dropped first when space is short.
    let mut pieces = [
        (0, (total > 0).then(|| format!("{done}/{total}"))),
        (2, (running > 0).then(|| format!("{running} running"))),
        (3, now(sight.rate.map(|rate| format!("{}/s", size::format(rate))))),
        (1, now(sight.left.map(|left| format!("{} left", span(left))))),
    ];
    loop {
        let beside: Vec<&str> = pieces.iter().filter_map(|(_, piece)| piece.as_deref()).collect();
        let beside = beside.join(", ");
        if beside.is_empty() {
            return Line::plain(cut(&text, room));
        }
        if text.len() + 1 + beside.len() <= room {
            return Line::plain(format!("{text} {beside}"));
        }
        let last =
            pieces.iter_mut().filter(|(_, piece)| piece.is_some()).max_by_key(|(rank, _)| *rank);
        if let Some((_, piece)) = last {
            *piece = None;
        }
    }
}

/// Returns the progress of a phase: its share from 0 to 1, and its total, finished and running tasks.
fn counts(status: &JobStatus, phase: Phase) -> (f64, u32, u32, u32) {
    if let Some(tally) = phase.tally(status) {
        return (tally.progress, tally.total, tally.done, tally.running);
    }
    let is_done = match phase {
        // In a job that ended early, the plan is done if it has tasks.
        Phase::Plan => match Phase::of(status.state) {
            Some(now) => now > Phase::Plan,
            None => {
                status.state == JobState::Succeeded || status.maps.total + status.reduces.total > 0
            }
        },
        _ => status.state == JobState::Succeeded,
    };
    let done = u32::from(is_done);
    (f64::from(done), 1, done, 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rpc::jobs::Tally;

    fn drawn(sight: &Sight<'_>, columns: usize) -> String {
        lines(sight, columns).iter().map(|line| line.text.clone() + "\n").collect()
    }

    fn mapping() -> JobStatus {
        let mut status = JobStatus::in_state(JobState::Mapping);
        status.progress = 0.215;
        status.maps =
            Tally { total: 100, done: 41, running: 4, progress: 0.43, ..Tally::default() };
        status.reduces = Tally { total: 8, ..Tally::default() };
        status
    }

    fn sight(status: &JobStatus) -> Sight<'_> {
        Sight { status, rate: None, left: None, reruns: 0, backups: 0, below: None }
    }

    fn full(status: &JobStatus) -> Sight<'_> {
        Sight {
            rate: Some(123_456_789),
            left: Some(Duration::from_secs(72)),
            reruns: 2,
            backups: 1,
            below: Some("waits for j7/m11#1 on w3, started 0:12 ago".into()),
            ..sight(status)
        }
    }

    #[test]
    fn bars_fit_every_width() {
        let wide = "\
j7 wordcount  mapping  22 %, 2 attempts again, 1 backup
plan   100% [########################################] 1/1
map     43% [#################-----------------------] 41/100, 4 running, 117.7MiB/s, 1:12 left
reduce   0% [----------------------------------------] 0/8
commit   0% [----------------------------------------] 0/1
waits for j7/m11#1 on w3, started 0:12 ago
";
        let usual = "\
j7 wordcount  mapping  22 %, 2 attempts again, 1 backup
plan   100% [###################] 1/1
map     43% [########-----------] 41/100, 4 running, 117.7MiB/s, 1:12 left
reduce   0% [-------------------] 0/8
commit   0% [-------------------] 0/1
waits for j7/m11#1 on w3, started 0:12 ago
";
        let narrow = "\
j7 wordcount  mapping  22 %, 1 backup
plan   100% 1/1
map     43% 41/100, 4 running, 1:12 left
reduce   0% 0/8
commit   0% 0/1
waits for j7/m11#1 on w3, started 0:12 …
";
        let least = "\
j7  mapping  22 %
plan   100% 1/1
map     43% 41/100
reduce   0% 0/8
commit   0% 0/1
waits for j7/m11#1…
";
        let status = mapping();
        for (columns, wanted) in [(200, wide), (80, usual), (41, narrow), (20, least)] {
            assert_eq!(drawn(&full(&status), columns), wanted, "{columns}");
        }
        for columns in 0..200 {
            for line in lines(&full(&status), columns) {
                assert!(
                    super::columns(&line.text) <= columns.saturating_sub(1),
                    "{columns}: {line:?}"
                );
            }
        }
    }

    #[test]
    fn each_state_shows_its_known_facts() {
        let waiting = "\
j7 wordcount  waiting  0 %
plan     0% [-------------------] 0/1
map      0% [-------------------]
reduce   0% [-------------------]
commit   0% [-------------------] 0/1
";
        let map_only = "\
j7 wordcount  committing  99 %
plan   100% [###################] 1/1
map    100% [###################] 100/100
commit   0% [-------------------] 0/1
";
        let succeeded = "\
j7 wordcount  succeeded  100 %
plan   100% [###################] 1/1
map    100% [###################] 100/100
reduce 100% [###################] 8/8
commit 100% [###################] 1/1
";
        let failed = "\
j7 wordcount  failed  22 %
plan   100% [###################] 1/1
map     43% [########-----------] 41/100, 4 running
reduce   0% [-------------------] 0/8
commit   0% [-------------------] 0/1
";
        let of = |state, (maps, reduces): (Tally, Tally), progress| JobStatus {
            maps,
            reduces,
            progress,
            ..JobStatus::in_state(state)
        };
        let all = |total| Tally { total, done: total, progress: 1.0, ..Tally::default() };
        let none = Tally::default();
        let table = [
            (of(JobState::Waiting, (none, none), 0.0), waiting),
            (of(JobState::Committing, (all(100), none), 0.99), map_only),
            (of(JobState::Succeeded, (all(100), all(8)), 1.0), succeeded),
            (JobStatus { state: JobState::Failed, ..mapping() }, failed),
        ];
        for (status, wanted) in table {
            assert_eq!(drawn(&sight(&status), 80), wanted, "{}", status.state);
        }
    }

    #[test]
    fn unfinished_phase_is_below_100_percent_and_names_are_escaped() {
        let mut status = mapping();
        status.maps.progress = 0.9999;
        status.name = "a\x1b[2J\nb".into();
        let text = drawn(&sight(&status), 80);
        assert!(text.contains("map     99% ["), "{text}");
        assert!(text.starts_with(r"j7 a\x1b[2J\nb  mapping"), "{text}");
    }

    #[test]
    fn the_state_alone_is_in_colour() {
        let status = JobStatus { state: JobState::Failed, ..mapping() };
        let painted = |has_colours| -> Vec<String> {
            lines(&sight(&status), 80).iter().map(|line| line.painted(has_colours)).collect()
        };
        assert_eq!(painted(true)[0], "j7 wordcount  \x1b[31mfailed\x1b[0m  22 %");
        assert_eq!(painted(true)[1..], painted(false)[1..]);
        assert!(!painted(false).concat().contains('\x1b'));
    }
}
