//! Follows a job until it ends.

use crate::model::JobId;
use crate::rpc::jobs::{JobStatus, Jobs, Tally};
use crate::rpc::refusal::Refusal;

/// Calls `seen` with each new status of a job, up to the last one, which is also returned.
///
/// A new leader knows which tasks are done, but not yet the progress of running ones. So shares only rise here,
/// unless outputs were lost and fewer tasks are done than before.
///
/// # Errors
/// If the job does not exist, or no master answered within the client's patience. The job continues.
pub async fn follow<J: Jobs>(
    jobs: &J,
    job: JobId,
    mut seen: impl FnMut(&JobStatus),
) -> Result<JobStatus, Refusal> {
    let mut last: Option<JobStatus> = None;
    loop {
        let known = last.as_ref().map_or(0, |last| last.version);
        let mut status = jobs.status(job, known).await?;
        if last.as_ref().is_none_or(|last| is_new(last, &status)) {
            if let Some(last) = &last {
                keep_shares(last, &mut status);
            }
            seen(&status);
            last = Some(status.clone());
        }
        if status.state.is_terminal() {
            return Ok(status);
        }
    }
}

/// Whether a status is newer than the last one. A new leader restarts the version numbers, so the number alone is not
/// enough: the last status may have the number of an earlier one.
fn is_new(last: &JobStatus, status: &JobStatus) -> bool {
    (last.version, last.state) != (status.version, status.state)
}

/// Keeps the shares of a status from falling below those of the last one, unless fewer tasks are done.
fn keep_shares(last: &JobStatus, status: &mut JobStatus) {
    let fell = |last: &Tally, now: &Tally| now.done < last.done;
    if fell(&last.maps, &status.maps) || fell(&last.reduces, &status.reduces) {
        return;
    }
    for (now, last) in [(&mut status.maps, &last.maps), (&mut status.reduces, &last.reduces)] {
        now.progress = now.progress.max(last.progress);
        now.bytes_done = now.bytes_done.max(last.bytes_done);
    }
    status.progress = status.progress.max(last.progress);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::JobState;

    fn status(maps: (u32, f64), reduces: (u32, f64), progress: f64) -> JobStatus {
        let tally =
            |(done, progress)| Tally { total: 10, done, running: 4, progress, ..Tally::default() };
        JobStatus {
            progress,
            maps: tally(maps),
            reduces: tally(reduces),
            ..JobStatus::in_state(JobState::Mapping)
        }
    }

    #[test]
    fn final_status_is_new_whatever_its_version() {
        let (running, ended) =
            (JobStatus::in_state(JobState::Committing), JobStatus::in_state(JobState::Succeeded));
        assert_eq!(running.version, ended.version);
        assert!(is_new(&running, &ended));
        assert!(!is_new(&ended, &ended), "nobody is told twice");
        assert!(is_new(&running, &JobStatus { version: 2, ..running.clone() }));
    }

    #[test]
    fn progress_falls_only_after_lost_outputs() {
        let none = (0, 0.0);
        let table = [
            ("it goes on", status((2, 0.5), none, 0.25), (0.5, 0.0, 0.25)),
            (
                "another leads, who has heard of no worker",
                status((2, 0.2), none, 0.1),
                (0.4, 0.0, 0.2),
            ),
            ("and has heard of some", status((3, 0.35), none, 0.175), (0.4, 0.0, 0.2)),
            ("outputs were lost", status((1, 0.3), none, 0.15), (0.3, 0.0, 0.15)),
        ];
        for (what, mut now, (maps, reduces, all)) in table {
            keep_shares(&status((2, 0.4), none, 0.2), &mut now);
            let shown = (now.maps.progress, now.reduces.progress, now.progress);
            assert_eq!(shown, (maps, reduces, all), "{what}");
        }
        let (mut before, mut now) = (status((2, 0.4), none, 0.2), status((2, 0.2), none, 0.1));
        (before.maps.bytes_done, now.maps.bytes_done) = (400, 200);
        keep_shares(&before, &mut now);
        assert_eq!(now.maps.bytes_done, 400);
        let mut now = status((10, 1.0), (1, 0.1), 0.55);
        keep_shares(&status((10, 1.0), (2, 0.3), 0.65), &mut now);
        assert_eq!((now.reduces.progress, now.progress), (0.1, 0.55), "a reduce was lost");
        let mut now = status((10, 1.0), (2, 0.2), 0.6);
        keep_shares(&status((10, 1.0), (2, 0.3), 0.65), &mut now);
        assert_eq!((now.reduces.progress, now.progress), (0.3, 0.65), "another leads");
    }
}
