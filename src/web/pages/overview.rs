//! Two pages: the overview of the cluster (load over the last few minutes, jobs, workers and masters), and the list of all
//! jobs.

use askama::Template;
use axum::extract::{RawQuery, State};

use super::gauge::Gauge;
use super::plot::Plot;
use super::words::{bytes, clock, count, percent, plural, sentence, span};
use super::{axis, page};
use crate::clock::parse_rfc3339;
use crate::master::Figures;
use crate::model::{JobId, JobState, WorkerState};
use crate::rpc::jobs::{JobLine, JobStatus, Jobs, Tally, WorkerLine};
use crate::rpc::masters::{MasterLine, Masters, Role};
use crate::web::Web;
use crate::web::answer::Answer;
use crate::web::history::Sample;
use crate::web::query::Query;

/// Most jobs that have not ended, and workers, on the first page.
const LIVE_MAX: usize = 50;
const WORKERS_MAX: usize = 100;
/// Ended jobs that are shown there.
const ENDED_MAX: usize = 10;
/// Jobs of a page of the list.
const JOBS: usize = 50;
/// Jobs under way, by state.
const RUNNING: [JobState; 4] =
    [JobState::Planning, JobState::Mapping, JobState::Reducing, JobState::Committing];

/// A table of jobs.
#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<div class="scroll" tabindex="0" role="group" aria-label="{{ title }}"><table class="jobs"><thead><tr><th scope="col">Job</th><th scope="col">Name</th><th scope="col">State</th><th scope="col" class="num">Took</th><th scope="col">Submitted</th><th scope="col">Reason</th></tr></thead><tbody>
{% for job in jobs %}<tr><td><a href="/jobs/{{ job.id }}">{{ job.id }}</a></td><td class="name">{{ job.name }}</td><td><span class="state {{ job.state }}">{{ job.state }}</span></td><td class="num">{{ self::took(job, *now_ms) }}</td><td class="opt">{{ self::clock(&job.submitted) }}</td><td class="wide">{% if !job.reason.is_empty() %}<span class="clamp">{{ job.reason }}</span>{% endif %}</td></tr>
{% endfor %}</tbody></table></div>"#
)]
struct JobTable<'p> {
    title: &'static str,
    jobs: &'p [JobLine],
    now_ms: u64,
}

/// From submission to end, or until now.
fn took(job: &JobLine, now_ms: u64) -> String {
    elapsed(&job.submitted, job.finished.as_deref(), now_ms)
}

/// The same for a job that has not ended.
fn since(job: &JobStatus, now_ms: u64) -> String {
    elapsed(&job.submitted, None, now_ms)
}

fn elapsed(from: &str, to: Option<&str>, now_ms: u64) -> String {
    let to_ms = to.map_or(Some(now_ms), parse_rfc3339);
    let times = parse_rfc3339(from).zip(to_ms);
    times.map_or_else(String::new, |(from, to)| match to.saturating_sub(from) {
        // Times of jobs are in whole seconds.
        0..1_000 => "< 1 s".to_string(),
        ms @ 1_000..10_000 => format!("{} s", ms / 1_000),
        ms => span(ms),
    })
}

/// Jobs that have not ended, with their progress.
#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<div class="scroll" tabindex="0" role="group" aria-label="Running and waiting"><table class="jobs"><thead><tr><th scope="col">Job</th><th scope="col">Name</th><th scope="col">State</th><th scope="col">Progress</th><th scope="col" class="num">Maps done</th><th scope="col" class="num">Reduces done</th><th scope="col" class="num">Elapsed</th><th scope="col">Status</th></tr></thead><tbody>
{% for job in jobs %}<tr><td><a href="/jobs/{{ job.id }}">{{ job.id }}</a></td><td class="name">{{ job.name }}</td><td><span class="state {{ job.state }}">{{ job.state }}</span></td><td class="bar"><progress max="100" value="{{ self::percent(*job.progress) }}" aria-label="Progress of {{ job.id }}">{{ self::percent(*job.progress) }} %</progress><span>{{ self::percent(*job.progress) }} %</span></td><td class="num opt">{{ self::done(&job.maps) }}</td><td class="num opt">{{ self::done(&job.reduces) }}</td><td class="num">{{ self::since(job, *now_ms) }}</td><td class="wide"><span class="clamp">{{ self::doing(job) }}</span></td></tr>
{% endfor %}</tbody></table></div>"#
)]
struct Queue<'p> {
    jobs: &'p [JobStatus],
    now_ms: u64,
}

/// The number of a job's maps or reduces that are done, and their total; empty before the total is known.
fn done(tally: &Tally) -> String {
    match tally.total {
        0 => String::new(),
        total => format!("{} / {}", count(tally.done.into()), count(total.into())),
    }
}

