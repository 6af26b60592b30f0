//! The first page: who leads, who runs, what waits and why; and the list of all jobs.

use askama::Template;
use axum::extract::{RawQuery, State};

use super::page;
use super::words::{clock, percent, span, used};
use crate::master::Figures;
use crate::rpc::jobs::{JobLine, JobStatus, Jobs, WorkerLine};
use crate::rpc::masters::{MasterLine, Masters};
use crate::spec::JobId;
use crate::web::Web;
use crate::web::answer::Answer;
use crate::web::query::Query;

/// Jobs that have not ended, and workers, on the first page.
const LIVE_MAX: usize = 50;
const WORKERS_MAX: usize = 100;
/// The newest jobs that are shown there.
const NEWEST: usize = 10;
/// Jobs of a list.
const JOBS: usize = 50;

/// A table of jobs.
#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<div class="scroll" tabindex="0" role="group" aria-label="{{ title }}"><table><thead><tr><th scope="col">Job</th><th scope="col">Name</th><th scope="col">State</th><th scope="col">Why</th><th scope="col">Submitted</th><th scope="col">Finished</th></tr></thead><tbody>
{% for job in jobs %}<tr><td><a href="/jobs/{{ job.id }}">{{ job.id }}</a></td><td>{{ job.name }}</td><td><span class="state {{ job.state }}">{{ job.state }}</span></td><td class="wide">{{ job.reason }}</td><td>{{ self::clock(&job.submitted) }}</td><td>{% if let Some(at) = job.finished %}{{ self::clock(at) }}{% endif %}</td></tr>
{% endfor %}</tbody></table></div>"#
)]
struct JobTable<'p> {
    title: &'static str,
    jobs: &'p [JobLine],
}

/// Jobs that have not ended, and how far they are.
#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<div class="scroll" tabindex="0" role="group" aria-label="Queue"><table><thead><tr><th scope="col">Job</th><th scope="col">Name</th><th scope="col">State</th><th scope="col">Progress</th><th scope="col" class="num">Maps</th><th scope="col" class="num">Reduces</th><th scope="col">Why</th></tr></thead><tbody>
{% for job in jobs %}<tr><td><a href="/jobs/{{ job.id }}">{{ job.id }}</a></td><td>{{ job.name }}</td><td><span class="state {{ job.state }}">{{ job.state }}</span></td><td class="bar"><progress max="100" value="{{ self::percent(*job.progress) }}" aria-label="Progress of {{ job.id }}">{{ self::percent(*job.progress) }} %</progress> {{ self::percent(*job.progress) }} %</td><td class="num">{{ job.maps.done }} / {{ job.maps.total }}</td><td class="num">{{ job.reduces.done }} / {{ job.reduces.total }}</td><td class="wide">{{ job.reason }}</td></tr>
{% endfor %}</tbody></table></div>"#
)]
struct Queue<'p> {
    jobs: &'p [JobStatus],
}

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<h1>Overview</h1>
<div class="tiles"><div><b>{{ live }}</b>jobs under way</div><div><b>{{ figures.running }} / {{ figures.slots }}</b>slots in use</div><div><b>{{ known }}</b>workers</div><div><b>{{ figures.term }}</b>term</div></div>
<section><h2>Queue</h2>
{% if queue.jobs.is_empty() %}<p class="soft">Nothing runs and nothing waits.</p>{% else %}{{ queue.render()?|safe }}{% endif %}
{% if live > queue.jobs.len() %}<p class="soft">The oldest {{ queue.jobs.len() }} of {{ live }}.</p>{% endif %}</section>
<section><h2>Newest jobs</h2>
{% if newest.jobs.is_empty() %}<p class="soft">No job yet: <code>gristmill submit ./wordcount in.txt -o out</code></p>{% else %}{{ newest.render()?|safe }}<p><a href="/jobs">All jobs</a></p>{% endif %}</section>
<section><h2>Workers</h2>
{% if workers.is_empty() %}<p class="soft">No worker yet: <code>gristmill worker --cluster ADDRESS</code></p>{% else %}
<div class="scroll" tabindex="0" role="group" aria-label="Workers"><table><thead><tr><th scope="col">Worker</th><th scope="col">State</th><th scope="col">Slots in use</th><th scope="col">Last poll</th><th scope="col">Memory in use</th><th scope="col">Disk in use</th><th scope="col">Address</th><th scope="col" class="num">Process</th></tr></thead><tbody>
{% for (worker, seen) in workers %}<tr><td><a href="/workers/{{ worker.id }}">{{ worker.id }}</a></td><td><span class="state {{ worker.state }}">{{ worker.state }}</span></td><td>{{ worker.running }} / {{ worker.slots }}</td><td>{{ seen }} ago</td><td>{{ self::used(*worker.room.memory_free_bytes, *worker.room.memory_bytes) }}</td><td>{{ self::used(*worker.room.disk_free_bytes, *worker.room.disk_bytes) }}</td><td>{{ worker.address }}</td><td class="num">{{ worker.pid }}</td></tr>
{% endfor %}</tbody></table></div>{% if known > workers.len() %}<p class="soft">The first {{ workers.len() }} of {{ known }}; <a href="/api/v1/workers">all of them</a> as JSON.</p>{% endif %}{% endif %}</section>
<section><h2>Masters</h2>
<div class="scroll" tabindex="0" role="group" aria-label="Masters"><table><thead><tr><th scope="col">Master</th><th scope="col">Role</th><th scope="col" class="num">Term</th><th scope="col" class="num">Applied</th><th scope="col" class="num">Behind</th><th scope="col">Address</th><th scope="col">Web</th></tr></thead><tbody>
{% for master in masters %}<tr><td>{{ master.id }}</td><td><span class="state {{ master.role }}">{{ master.role }}</span></td><td class="num">{{ master.term }}</td><td class="num">{{ master.applied }}</td><td class="num">{{ master.behind }}</td><td>{{ master.address }}</td><td>{% if let Some(web) = master.web %}<a href="http://{{ web }}/">{{ web }}</a>{% endif %}</td></tr>
{% endfor %}</tbody></table></div></section>"#
)]
struct Overview<'p> {
    figures: &'p Figures,
    live: usize,
    queue: Queue<'p>,
    newest: JobTable<'p>,
    /// With the time since their last poll.
    workers: Vec<(&'p WorkerLine, String)>,
    known: usize,
    masters: &'p [MasterLine],
}

/// `GET /`
pub(in crate::web) async fn overview(State(web): State<Web>) -> Answer {
    let master = &web.master;
    let (workers, masters) = (master.workers().await?, master.masters().await?.masters);
    let (live_jobs, live) = master.live_jobs(LIVE_MAX)?;
    let newest = master.newest_jobs(None, NEWEST)?;
    let body = Overview {
        figures: &master.figures(),
        live,
        queue: Queue { jobs: &live_jobs },
        newest: JobTable { title: "Newest jobs", jobs: &newest },
        workers: workers
            .iter()
            .take(WORKERS_MAX)
            .map(|worker| (worker, span(worker.last_seen_ms)))
            .collect(),
        known: workers.len(),
        masters: &masters,
    };
    page("Overview", "/api/v1/events", true, &body)
}

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<h1>Jobs</h1>
<section>{% if table.jobs.is_empty() %}<p class="soft">There are no jobs here.</p>{% else %}{{ table.render()?|safe }}{% endif %}
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
    let table = JobTable { title: "Jobs", jobs: &jobs };
    let body = AllJobs { table, is_first: before.is_none(), older };
    page("Jobs", "/api/v1/events", false, &body)
}
