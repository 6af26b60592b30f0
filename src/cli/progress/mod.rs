//! Shows the progress of a cluster's job on standard error: bars on a terminal, occasional lines elsewhere.

mod bars;
mod details;
mod meter;
mod screen;

use std::convert::Infallible;
use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep};

use self::bars::{Sight, lines};
use self::details::{Details, Frontier};
use self::meter::Meter;
use self::screen::Screen;
use super::terminal::Terminal;
use crate::client;
use crate::clock::Clock;
use crate::launch::{Showing, is_dumb, say, span};
use crate::model::{JobId, JobState, TEXT_CHARS_MAX, escape};
use crate::rpc::jobs::{JobStatus, Jobs, Tally};
use crate::rpc::refusal::Refusal;

/// Maximum number of plain lines for a job that stays in one state.
const PLAIN_STEPS: f64 = 20.0;
/// Time between two drawings: short enough to look alive, long enough to read.
const DRAW_EVERY: Duration = Duration::from_millis(250);
/// Time between an answer and the next request for tasks and counters.
const FETCH_EVERY: Duration = Duration::from_secs(1);
/// How long masters may leave a request unanswered before a line reports it.
const SILENT_AFTER: Duration = Duration::from_secs(2);

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    Bars,
    Plain,
    Hadoop,
    Never,
}

impl Style {
    /// Returns the style for the requested form. `is_capable` tells whether there is a terminal that can move its
    /// cursor.
    fn of(when: Showing, is_quiet: bool, is_json: bool, is_capable: bool) -> Self {
        match when {
            _ if is_quiet => Self::Never,
            Showing::Never => Self::Never,
            Showing::Hadoop => Self::Hadoop,
            Showing::Always => Self::Bars,
            Showing::Auto if is_capable => Self::Bars,
            // A program that reads JSON gets nothing else.
            Showing::Auto if is_json => Self::Never,
            Showing::Auto => Self::Plain,
        }
    }
}

/// The display of a job's progress, and what it showed last.
#[derive(Debug)]
pub(super) struct Progress {
    style: Style,
    /// Whether notes are suppressed, so that only errors are shown.
    is_quiet: bool,
    last: String,
    /// State and step of the last plain line.
    last_step: Option<(JobState, u64)>,
}

impl Progress {
    /// Creates the display that the job's flags ask for.
    pub(super) fn of_report(report: &[(String, String)]) -> Self {
        let flag = |name: &str| {
            report.iter().find(|(flag, _)| flag == name).map_or("", |(_, value)| value.as_str())
        };
        // If a newer executable names a form that this command does not know, the default form is used.
        let when = Showing::from_str(flag("progress"), false).unwrap_or(Showing::Auto);
        Self::new(when, flag("quiet") == "true", flag("summary") == "json")
    }

    /// Creates a display in this form.
    pub(super) fn new(when: Showing, is_quiet: bool, is_json: bool) -> Self {
        let is_capable = stderr().is_terminal() && !is_dumb();
        let style = Style::of(when, is_quiet, is_json, is_capable);
        let is_quiet = is_quiet || is_json && style == Style::Never;
        Self { style, is_quiet, last: String::new(), last_step: None }
    }

    /// Whether notes are suppressed, so that only errors are shown.
    pub(super) fn is_quiet(&self) -> bool {
        self.is_quiet
    }

    /// Follows a job to its end and shows its progress. The last drawing stays.
    pub(super) async fn follow<J: Jobs>(
        &mut self,
        jobs: &J,
        job: JobId,
    ) -> Result<JobStatus, Refusal> {
        if self.style != Style::Bars {
            return client::follow(jobs, job, |status| self.show(status)).await;
        }
        let clock = Clock::system();
        let (told, statuses) = watch::channel(None);
        let (found, fetched) = watch::channel((Details::default(), None));
        let mut bars =
            Bars { clock: clock.clone(), meter: Meter::default(), screen: Screen::default() };
        let looking = fetch_again(jobs, statuses.clone(), found, clock);
        let followed = tokio::select! {
            followed = client::follow(jobs, job, |status| {
                told.send_replace(Some(status.clone()));
            }) => followed,
            never = looking => match never {},
            never = bars.draw_again(statuses, fetched.clone()) => match never {},
        };
        if let Ok(status) = &followed {
            bars.draw(status, &fetched.borrow().0, None);
        }
        followed
    }

    /// Prints the job's state in one line, if it differs from the last one.
    fn show(&mut self, status: &JobStatus) {
        let line = match self.style {
            Style::Never => return,
            Style::Hadoop => hadoop(status),
            Style::Bars | Style::Plain => line(status),
        };
        // Jobs of many tasks must not flood a log.
        let step = Some((status.state, (PLAIN_STEPS * status.progress) as u64));
        if line == self.last || self.style == Style::Plain && step == self.last_step {
            return;
        }
        self.last_step = step;
        say(&format!("{line}\n"));
        self.last = line;
    }
}

