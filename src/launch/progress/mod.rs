//! Shows a run's progress on standard error, on a separate thread that ends as soon as the run does.

mod drawn;
mod line;
mod meter;

use std::io::IsTerminal;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

pub(super) use self::drawn::Drawn;
use self::line::{hadoop, plain, redrawn};
use self::meter::{Meter, Sight};
use super::flags::{Form, When};
use super::message::say;
use super::terminal::{is_dumb, size};
use crate::clock::Clock;
use crate::embedded::{Phase, Progress};

/// Time between two looks: short enough to look alive, long enough to cost nothing.
const TICK: Duration = Duration::from_millis(100);
/// Shorter runs show no progress, unless it is requested.
const QUIET: Duration = Duration::from_millis(300);
/// Minimum time between two plain lines, so that logs stay short.
const PLAIN_LEAST: Duration = Duration::from_secs(1);
/// Maximum time between two plain lines.
const PLAIN_MOST: Duration = Duration::from_secs(10);
/// Percentage points between two plain lines.
const PLAIN_PERCENT: u64 = 5;

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// One redrawn line.
    Redrawn,
    /// Plain lines, at intervals.
    Plain,
    /// A line for every change, in Hadoop's format.
    Hadoop,
}

/// Returns the requested style, and the delay of the first line; `None` for no progress.
pub(super) fn style(when: When, quiet: bool, summary: Form) -> Option<(Style, Duration)> {
    match when {
        _ if quiet => None,
        When::Never => None,
        When::Hadoop => Some((Style::Hadoop, Duration::ZERO)),
        When::Always => Some((Style::Redrawn, Duration::ZERO)),
        When::Auto if std::io::stderr().is_terminal() && !is_dumb() => {
            Some((Style::Redrawn, QUIET))
        }
        // A program that reads JSON gets nothing else.
        When::Auto if summary == Form::Json => None,
        When::Auto => Some((Style::Plain, QUIET)),
    }
}

/// Shows progress until the sender of `ended` is dropped.
pub(super) fn show(
    style: (Style, Duration),
    progress: &Progress,
    clock: &Clock,
    drawn: &Drawn,
    ended: &Receiver<()>,
) {
    let (style, quiet) = style;
    let begun = clock.now();
    let mut shown = Shown::new(style, drawn, begun);
    let mut wait = TICK.min(quiet);
    while matches!(ended.recv_timeout(wait), Err(RecvTimeoutError::Timeout)) {
        let now = clock.now();
        // The meter looks from the start, to know when each phase began. Printing begins later.
        let sight = shown.meter.look(progress, now);
        if now.saturating_duration_since(begun) >= quiet {
            shown.show(&sight, now);
        }
        wait = TICK;
    }
    shown.end(progress, clock.now());
}

/// What has been printed so far.
struct Shown<'d> {
    style: Style,
    meter: Meter,
    drawn: &'d Drawn,
    last: Option<(Phase, u64, Instant)>,
    last_hadoop: String,
}

impl<'d> Shown<'d> {
    fn new(style: Style, drawn: &'d Drawn, now: Instant) -> Self {
        Shown { style, meter: Meter::new(now), drawn, last: None, last_hadoop: String::new() }
    }

    fn show(&mut self, sight: &Sight, now: Instant) {
        match self.style {
            Style::Redrawn => {
                let columns = columns();
                self.drawn.draw(&redrawn(sight, columns), columns);
            }
            Style::Plain => self.log(sight, now),
            Style::Hadoop => self.change(sight),
        }
    }

    fn end(&mut self, progress: &Progress, now: Instant) {
        match self.style {
            Style::Redrawn => drop(self.drawn.clear()),
            Style::Plain => {}
            Style::Hadoop => {
                let sight = self.meter.look(progress, now);
                self.change(&sight);
            }
        }
    }

    fn log(&mut self, sight: &Sight, now: Instant) {
        let percent = sight.percent.unwrap_or(0);
        let due = self.last.is_none_or(|(phase, last, at)| {
            let since = now.saturating_duration_since(at);
            let moved = phase != sight.phase || percent >= last + PLAIN_PERCENT;
            since >= PLAIN_MOST || moved && since >= PLAIN_LEAST
        });
        if due {
            self.last = Some((sight.phase, percent, now));
            say(&format!("{}\n", plain(sight)));
        }
    }

    fn change(&mut self, sight: &Sight) {
        let line = hadoop(sight);
        if line != self.last_hadoop {
            say(&format!("{line}\n"));
            self.last_hadoop = line;
        }
    }
}

/// Returns the current width of the terminal.
fn columns() -> usize {
    size(std::io::stderr()).0
}
