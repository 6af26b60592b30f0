//! Draws a job's timeline as inline SVG: which attempts each worker ran, and when.
//!
//! The SVG contains only numbers and ids, never a user's text.

use std::collections::BTreeMap;
use std::fmt::{Display, Write};

use super::axis;
use super::words::span;
use crate::model::{TaskId, WorkerId};
use crate::web::summary::{Bar, CLASSES, COLUMNS, Summary};

/// Width of the picture, in units of its own. It is stretched to the available width.
const WIDTH: f64 = 1_000.0;
/// Room for names on the left.
const LEFT: f64 = 60.0;
/// Height of an attempt that is drawn separately, and of a row of many.
const BAR: f64 = 14.0;
const ROW: f64 = 28.0;
/// Space between two rows, and at the bottom for the times.
const GAP: f64 = 6.0;
const FOOT: f64 = 22.0;
/// Most times that are labelled.
const TICKS_MAX: u64 = 8;
/// If a tick is closer to the right edge than this, its text is on its left.
const EDGE: f64 = 40.0;

/// Whether ids are links to pages. In a report, which stands alone, they are plain text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::web) enum Links {
    Yes,
    No,
}

impl Links {
    /// Text that links to an address, if links are wanted.
    fn around(self, address: impl Display, inner: impl Display) -> String {
        match self {
            Self::Yes => format!("<a href=\"{address}\">{inner}</a>"),
            Self::No => inner.to_string(),
        }
    }

    /// For templates.
    pub(super) fn wanted(self) -> bool {
        self == Self::Yes
    }
}

/// Draws which attempts each worker ran, and when.
pub(in crate::web) fn timeline(summary: &Summary, links: Links) -> String {
    match &summary.bars {
        Some(bars) => one_by_one(summary, bars, links),
        None => by_column(summary, links),
    }
}

/// Each attempt separately. Attempts of one worker that overlap are drawn below each other.
pub(super) fn one_by_one(summary: &Summary, bars: &[Bar], links: Links) -> String {
    let mut by_worker: BTreeMap<WorkerId, Vec<Bar>> = BTreeMap::new();
    for bar in bars {
        by_worker.entry(bar.worker).or_default().push(*bar);
    }
    let (mut drawn, mut top) = (String::new(), 0.0);
    for (worker, mut bars) in by_worker {
        bars.sort_by_key(|bar| (bar.begin_ms, bar.id));
        let lanes = lanes(&bars);
        let count = lanes.iter().max().map_or(1, |most| most + 1);
        name(&mut drawn, &links.around(format_args!("/workers/{worker}"), worker), top + BAR);
        for (bar, lane) in bars.iter().zip(lanes) {
            let (from, to) = (x(summary, bar.begin_ms), x(summary, bar.end_ms));
            let y = top + lane as f64 * (BAR + 1.0);
            let TaskId { job, kind, index } = bar.id.task;
            let took = span(bar.end_ms - bar.begin_ms);
            let (id, state, class) = (bar.id, bar.state, CLASSES[bar.class]);
            let rect = format!(
                "<rect class=\"{class} {state}\" x=\"{from:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{BAR}\" \
                 rx=\"2\"><title>{id} {state}, {took}</title></rect>",
                (to - from).max(1.5)
            );
            let letter = kind.letter();
            drawn += &links.around(format_args!("/jobs/{job}/tasks/{letter}{index}"), rect);
        }
        top += count as f64 * (BAR + 1.0) + GAP;
    }
    framed(summary, &drawn, top)
}

/// The first lane of each attempt that is free when it begins.
fn lanes(bars: &[Bar]) -> Vec<usize> {
    let mut ends: Vec<u64> = Vec::new();
    let lane = |bar: &Bar| match ends.iter().position(|&end| end <= bar.begin_ms) {
        Some(lane) => {
            ends[lane] = bar.end_ms;
            lane
        }
        None => {
            ends.push(bar.end_ms);
            ends.len() - 1
        }
    };
    bars.iter().map(lane).collect()
}

