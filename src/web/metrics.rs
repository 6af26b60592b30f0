//! Serves metrics in Prometheus' text format. Every master reports on itself; the leader also reports on the cluster.
//!
//! Only the leader reports jobs and workers, so a sum over all masters counts nothing twice. Label values come from
//! fixed lists, never from users.

use std::fmt::{Display, Write};
use std::sync::atomic::Ordering;

use axum::extract::State;
use axum::response::Response;

use super::Web;
use super::answer::text;
use super::events::STREAMS_MAX;
use crate::master::Figures;
use crate::model::{AttemptState, JobState, TaskKind, TaskState, WorkerState};
use crate::scheduler::Progress;

/// The format and its version.
const KIND: &str = "text/plain; version=0.0.4; charset=utf-8";

/// `GET /metrics`
pub(super) async fn metrics(State(web): State<Web>) -> Response {
    let figures = web.master.figures();
    let mut page = Page::default();
    page.one("gristmill_build_info", "gauge", "The version of this master.", || {
        vec![(format!("{{version=\"{}\"}}", env!("CARGO_PKG_VERSION")), 1)]
    });
    of_master(&mut page, &figures);
    of_requests(&mut page, &web);
    if figures.leads {
        of_cluster(&mut page, &figures);
        of_attempts(&mut page, &figures);
    }
    text(KIND, page.text)
}

fn of_master(page: &mut Page, figures: &Figures) {
    page.plain(
        "gristmill_master_leader",
        "gauge",
        "Whether this master leads.",
        u64::from(figures.leads),
    );
    page.plain("gristmill_master_term", "gauge", "The term of this master.", figures.term);
    page.plain(
        "gristmill_master_applied_index",
        "gauge",
        "Index of the last log entry that this master has applied.",
        figures.applied,
    );
}

fn of_requests(page: &mut Page, web: &Web) {
    page.one("gristmill_http_answers_total", "counter", "HTTP answers by class of status.", || {
        let classes = (1..).zip(&web.shared.answered);
        classes
            .map(|(n, count)| (label("code", format!("{n}xx")), count.load(Ordering::Relaxed)))
            .collect()
    });
    let open = STREAMS_MAX - web.shared.streams.available_permits();
    page.plain("gristmill_http_event_streams", "gauge", "Open event streams.", open as u64);
}

fn of_cluster(page: &mut Page, figures: &Figures) {
    page.one("gristmill_jobs", "gauge", "Known jobs by state.", || {
        let count = |state| figures.jobs.get(state).copied().unwrap_or(0);
        JobState::ALL.iter().map(|state| (label("state", state), count(state))).collect()
    });
    page.one("gristmill_tasks", "gauge", "Tasks of unfinished jobs.", || {
        TaskKind::ALL.into_iter().flat_map(|kind| of_kind(figures, kind)).collect()
    });
    page.one("gristmill_workers", "gauge", "Known workers by state.", || {
        let count = |state| figures.workers.get(state).copied().unwrap_or(0);
        WorkerState::ALL.iter().map(|state| (label("state", state), count(state))).collect()
    });
    page.plain("gristmill_slots", "gauge", "Slots of workers that are not lost.", figures.slots);
    page.plain("gristmill_slots_busy", "gauge", "Slots in use.", figures.running);
}

fn of_kind(figures: &Figures, kind: TaskKind) -> [(String, u64); 3] {
    let Progress { total, done, running } = figures.tasks.get(&kind).copied().unwrap_or_default();
    let idle = total.saturating_sub(done).saturating_sub(running);
    let label = |state: TaskState| format!("{{kind=\"{kind}\",state=\"{state}\"}}");
    [(TaskState::Idle, idle), (TaskState::InProgress, running), (TaskState::Completed, done)]
        .map(|(state, n)| (label(state), n.into()))
}

fn of_attempts(page: &mut Page, figures: &Figures) {
    let happened = &figures.happened;
    page.plain(
        "gristmill_jobs_submitted_total",
        "counter",
        "Jobs submitted, counted from the log entries that this process has applied.",
        happened.submitted,
    );
    page.plain(
        "gristmill_attempts_started_total",
        "counter",
        "Attempts started, counted from the log entries that this process has applied. Tasks that \
         share an attempt count once.",
        happened.started,
    );
    let help = "Attempts ended, counted from the log entries that this process has applied.";
    page.one("gristmill_attempts_ended_total", "counter", help, || {
        let ends = AttemptState::ALL.iter().filter(|&&state| state != AttemptState::Running);
        ends.map(|&state| (label("state", state), happened.ended[state as usize])).collect()
    });
    page.plain(
        "gristmill_workers_lost_total",
        "counter",
        "Workers lost, counted from the log entries that this process has applied.",
        happened.lost,
    );
}

fn label(name: &str, value: impl Display) -> String {
    format!("{{{name}=\"{value}\"}}")
}

/// The text so far.
#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn plain(&mut self, name: &str, kind: &str, help: &str, value: u64) {
        self.one(name, kind, help, || vec![(String::new(), value)]);
    }

    fn one(
        &mut self,
        name: &str,
        kind: &str,
        help: &str,
        samples: impl FnOnce() -> Vec<(String, u64)>,
    ) {
        // Writing to a string cannot fail.
        let _written = write!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        for (labels, value) in samples() {
            let _written = writeln!(self.text, "{name}{labels} {value}");
        }
    }
}
