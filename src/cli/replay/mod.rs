//! `gristmill replay TASK`: runs an attempt again, in this terminal.
//!
//! The masters provide the executable, the spec, the plan and the side files. For a reduce, the workers provide the
//! map outputs that they hold. All of this, and what the attempt writes, is kept in a separate folder, so the job is
//! not changed.

mod child;
mod needs;

use std::path::PathBuf;
use std::sync::mpsc::channel;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use clap::Args;
use rustix::process::{Pid, Signal, kill_process_group};

use self::child::Child;
use self::needs::Needs;
use super::cluster::{Cluster, runtime, with_hint};
use super::daemon::{Folder, asked_to_end};
use super::refused::Refused;
use super::{duration, exit};
use crate::frame::Done;
use crate::launch::{render_failure, say};
use crate::model::{AttemptId, Counters, TaskId};
use crate::rpc::client::{Master, Options};
use crate::rpc::jobs::Jobs;
use crate::rpc::recipe::RecipeRequest;
use crate::storage;
use crate::worker::{Ending, adopt_orphans, end_orphans};

pub(super) const AFTER_HELP: &str = "\
What the job's code prints goes to standard error. Memory is not limited
here, and nothing is published: the attempt writes into a folder that is
removed at the end, unless --data names one. If several maps shared a failed
attempt, all of them are replayed. A reduce needs the map outputs, which
workers keep until the job ends; --make-maps runs the maps here instead.

Exit codes: 0 the attempt succeeded, 1 it failed or its input is gone, 3 the
attempt does not exist or the map outputs are gone, 130 interrupted.

Example: gristmill replay j7/m12";

/// Arguments of `replay`.
#[derive(Debug, Args)]
pub(super) struct Replay {
    #[command(flatten)]
    cluster: Cluster,
    /// A task or an attempt: j7/m12 or j7/m12#2; for a task, its last failed attempt, else its last one
    #[arg(value_name = "TASK[#N]", value_parser = parse)]
    which: RecipeRequest,
    /// For a reduce: run all maps here first, instead of fetching their outputs
    #[arg(long)]
    make_maps: bool,
    /// Kill the attempt if it makes no progress for this long
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = duration::parse)]
    task_timeout: Duration,
    /// New or empty folder for all files, which are kept [default: a temporary one]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// How the attempt ended here.
#[derive(Debug)]
enum Ended {
    Well(AttemptId, Done),
    /// The attempt reported this failure. The number is the limit on bad records.
    Failed(AttemptId, Box<crate::model::Failure>, u64),
    Died(AttemptId, Ending),
    /// The attempt made no progress for this long.
    TimedOut(AttemptId, Duration),
}

/// Parses `j7/m12` or `j7/m12#2`.
fn parse(text: &str) -> Result<RecipeRequest, String> {
    if text.contains('#') {
        let attempt: AttemptId =
            text.parse().map_err(|error: crate::model::Error| error.to_string())?;
        return Ok(RecipeRequest { task: attempt.task, number: Some(attempt.number) });
    }
    let task: TaskId = text.parse().map_err(|error: crate::model::Error| error.to_string())?;
    Ok(RecipeRequest { task, number: None })
}

impl Replay {
    /// Replays the attempt, unless it is interrupted.
    pub(super) fn run(self) -> Result<u8, Refused> {
        let addresses = self.cluster.addresses()?;
        let folder = Folder::make_for_executables(self.data.as_deref())?;
        needs::check_empty(folder.path())?;
        // Without this call, daemons of user code outlive a replay that is interrupted or takes too long.
        let _adopts_or_too_old = adopt_orphans();
        let group: Arc<OnceLock<Pid>> = Arc::default();
        let ended = runtime()?.block_on(async {
            let asked = asked_to_end()?;
            let limit = self.task_timeout;
            let work = async {
                let master = Master::connect(&addresses, Options::default())?;
                let recipe = master.recipe(self.which).await.map_err(Refused::from);
                let recipe = recipe.map_err(with_hint)?;
                let needs = Needs::fetch(&master, recipe, folder.path(), self.make_maps).await?;
                say(&needs.describe());
                on_its_own_thread(needs, limit, Arc::clone(&group)).await
            };
            tokio::select! {
                ended = work => ended.map(Some),
                () = asked => Ok(None),
            }
        });
        if let Some(&group) = group.get() {
            let _killed_or_gone = kill_process_group(group, Signal::KILL);
            end_orphans();
        }
        Ok(match ended? {
            None => exit::INTERRUPTED,
            Some(ended) => report(&ended),
        })
    }
}

