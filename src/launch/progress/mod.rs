//! Shows on standard error how far a run is, from a thread of its own that ends at once when the run does.

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

/// Between two looks: often enough to seem alive, rare enough to cost nothing.
const TICK: Duration = Duration::from_millis(100);
/// Runs that are shorter than this say nothing of their progress unless asked to.
const QUIET: Duration = Duration::from_millis(300);
/// Between two plain lines at least, so that a log is not flooded.
const PLAIN_LEAST: Duration = Duration::from_secs(1);
/// Between two plain lines at most.
const PLAIN_MOST: Duration = Duration::from_secs(10);
/// Percent between two plain lines.
const PLAIN_PERCENT: u64 = 5;

/// In which form progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// One line that is drawn again and again.
    Redrawn,
    /// A line now and then.
    Plain,
    /// A line for every change, as Hadoop's.
    Hadoop,
}

/// The form that was asked for, and from when on.
pub(super) fn style(when: When, quiet: bool, summary: Form) -> Option<(Style, Duration)> {
    match when {
        _ if quiet => None,
        When::Never => None,
        When::Hadoop => Some((Style::Hadoop, Duration::ZERO)),
        When::Always => Some((Style::Redrawn, Duration::ZERO)),
        When::Auto if std::io::stderr().is_terminal() && !is_dumb() => {
            Some((Style::Redrawn, QUIET))
        }
        // A program that asks for JSON gets nothing else to read.
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
        // It looks from the beginning, so that it knows when each phase began, and speaks later.
        let sight = shown.meter.look(progress, now);
        if now.saturating_duration_since(begun) >= quiet {
            shown.show(&sight, now);
        }
        wait = TICK;
    }
    shown.end(progress, clock.now());
}

/// What stands on the terminal or in the log.
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

/// The width of the terminal now.
fn columns() -> usize {
    size(std::io::stderr()).0
}
