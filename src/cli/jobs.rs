//! `gristmill jobs`, `status` and `kill`: lists jobs, shows the state of one, cancels one.

use super::cluster::Cluster;
use super::exit;
use super::refused::Refused;
use super::table::Column::{State, Text, Whole};
use super::table::{Column, Format, json, list};
use super::terminal::{Colour, Terminal};
use crate::launch::{print, say};
use crate::model::{JobId, JobState};
use crate::rpc::client::Master;
use crate::rpc::jobs::{JobStatus, Jobs};

const HEAD: [Column; 6] = [
    Whole("JOB"),
    Text("NAME"),
    State("STATE"),
    Whole("SUBMITTED"),
    Whole("FINISHED"),
    Text("REASON"),
];

/// Runs `gristmill jobs`: lists the jobs, the newest first.
pub(super) fn jobs(cluster: &Cluster, format: Format) -> Result<u8, Refused> {
    let mut jobs = cluster.ask(async |master| Ok(master.list().await?))?;
    jobs.reverse();
    list(format, &jobs, &HEAD, |jobs| {
        let row = |job: &crate::rpc::jobs::JobLine| {
            let finished = job.finished.clone().unwrap_or_default();
            let (submitted, reason) = (job.submitted.clone(), job.reason.clone());
            vec![
                job.id.to_string(),
                job.name.clone(),
                job.state.to_string(),
                submitted,
                finished,
                reason,
            ]
        };
        jobs.iter().map(row).collect()
    })
}

/// Runs `gristmill status JOB`.
pub(super) fn status(cluster: &Cluster, job: JobId, format: Format) -> Result<u8, Refused> {
    let status = cluster.ask(async |master| Ok(master.status(job, 0).await?))?;
    Ok(match format {
        Format::Json => print(&json(&status)?),
        Format::Table => {
            let has_colours = Terminal::of(&std::io::stdout()).is_some_and(|it| it.has_colours);
            print(&lines(&status, has_colours))
        }
    })
}

/// Runs `gristmill kill JOB`.
pub(super) fn kill(cluster: &Cluster, job: JobId) -> Result<u8, Refused> {
    say(&cluster.ask(async |master| killed(&master, job).await)?);
    Ok(exit::OK)
}

/// Kills a job, and returns a line that describes its new state.
pub(super) async fn killed(master: &Master, job: JobId) -> Result<String, Refused> {
    master.kill(job).await?;
    Ok(match master.status(job, 0).await?.state {
        JobState::Committing => format!(
            "{job} is publishing: it will be cancelled unless its output becomes visible first\n"
        ),
        JobState::Cancelled => format!("{job} is cancelled\n"),
        state => format!("{job} has {state}\n"),
    })
}

/// Renders one line per fact. Line breaks inside a value are escaped.
fn lines(status: &JobStatus, has_colours: bool) -> String {
    let tally = |tally: &crate::rpc::jobs::Tally| {
        format!("{} of {} done, {} running", tally.done, tally.total, tally.running)
    };
    let mut rows = vec![
        ("job", status.id.to_string()),
        ("name", status.name.clone()),
        ("state", status.state.to_string()),
        ("reason", status.reason.clone()),
        ("progress", format!("{:.0} %", 100.0 * status.progress)),
        ("maps", tally(&status.maps)),
        ("reduces", tally(&status.reduces)),
        ("output", status.output.clone()),
        ("submitted", status.submitted.clone()),
    ];
    rows.extend(status.finished.clone().map(|finished| ("finished", finished)));
    rows.extend(error_rows(status.error.as_deref().unwrap_or_default()));
    let row = |(name, value): &(&str, String)| {
        let value = crate::model::escape(value.as_bytes(), crate::model::TEXT_CHARS_MAX);
        let value = match Colour::of(&value) {
            Some(colour) if has_colours && *name == "state" => colour.paint(&value),
            _ => value,
        };
        if value.is_empty() { String::new() } else { format!("{name:<10} {value}\n") }
    };
    rows.iter().map(row).collect()
}

/// Returns the rows of an error: its message, then one row per detail.
fn error_rows(error: &str) -> impl Iterator<Item = (&'static str, String)> {
    let names = std::iter::once("error").chain(std::iter::repeat(""));
    names.zip(error.lines().map(|line| line.trim_start().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_several_lines_has_a_row_for_each() {
        let rows: Vec<_> = error_rows("j1/m0#2: no luck\n  record at byte 7\n").collect();
        assert_eq!(rows, [("error", "j1/m0#2: no luck".into()), ("", "record at byte 7".into())]);
        assert_eq!(error_rows("").count(), 0);
    }
}
