//! Draws the distribution of task durations as inline SVG. The time axis is logarithmic, and the axis of task counts
//! is linear. Both have round ticks.

use std::fmt::Write;

use super::axis;
use super::words::span;
use crate::web::summary::{Kind, STEPS, step_ms};

/// Size of the picture, in units of its own. It is stretched to the available width.
const WIDTH: f64 = 520.0;
const HEIGHT: f64 = 120.0;
/// Room for the ticks on the left, above and below.
const LEFT: f64 = 58.0;
const HEAD: f64 = 14.0;
const FOOT: f64 = 24.0;
/// The least space between two times.
const APART_MIN: f64 = 78.0;
/// The fewest steps that are drawn.
const STEPS_MIN: usize = 6;
/// Most ticks on the axis of tasks.
const TICKS_MAX: u64 = 4;

/// How many tasks of a kind took how long.
pub(super) fn histogram(kind: &Kind, class: &str) -> String {
    let count = |at: usize| kind.histogram.get(at).copied().unwrap_or(0);
    let first = (0..STEPS).find(|&at| count(at) > 0).unwrap_or(0);
    let last = (0..STEPS).rev().find(|&at| count(at) > 0).unwrap_or(0);
    // At least three doublings wide, so that some times can be labelled. The values are in the middle.
    let missing = STEPS_MIN.saturating_sub(last - first + 1);
    let first = first.saturating_sub(missing / 2).min(STEPS - STEPS_MIN);
    let last = last.max(first + STEPS_MIN - 1);
    let most = u64::from(kind.histogram.iter().copied().max().unwrap_or(1).max(1));
    let step = axis::step(most, TICKS_MAX);
    let top = most.div_ceil(step) * step;
    let wide = (WIDTH - LEFT) / (last - first + 1) as f64;
    let y = |count: u64| HEAD + (1.0 - count as f64 / top as f64) * HEIGHT;
    let mut drawn = String::new();
    for tick in axis::ticks(top, step) {
        // Writing to a string cannot fail.
        let _written = write!(
            drawn,
            "<path class=\"grid\" d=\"M{LEFT} {:.1}H{WIDTH:.1}\"/><text x=\"{:.0}\" y=\"{:.1}\" \
             text-anchor=\"end\">{tick}</text>",
            y(tick),
            LEFT - 8.0,
            y(tick) + 4.0
        );
    }
    for at in first..=last {
        let count = count(at);
        let left = LEFT + (at - first) as f64 * wide;
        // A single task among many is still visible.
        let high = if count == 0 { 0.0 } else { (HEAD + HEIGHT - y(count.into())).max(2.0) };
        let (from, to) = (span(step_ms(at)), span(step_ms(at + 1)));
        let _written = write!(
            drawn,
            "<rect class=\"{class}\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{high:.1}\"><title>{count} \
             of {from} to {to}</title></rect>",
            left + 0.5,
            HEAD + HEIGHT - high,
            wide - 1.0
        );
    }
    times(&mut drawn, (first, last + 1), wide);
    let count = kind.count;
    format!(
        "<svg class=\"histogram\" viewBox=\"0 0 {WIDTH} {:.0}\" role=\"img\" aria-label=\"How long {count} {class} tasks \
         took\">{drawn}</svg>",
        HEAD + HEIGHT + FOOT
    )
}

/// Writes round times below the bars of these steps, at their places on the logarithmic axis.
fn times(drawn: &mut String, (first, end): (usize, usize), wide: f64) {
    // Each step is half a power of two.
    let x = |ms: u64| LEFT + ((ms as f64).log2() * 2.0 - first as f64) * wide;
    let (from, to) = (x(step_ms(first)), x(step_ms(end)));
    let mut free = f64::MIN;
    for ms in round_times().take_while(|ms| *ms <= step_ms(end)) {
        let at = x(ms);
        if at < from - 1.0 || at < free || at > to + 1.0 {
            continue;
        }
        free = at + APART_MIN;
        let anchor = if at > WIDTH - APART_MIN / 2.0 { "end" } else { "middle" };
        let _written = write!(
            drawn,
            "<path class=\"tick\" d=\"M{at:.1} {:.1}v4\"/><text x=\"{at:.1}\" y=\"{:.0}\" \
             text-anchor=\"{anchor}\">{}</text>",
            HEAD + HEIGHT,
            HEAD + HEIGHT + 18.0,
            axis::time(ms)
        );
    }
}

/// 1 ms, 2 ms, 5 ms, 10 ms …, then round seconds, minutes and hours.
fn round_times() -> impl Iterator<Item = u64> {
    let below_a_second = [1, 10, 100].into_iter().flat_map(|power| [power, 2 * power, 5 * power]);
    let seconds = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1_200, 1_800, 3_600, 7_200, 14_400];
    below_a_second.chain(seconds.into_iter().map(|seconds| seconds * 1_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn histogram_of_no_tasks_is_a_picture_too() {
        let drawn = histogram(&Kind::default(), "map");
        assert!(drawn.starts_with("<svg") && drawn.ends_with("</svg>"), "{drawn}");
        assert!(!drawn.contains("NaN"), "{drawn}");
    }

    #[test]
    fn histogram_has_round_times_and_counts() {
        let mut kind = Kind { count: 53, histogram: vec![0; STEPS], ..Kind::default() };
        // From 64 ms to about three seconds.
        (kind.histogram[12], kind.histogram[18], kind.histogram[22]) = (3, 49, 1);
        let drawn = histogram(&kind, "map");
        for word in [">0<", ">20<", ">60<", ">100 ms<", ">500 ms<", ">2 s<", "49 of 512 ms"] {
            assert!(drawn.contains(word), "{word} is not in {drawn}");
        }
    }
}