/// How many attempts ran on each worker, for each span of time.
fn by_column(summary: &Summary, links: Links) -> String {
    let sums = |row: &[Vec<f32>; 4]| {
        (0..COLUMNS).map(|at| row.iter().map(|class| class[at]).sum()).fold(0.0, f32::max)
    };
    let most = summary.rows.iter().map(|(_, row)| sums(row)).fold(0.1, f32::max);
    let (mut drawn, mut top) = (String::new(), 0.0);
    let wide = (WIDTH - LEFT) / COLUMNS as f64;
    for (worker, row) in &summary.rows {
        let label = match worker {
            Some(worker) => links.around(format_args!("/workers/{worker}"), worker),
            None => "others".to_string(),
        };
        name(&mut drawn, &label, top + ROW / 2.0);
        let mut below = vec![0.0f32; COLUMNS];
        for (class, shares) in CLASSES.iter().zip(row) {
            let mut path = String::new();
            for (at, &share) in shares.iter().enumerate().filter(|(_, share)| **share > 0.005) {
                let (low, high) = (below[at], below[at] + share);
                below[at] = high;
                let height = |share: f32| f64::from(share / most) * ROW;
                let (left, bottom) = (LEFT + at as f64 * wide, top + ROW - height(low));
                let up = height(high) - height(low);
                // Writing to a string cannot fail.
                let _written = write!(path, "M{left:.0} {bottom:.1}v-{up:.1}h{wide:.1}v{up:.1}z");
            }
            if !path.is_empty() {
                let _written = write!(drawn, "<path class=\"{class}\" d=\"{path}\"/>");
            }
        }
        top += ROW + GAP;
    }
    framed(summary, &drawn, top)
}

fn x(summary: &Summary, ms: u64) -> f64 {
    let passed = ms.saturating_sub(summary.begin_ms) as f64;
    LEFT + passed / (summary.end_ms - summary.begin_ms) as f64 * (WIDTH - LEFT)
}

fn name(drawn: &mut String, label: &str, y: f64) {
    let _written = write!(drawn, "<text x=\"0\" y=\"{y:.0}\">{label}</text>");
}

/// The picture with its times below: round ones, counted from the submission.
fn framed(summary: &Summary, drawn: &str, height: f64) -> String {
    let whole_ms = summary.end_ms - summary.begin_ms;
    let mut times = String::new();
    for ms in axis::ticks(whole_ms, axis::step_ms(whole_ms, TICKS_MAX)) {
        let at = x(summary, summary.begin_ms + ms);
        let anchor = match ms {
            0 => "start",
            _ if at > WIDTH - EDGE => "end",
            _ => "middle",
        };
        let _written = write!(
            times,
            "<path class=\"grid\" d=\"M{at:.1} 0v{height:.0}\"/><text x=\"{at:.1}\" y=\"{:.0}\" \
             text-anchor=\"{anchor}\">{}</text>",
            height + 16.0,
            axis::time(ms)
        );
    }
    let (attempts, workers) = (summary.attempts, summary.rows.len());
    format!(
        "<svg class=\"timeline\" viewBox=\"0 0 {WIDTH} {:.0}\" role=\"group\" aria-label=\"{attempts} attempts on \
         {workers} workers over {}\">{times}{drawn}</svg>",
        height + FOOT,
        span(whole_ms)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AttemptState, JobId, TaskKind};
    use crate::web::summary::large;

    fn bar(number: u32, begin_ms: u64, end_ms: u64) -> Bar {
        let id = JobId(1).task(TaskKind::Map, 0).attempt(number);
        let (worker, state) = (WorkerId(1), AttemptState::Succeeded);
        Bar { id, worker, class: 0, state, begin_ms, end_ms }
    }

    #[test]
    fn overlapping_attempts_lie_in_lanes_of_their_own() {
        let bars = [bar(1, 0, 10), bar(2, 5, 20), bar(3, 10, 12), bar(4, 11, 30), bar(5, 20, 21)];
        assert_eq!(lanes(&bars), [0, 1, 0, 2, 0]);
    }

    #[test]
    fn timeline_has_links_only_where_they_are_wanted() {
        let summary = large();
        let bars = [bar(1, 0, 10)];
        let drawn = one_by_one(&summary, &bars, Links::Yes);
        for link in ["<a href=\"/workers/w1\">w1</a>", "<a href=\"/jobs/j1/tasks/m0\"><rect"] {
            assert!(drawn.contains(link), "{drawn}");
        }
        for drawn in [one_by_one(&summary, &bars, Links::No), timeline(&summary, Links::No)] {
            assert!(drawn.contains(">w1<") && !drawn.contains("<a "), "{drawn}");
        }
    }
}