/// What the last requests returned, and when the unanswered request was sent, if any.
type Found = (Details, Option<Instant>);

/// Requests tasks and counters repeatedly.
async fn fetch_again<J: Jobs>(
    jobs: &J,
    mut statuses: watch::Receiver<Option<JobStatus>>,
    found: watch::Sender<Found>,
    clock: Clock,
) -> Infallible {
    let mut frontier = Frontier::default();
    loop {
        let status = statuses.borrow_and_update().clone();
        let Some(status) = status else {
            // The sender outlives this loop.
            let _changed = statuses.changed().await;
            continue;
        };
        found.send_modify(|(_, since)| *since = Some(clock.now()));
        let details = frontier.fetch(jobs, &status).await;
        found.send_modify(|(last, since)| {
            *since = None;
            // The code that follows the job gets the same refusal, and reports it.
            if let Ok(details) = details {
                *last = details;
            }
        });
        sleep(FETCH_EVERY).await;
    }
}

/// Bars on a terminal.
#[derive(Debug)]
struct Bars {
    clock: Clock,
    meter: Meter,
    screen: Screen,
}

impl Bars {
    /// Draws repeatedly. The first drawing follows a pause, so that a short job is drawn only once.
    async fn draw_again(
        &mut self,
        statuses: watch::Receiver<Option<JobStatus>>,
        fetched: watch::Receiver<Found>,
    ) -> Infallible {
        let mut ticks = interval(DRAW_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.tick().await;
        loop {
            ticks.tick().await;
            let status = statuses.borrow().clone();
            let (details, since) = fetched.borrow().clone();
            if let Some(status) = status {
                self.draw(&status, &details, since);
            }
        }
    }

    fn draw(&mut self, status: &JobStatus, details: &Details, waiting_since: Option<Instant>) {
        let now = self.clock.now();
        self.meter.note(status, now);
        let silent = waiting_since.map(|since| now.saturating_duration_since(since));
        let below = match silent.filter(|silent| *silent >= SILENT_AFTER) {
            Some(silent) => Some(format!("no master has answered for {}", span(silent))),
            None => details.waits(status, self.clock.wall_ms()),
        };
        let (rate, left) = (self.meter.bytes_per_second(), self.meter.left());
        let (reruns, backups) = (details.reruns, details.backups);
        let sight = Sight { status, rate, left, reruns, backups, below };
        let terminal = Terminal::sized(&stderr());
        if let Some(text) = self.screen.draw(lines(&sight, terminal.columns), terminal) {
            say(&text);
        }
    }
}

fn line(status: &JobStatus) -> String {
    let reason = match status.reason.as_str() {
        "" => String::new(),
        reason => format!(" ({})", escape(reason.as_bytes(), TEXT_CHARS_MAX)),
    };
    format!(
        "{} {}{reason}  maps {}/{}  reduces {}/{}  {:.0} %",
        status.id,
        status.state,
        status.maps.done,
        status.maps.total,
        status.reduces.done,
        status.reduces.total,
        100.0 * status.progress
    )
}

/// Progress in Hadoop's format, for programs that read it.
fn hadoop(status: &JobStatus) -> String {
    let percent = |tally: &Tally| (100.0 * tally.progress) as u64;
    format!(" map {}% reduce {}%", percent(&status.maps), percent(&status.reduces))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_one_line() {
        let mut status = JobStatus::in_state(JobState::Mapping);
        status.progress = 0.5;
        status.maps = Tally { total: 4, done: 3, running: 1, progress: 0.875, ..Tally::default() };
        assert_eq!(line(&status), "j7 mapping  maps 3/4  reduces 0/0  50 %");
        assert_eq!(hadoop(&status), " map 87% reduce 0%");
        status.reason = "waits for\na slot".into();
        assert!(line(&status).starts_with(r"j7 mapping (waits for\na slot)  maps"));
    }

    #[test]
    fn progress_form_follows_flags_and_terminal() {
        let table = [
            (Showing::Auto, false, false, true, Style::Bars),
            (Showing::Auto, false, false, false, Style::Plain),
            (Showing::Auto, false, true, true, Style::Bars),
            (Showing::Auto, false, true, false, Style::Never),
            (Showing::Auto, true, false, true, Style::Never),
            (Showing::Always, false, true, false, Style::Bars),
            (Showing::Always, true, false, true, Style::Never),
            (Showing::Never, false, false, true, Style::Never),
            (Showing::Hadoop, false, false, true, Style::Hadoop),
        ];
        for (when, is_quiet, is_json, is_capable, wanted) in table {
            let style = Style::of(when, is_quiet, is_json, is_capable);
            assert_eq!(style, wanted, "{when:?} {is_quiet} {is_json} {is_capable}");
        }
    }
}
