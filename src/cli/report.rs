//! `gristmill report JOB`: writes a job's report as one HTML page, to attach to a ticket.

use std::io::{IsTerminal, stdout};

use super::cluster::{Cluster, none, with_hint};
use super::exit;
use super::refused::Refused;
use crate::launch::{Message, STDOUT_HINT, stdout_failed, write_out};
use crate::model::JobId;
use crate::rpc::client::Master;
use crate::rpc::masters::{MasterLine, Masters, Role};
use crate::web::{Unanswered, fetch};

pub(super) const AFTER_HELP: &str = "\
The page needs no other file, no script and no server. It shows the job's
settings, why it failed, a timeline of its attempts, task durations, counters,
and the messages and last output of failed attempts. Its size is at most
about 300 KB, whatever the number of tasks.

Example: gristmill report j7 > j7.html";

/// Runs `gristmill report JOB`.
pub(super) fn report(cluster: &Cluster, job: JobId) -> Result<u8, Refused> {
    if stdout().is_terminal() {
        return Err(Refused::usage(format!(
            "the report is an HTML page, and standard output is a terminal\nhint: run \
             `gristmill report {job} > {job}.html`"
        )));
    }
    let page = cluster.ask(async |master| page(&master, job).await)?;
    let written = write_out(&page);
    Ok(written.map_or_else(|error| stdout_failed(&error, STDOUT_HINT), |()| exit::OK))
}

/// Fetches the page from the leader, or from another master, which forwards the request.
async fn page(master: &Master, job: JobId) -> Result<Vec<u8>, Refused> {
    let mut masters = master.masters().await?.masters;
    masters.retain(|line| line.web.is_some() && line.role != Role::Unreachable);
    masters.sort_by_key(|line: &MasterLine| line.role != Role::Leader);
    let Some(web) = masters.first().and_then(|line| line.web.clone()) else {
        return Err(Refused::failed(
            "the report needs a master's web pages, but no master serves any\nhint: start a \
             master with --web ADDR",
        ));
    };
    fetch(&web, &format!("/jobs/{job}/report")).await.map_err(refused)
}

fn refused(why: Unanswered) -> Refused {
    let line = why.to_string();
    match why {
        Unanswered::NotFound(_) => none(&line),
        Unanswered::Unavailable(_) => {
            with_hint(Refused { code: exit::UNAVAILABLE, message: Message::new(line) })
        }
        Unanswered::Refused(_) => Refused::failed(line),
    }
}