/// Runs the attempt on a thread of its own, while this one handles signals. The kernel kills an executable without a
/// supervisor when the thread that started it ends, so that thread must live until the attempt has ended.
async fn on_its_own_thread(
    needs: Needs,
    limit: Duration,
    group: Arc<OnceLock<Pid>>,
) -> Result<Ended, Refused> {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let (stay, stays) = channel::<()>();
    let work = move || {
        let ended = Child::start(&needs.executable, &needs.folder, limit, &group)
            .and_then(|child| needs.carry_out(child));
        let _heard_or_interrupted = sender.send(ended);
        // Stay alive until the caller has the outcome, or has been interrupted.
        let _nothing_comes = stays.recv();
    };
    let started = std::thread::Builder::new().name("replay".into()).spawn(work);
    started.map_err(|error| {
        let hint = storage::hint(&error);
        Refused::failed(format!("cannot start a thread: {error}\nhint: {hint}"))
    })?;
    let ended = receiver.await.unwrap_or_else(|_| {
        Err(Refused::failed("the thread that ran the attempt has died\nhint: report this as a bug"))
    });
    drop(stay);
    ended
}

fn report(ended: &Ended) -> u8 {
    match ended {
        Ended::Well(attempt, done) => {
            say(&format!("{attempt} succeeded here\n{}", counted(done)));
            exit::OK
        }
        Ended::Failed(attempt, failure, bad_records) => {
            render_failure(*attempt, failure, *bad_records).say();
            exit::FAILED
        }
        Ended::Died(attempt, ending) => {
            say(&format!(
                "error: the process {ending} before the attempt ended: {attempt}\nhint: see its last output\n"
            ));
            exit::FAILED
        }
        Ended::TimedOut(attempt, limit) => {
            say(&format!(
                "error: no progress for {} ms: {attempt}\nhint: find out where it hangs, or \
                 allow more time with --task-timeout\n",
                limit.as_millis()
            ));
            exit::FAILED
        }
    }
}

/// Formats the counters of an attempt, one per line.
fn counted(done: &Done) -> String {
    let none = Counters::new();
    let counters = match done {
        Done::Plan { counters, .. }
        | Done::Map { counters, .. }
        | Done::Reduce { counters, .. } => counters,
        Done::Commit { .. } | Done::Sweep => &none,
    };
    let line = |(group, name, n): (&str, &str, u64)| {
        let name = crate::model::escape(format!("{group}: {name}").as_bytes(), 200);
        format!("  {name} {n}\n")
    };
    let mut lines: String = counters.iter().map(line).collect();
    if let Done::Plan { splits, reducers, .. } = done {
        lines += &format!("  {splits} maps, {reducers} reduces\n");
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{JobId, TaskKind, Volume};

    #[test]
    fn a_task_or_an_attempt_is_named() {
        let task = JobId(7).task(TaskKind::Map, 12);
        assert_eq!(parse("j7/m12"), Ok(RecipeRequest { task, number: None }));
        assert_eq!(parse("j7/m12#2"), Ok(RecipeRequest { task, number: Some(2) }));
        for text in ["", "j7", "j7/m12#0", "j7/x1", "m12"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn counters_are_printed_one_per_line() {
        let mut counters = Counters::new();
        counters.add("My\x1bjob", "records", 34);
        let done = Done::Reduce { counters, volume: Volume::default() };
        assert_eq!(counted(&done), "  My\\x1bjob: records 34\n");
    }
}
