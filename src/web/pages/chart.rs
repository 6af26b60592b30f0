//! Pictures of a job as inline SVG: who ran what when, and how long tasks took.
//!
//! Nothing but numbers and ids is written into them, so nothing that a user has named is.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::words::span;
use crate::spec::{TaskId, WorkerId};
use crate::web::summary::{Bar, CLASSES, COLUMNS, Kind, STEPS, Summary, step_ms};

/// Width of all pictures, in their own units; they are as wide as there is room.
const WIDTH: f64 = 1_000.0;
/// What is left of the bars for names.
const LEFT: f64 = 60.0;
/// Height of an attempt that is drawn by itself, and of a row of many.
const BAR: f64 = 14.0;
const ROW: f64 = 28.0;
/// Between two rows, and below all for the times.
const GAP: f64 = 6.0;
const FOOT: f64 = 22.0;
/// Times that are named.
const TICKS: u64 = 5;

/// Who ran what when.
pub(in crate::web) fn timeline(summary: &Summary) -> String {
    match &summary.bars {
        Some(bars) => one_by_one(summary, bars),
        None => by_column(summary),
    }
}

/// Each attempt by itself, those of a worker below each other where they overlap.
pub(super) fn one_by_one(summary: &Summary, bars: &[Bar]) -> String {
    let mut by_worker: BTreeMap<WorkerId, Vec<Bar>> = BTreeMap::new();
    for bar in bars {
        by_worker.entry(bar.worker).or_default().push(*bar);
    }
    let (mut drawn, mut top) = (String::new(), 0.0);
    for (worker, mut bars) in by_worker {
        bars.sort_by_key(|bar| (bar.begin_ms, bar.id));
        let lanes = lanes(&bars);
        let count = lanes.iter().max().map_or(1, |most| most + 1);
        name(&mut drawn, &format!("<a href=\"/workers/{worker}\">{worker}</a>"), top + BAR);
        for (bar, lane) in bars.iter().zip(lanes) {
            let (from, to) = (x(summary, bar.begin_ms), x(summary, bar.end_ms));
            let y = top + lane as f64 * (BAR + 1.0);
            let TaskId { job, kind, index } = bar.id.task;
            let took = span(bar.end_ms - bar.begin_ms);
            let (id, state, class) = (bar.id, bar.state, CLASSES[bar.class]);
            // A string takes whatever is written to it.
            let _written = write!(
                drawn,
                "<a href=\"/jobs/{job}/tasks/{}{index}\"><rect class=\"{class} {state}\" x=\"{from:.1}\" y=\"{y:.1}\" \
                 width=\"{:.1}\" height=\"{BAR}\"><title>{id} {state}, {took}</title></rect></a>",
                kind.letter(),
                (to - from).max(1.5)
            );
        }
        top += count as f64 * (BAR + 1.0) + GAP;
    }
    framed(summary, &drawn, top)
}

/// The first lane of each attempt that is free by then.
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
fn by_column(summary: &Summary) -> String {
    let sums = |row: &[Vec<f32>; 4]| {
        (0..COLUMNS).map(|at| row.iter().map(|class| class[at]).sum()).fold(0.0, f32::max)
    };
    let most = summary.rows.iter().map(|(_, row)| sums(row)).fold(0.1, f32::max);
    let (mut drawn, mut top) = (String::new(), 0.0);
    let wide = (WIDTH - LEFT) / COLUMNS as f64;
    for (worker, row) in &summary.rows {
        let label = match worker {
            Some(worker) => format!("<a href=\"/workers/{worker}\">{worker}</a>"),
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

/// The picture with its times below.
fn framed(summary: &Summary, drawn: &str, height: f64) -> String {
    let whole_ms = summary.end_ms - summary.begin_ms;
    let mut times = String::new();
    for tick in 0..=TICKS {
        let ms = whole_ms * tick / TICKS;
        let at = x(summary, summary.begin_ms + ms);
        let anchor = if tick == TICKS {
            "end"
        } else if tick == 0 {
            "start"
        } else {
            "middle"
        };
        let _written = write!(
            times,
            "<path class=\"grid\" d=\"M{at:.0} 0v{height:.0}\"/><text x=\"{at:.0}\" y=\"{:.0}\" \
             text-anchor=\"{anchor}\">{}</text>",
            height + 16.0,
            span(ms)
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

/// How many tasks took how long.
pub(super) fn histogram(kind: &Kind, class: &str) -> String {
    const HEIGHT: f64 = 120.0;
    let is_some = |&at: &usize| kind.histogram.get(at).is_some_and(|&count| count > 0);
    let first = (0..STEPS).find(is_some).unwrap_or(0);
    let last = (0..STEPS).rev().find(is_some).unwrap_or(0);
    let most = f64::from(kind.histogram.iter().copied().max().unwrap_or(1).max(1));
    let wide = (WIDTH / 2.0 / (last - first + 1) as f64).min(60.0);
    let mut drawn = String::new();
    for at in first..=last {
        let count = kind.histogram.get(at).copied().unwrap_or(0);
        let left = (at - first) as f64 * wide;
        // One among many can still be seen.
        let high = if count == 0 { 0.0 } else { (f64::from(count) / most * HEIGHT).max(2.0) };
        let (from, to) = (span(step_ms(at)), span(step_ms(at + 1)));
        let _written = write!(
            drawn,
            "<rect class=\"{class}\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{high:.1}\"><title>{count} \
             of {from} to {to}</title></rect>",
            left + 0.5,
            HEIGHT - high,
            wide - 1.0
        );
        if at == first || at == last || (at - first).is_multiple_of(4) && last - at > 2 {
            let _written =
                write!(drawn, "<text x=\"{left:.1}\" y=\"{:.0}\">{from}</text>", HEIGHT + 16.0);
        }
    }
    let count = kind.count;
    format!(
        "<svg class=\"histogram\" viewBox=\"0 0 {:.0} {:.0}\" role=\"img\" aria-label=\"how long {count} {class} tasks \
         took\">{drawn}</svg>",
        WIDTH / 2.0 + 30.0,
        HEIGHT + FOOT
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheduler::AttemptState;
    use crate::spec::{JobId, TaskKind};

    fn bar(number: u32, begin_ms: u64, end_ms: u64) -> Bar {
        let id = JobId(1).task(TaskKind::Map, 0).attempt(number);
        let (worker, state) = (WorkerId(1), AttemptState::Succeeded);
        Bar { id, worker, class: 0, state, begin_ms, end_ms }
    }

    #[test]
    fn attempts_that_overlap_lie_in_lanes_of_their_own() {
        let bars = [bar(1, 0, 10), bar(2, 5, 20), bar(3, 10, 12), bar(4, 11, 30), bar(5, 20, 21)];
        assert_eq!(lanes(&bars), [0, 1, 0, 2, 0]);
    }

    #[test]
    fn a_histogram_of_nothing_is_a_picture_too() {
        let drawn = histogram(&Kind::default(), "map");
        assert!(drawn.starts_with("<svg") && drawn.ends_with("</svg>"), "{drawn}");
    }
}