/// What is running for a job, or what the job waits for. Another column has the number of finished tasks.
fn doing(job: &JobStatus) -> String {
    let (running, one, many) = match job.state {
        JobState::Mapping => (job.maps.running, "map", "maps"),
        JobState::Reducing => (job.reduces.running, "reduce", "reduces"),
        _ => return job.reason.clone(),
    };
    match u64::from(running) {
        0 => job.reason.clone(),
        running => format!("{} {} running", count(running), plural(running, one, many)),
    }
}

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<h1>Overview</h1>
<div class="tiles six">{% for (value, name) in tiles %}<div><b>{{ value }}</b>{{ name }}</div>{% endfor %}</div>
{% if workers.is_empty() %}<section class="wait"><h2>Workers</h2><p>No workers. Start one: <code>gristmill worker --cluster {{ cluster }}</code></p></section>
{% endif %}<div class="pair cut"><section><h2>Slots in use</h2>{{ slots|safe }}<ul class="key"><li class="map">in use</li><li class="limit">all slots</li></ul></section>
<section><h2>Bytes read per second</h2>{{ bytes|safe }}<ul class="key"><li class="reduce">input of maps and reduces</li></ul></section></div>
<section><h2>Running and waiting</h2>
{% if queue.jobs.is_empty() %}<p class="soft">No jobs are running or waiting.</p>{% else %}{{ queue.render()?|safe }}{% endif %}
{% if live > queue.jobs.len() %}<p class="soft">The oldest {{ queue.jobs.len() }} of {{ live }}; see <a href="/jobs">all jobs</a>.</p>{% endif %}</section>
<section><h2>Finished</h2>
{% if ended.jobs.is_empty() %}<p class="soft">No finished jobs. Submit one: <code>gristmill submit --cluster {{ cluster }} ./wordcount in.txt -o out</code></p>{% else %}{{ ended.render()?|safe }}<p class="pages"><a href="/jobs">All jobs</a></p>{% endif %}</section>
{% if !workers.is_empty() %}<section><h2>Workers</h2>
<div class="cards">{% for (worker, seen, gauges) in workers %}<article{% if gauges.is_empty() %} class="gone"{% endif %}><h3><a href="/workers/{{ worker.id }}">{{ worker.id }}</a> <span class="state {{ worker.state }}">{{ worker.state }}</span></h3>
{% if !gauges.is_empty() %}<dl>{% for gauge in gauges %}<dt>{{ gauge.name }}</dt><dd><progress class="{{ gauge.class }}" max="100" value="{{ gauge.percent }}" aria-label="{{ gauge.name }} of {{ worker.id }} in use">{{ gauge.percent }} %</progress><span>{{ gauge.text }}</span></dd>{% endfor %}</dl>
{% endif %}{% if let Some(exclusion) = worker.exclusion %}<p class="warn">{{ self::sentence(&exclusion.reason) }}; excluded until {{ self::clock(&exclusion.until) }}</p>
{% endif %}<p class="soft">{{ worker.facts.address }}, PID {{ worker.facts.pid }}<br>last seen {{ seen }} ago</p></article>
{% endfor %}</div>{% if known > workers.len() %}<p class="soft">The first {{ workers.len() }} of {{ known }}; <a href="/api/v1/workers">all of them</a> as JSON.</p>{% endif %}</section>
{% endif %}<section><h2>Masters</h2>
<div class="scroll" tabindex="0" role="group" aria-label="Masters"><table><thead><tr><th scope="col">Master</th><th scope="col">Role</th><th scope="col" class="num">Term</th><th scope="col" class="num">Applied</th><th scope="col" class="num">Behind</th><th scope="col">Address</th><th scope="col">Web</th></tr></thead><tbody>
{% for master in masters %}<tr><td>{{ master.id }}</td><td><span class="state {{ master.role }}">{{ master.role }}</span></td><td class="num">{{ master.term }}</td><td class="num">{{ master.applied }}</td><td class="num">{{ master.behind }}</td><td>{{ master.address }}</td><td>{% if let Some(web) = master.web %}<a href="http://{{ web }}/">{{ web }}</a>{% endif %}</td></tr>
{% endfor %}</tbody></table></div></section>"#
)]
struct Overview<'p> {
    /// Values and their names.
    tiles: [(String, &'static str); 6],
    slots: String,
    bytes: String,
    live: usize,
    queue: Queue<'p>,
    ended: JobTable<'p>,
    /// Each worker, with the time since its last poll and its bars.
    workers: Vec<(&'p WorkerLine, String, Vec<Gauge>)>,
    known: usize,
    masters: &'p [MasterLine],
    /// The value of `--cluster`.
    cluster: String,
}

/// `GET /`
pub(in crate::web) async fn overview(State(web): State<Web>) -> Answer {
    let master = &web.master;
    let (workers, masters) = (master.workers().await?, master.masters().await?.masters);
    let (live_jobs, live) = master.live_jobs(LIVE_MAX)?;
    let ended = master.ended_jobs(ENDED_MAX)?;
    let now_ms = web.clock.wall_ms();
    let rate = web.history.bytes_per_s(now_ms).unwrap_or(0.0);
    let samples = web.history.samples();
    let body = Overview {
        tiles: tiles(&master.figures(), rate, &workers, &masters),
        slots: slots_over_time(&samples, now_ms),
        bytes: bytes_over_time(&samples, now_ms),
        live,
        queue: Queue { jobs: &live_jobs, now_ms },
        ended: JobTable { title: "Finished", jobs: &ended, now_ms },
        workers: workers
            .iter()
            .take(WORKERS_MAX)
            .map(|worker| (worker, span(worker.last_seen_ms), Gauge::of_worker(worker)))
            .collect(),
        known: workers.len(),
        cluster: master.addresses(),
        masters: &masters,
    };
    page("Overview", "/api/v1/events", true, &body)
}

/// The cluster in six numbers. `rate` is the bytes read per second.
fn tiles(
    figures: &Figures,
    rate: f64,
    workers: &[WorkerLine],
    masters: &[MasterLine],
) -> [(String, &'static str); 6] {
    let jobs = |state: &JobState| figures.jobs.get(state).copied().unwrap_or(0);
    let (running, waiting) = (RUNNING.iter().map(jobs).sum(), jobs(&JobState::Waiting));
    // A worker that has left is not missing.
    let expected = workers.iter().filter(|worker| worker.state != WorkerState::Left).count();
    let alive = workers.iter().filter(|worker| !worker.state.is_gone()).count();
    let up = masters.iter().filter(|master| master.role != Role::Unreachable).count();
    let of = |some: usize, all: usize| format!("{some} / {all}");
    [
        (count(running), plural(running, "running job", "running jobs")),
        (count(waiting), plural(waiting, "waiting job", "waiting jobs")),
        (format!("{} / {}", figures.running, figures.slots), "slots in use"),
        // Not negative, and far less than a u64 can hold.
        (format!("{}/s", bytes(rate as u64)), "input read"),
        (of(alive, expected), "workers alive"),
        (of(up, masters.len()), "masters reachable"),
    ]
}

fn slots_over_time(samples: &[Sample], now_ms: u64) -> String {
    let over_time = |value: fn(&Sample) -> u64| -> Vec<(u64, f64)> {
        samples.iter().map(|it| (it.at_ms, value(it) as f64)).collect()
    };
    let (values, limits) = (over_time(|it| it.in_use), over_time(|it| it.slots));
    Plot {
        label: "Slots in use over the last few minutes",
        class: "map",
        values: &values,
        limits: &limits,
        now_ms,
        top_min: 1,
        step: axis::step,
        tick: count,
    }
    .drawn()
}

fn bytes_over_time(samples: &[Sample], now_ms: u64) -> String {
    let values: Vec<(u64, f64)> = samples.iter().map(|it| (it.at_ms, it.bytes_per_s)).collect();
    Plot {
        label: "Bytes read per second over the last few minutes",
        class: "reduce",
        values: &values,
        limits: &[],
        now_ms,
        top_min: 4 << 20,
        step: axis::step_bytes,
        tick: axis::bytes,
    }
    .drawn()
}

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<h1>Jobs</h1>
<section>{% if table.jobs.is_empty() %}<p class="soft">No jobs.</p>{% else %}{{ table.render()?|safe }}{% endif %}
<p class="pages">{% if !is_first %}<a href="/jobs">Newest</a>{% endif %}{% if let Some(last) = older %}<a href="/jobs?before={{ last }}" rel="next">Older</a>{% endif %}</p></section>"#
)]
struct AllJobs<'p> {
    table: JobTable<'p>,
    is_first: bool,
    older: Option<JobId>,
}

/// `GET /jobs?before=j7`
pub(in crate::web) async fn jobs(State(web): State<Web>, RawQuery(query): RawQuery) -> Answer {
    let before = Query::read(query.as_deref(), &["before"])?.get("before")?;
    web.master.confirm().await?;
    let jobs = web.master.newest_jobs(before, JOBS)?;
    let older = jobs.last().map(|job| job.id).filter(|_| jobs.len() == JOBS);
    let table = JobTable { title: "Jobs", jobs: &jobs, now_ms: web.clock.wall_ms() };
    let body = AllJobs { table, is_first: before.is_none(), older };
    page("Jobs", "/api/v1/events", false, &body)
}
