//! Draws the values of the last minutes as inline SVG: an area, an upper limit, and axes with round ticks.

use std::fmt::Write;

use super::axis;

/// Size of a plot, in units of its own. It is stretched to the available width.
const WIDTH: f64 = 520.0;
const HEIGHT: f64 = 130.0;
/// Room for the ticks below, above and on the right, and on the left for each letter of the longest tick. Letters are
/// larger on a phone, where the picture is small.
const FOOT: f64 = 32.0;
const HEAD: f64 = 20.0;
const RIGHT: f64 = 18.0;
const LETTER: f64 = 9.5;
/// Space between a tick's text and the axis.
const SPACE: f64 = 8.0;
/// Most ticks of an axis.
const TICKS_MAX: u64 = 4;
const TIMES_MAX: u64 = 6;
/// The least time that a plot covers, and the length of a pause that ends the area.
const SPAN_MS_MIN: u64 = 60_000;
const GAP_MS_MAX: u64 = 10_000;

/// What is plotted.
pub(super) struct Plot<'p> {
    /// The description for screen readers.
    pub(super) label: &'p str,
    pub(super) class: &'static str,
    /// Times in milliseconds and values, in order.
    pub(super) values: &'p [(u64, f64)],
    /// A limit over time, drawn as a line.
    pub(super) limits: &'p [(u64, f64)],
    pub(super) now_ms: u64,
    /// The axis reaches at least this value.
    pub(super) top_min: u64,
    /// The step of the axis for a largest value, and how its ticks are written.
    pub(super) step: fn(u64, u64) -> u64,
    pub(super) tick: fn(u64) -> String,
}

impl Plot<'_> {
    /// The picture.
    pub(super) fn drawn(&self) -> String {
        let all = self.values.iter().chain(self.limits);
        let most = all.map(|(_, value)| *value).fold(self.top_min as f64, f64::max).ceil();
        // Positive, and far less than a u64 can hold.
        let step = (self.step)(most as u64, TICKS_MAX).max(1);
        let top = (most as u64).div_ceil(step) * step;
        let first_ms = self.values.first().map_or(self.now_ms, |(at_ms, _)| *at_ms);
        let span_ms = self.now_ms.saturating_sub(first_ms).max(SPAN_MS_MIN);
        let ticks: Vec<(u64, String)> =
            axis::ticks(top, step).map(|tick| (tick, (self.tick)(tick))).collect();
        let letters = ticks.iter().map(|(_, text)| text.chars().count()).max().unwrap_or(0);
        // Half of the label of the earliest time is to the left of the axis.
        let left = (letters as f64 * LETTER + 2.0 * SPACE).max(4.0 * LETTER);
        let x = |at_ms: u64| {
            let ago = self.now_ms.saturating_sub(at_ms).min(span_ms) as f64 / span_ms as f64;
            left + (1.0 - ago) * (WIDTH - left - RIGHT)
        };
        let y = |value: f64| HEAD + (1.0 - (value / top as f64).min(1.0)) * HEIGHT;
        let mut drawn = String::new();
        for (tick, text) in ticks {
            let at = y(tick as f64);
            // Writing to a string cannot fail.
            let _written = write!(
                drawn,
                "<path class=\"grid\" d=\"M{left:.1} {at:.1}H{:.1}\"/><text x=\"{:.0}\" y=\"{:.1}\" \
                 text-anchor=\"end\">{text}</text>",
                WIDTH - RIGHT,
                left - SPACE,
                at + 4.0
            );
        }
        for ago_ms in axis::ticks(span_ms, axis::step_ms(span_ms, TIMES_MAX)) {
            let at = x(self.now_ms.saturating_sub(ago_ms));
            let (text, anchor) = match ago_ms {
                0 => ("now".to_string(), "end"),
                _ => (format!("−{}", axis::time(ago_ms)), "middle"),
            };
            let at = if ago_ms == 0 { WIDTH } else { at };
            let _written = write!(
                drawn,
                "<text x=\"{at:.1}\" y=\"{:.0}\" text-anchor=\"{anchor}\">{text}</text>",
                HEAD + HEIGHT + 24.0
            );
        }
        for run in runs(self.values) {
            let _written = write!(drawn, "<path class=\"{} area\" d=\"", self.class);
            let _written = write!(drawn, "M{:.1} {:.1}", x(run[0].0), y(0.0));
            points(&mut drawn, run, &x, &y);
            let _written = write!(drawn, "L{:.1} {:.1}z\"/>", x(run[run.len() - 1].0), y(0.0));
            line(&mut drawn, self.class, run, &x, &y);
        }
        for run in runs(self.limits) {
            line(&mut drawn, "limit", run, &x, &y);
        }
        format!(
            "<svg class=\"plot\" viewBox=\"0 0 {WIDTH} {:.0}\" role=\"img\" aria-label=\"{}\">{drawn}</svg>",
            HEAD + HEIGHT + FOOT,
            self.label
        )
    }
}

/// The values without a pause between them.
fn runs(values: &[(u64, f64)]) -> impl Iterator<Item = &[(u64, f64)]> {
    values.chunk_by(|(before, _), (after, _)| after.saturating_sub(*before) <= GAP_MS_MAX)
}

fn line(
    drawn: &mut String,
    class: &str,
    run: &[(u64, f64)],
    x: &impl Fn(u64) -> f64,
    y: &impl Fn(f64) -> f64,
) {
    let _written = write!(drawn, "<path class=\"{class} line\" d=\"");
    let _written = write!(drawn, "M{:.1} {:.1}", x(run[0].0), y(run[0].1));
    points(drawn, run, x, y);
    drawn.push_str("\"/>");
}

fn points(
    drawn: &mut String,
    run: &[(u64, f64)],
    x: &impl Fn(u64) -> f64,
    y: &impl Fn(f64) -> f64,
) {
    for &(at_ms, value) in run {
        let _written = write!(drawn, "L{:.1} {:.1}", x(at_ms), y(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plot(values: &[(u64, f64)]) -> String {
        let (limits, now_ms) = (&[(0, 8.0), (100_000, 8.0)], 100_000);
        let (step, tick) = (axis::step, |n: u64| n.to_string());
        Plot { label: "slots", class: "map", values, limits, now_ms, top_min: 1, step, tick }
            .drawn()
    }

    #[test]
    fn plot_has_round_ticks_and_an_area_for_each_run_of_values() {
        let drawn = plot(&[(1_000, 2.0), (3_000, 3.0), (50_000, 1.0), (52_000, 0.0)]);
        for word in [">0<", ">2<", ">8<", ">now<", ">−20 s<", ">−1 min<", ">−1:20 min<"] {
            assert!(drawn.contains(word), "{word} is not in {drawn}");
        }
        assert_eq!(drawn.matches("class=\"map area\"").count(), 2, "the gap is left empty");
        assert_eq!(drawn.matches("class=\"limit line\"").count(), 2);
    }

    #[test]
    fn plot_without_values_still_has_axes() {
        let drawn = plot(&[]);
        assert!(drawn.contains(">now<") && !drawn.contains("NaN"), "{drawn}");
    }
}
