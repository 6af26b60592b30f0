//! Runs one attempt, from its assignment until its end is recorded among the worker's held attempts (`held_attempts.rs`).

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::artifacts::put;
use super::error::{disk_failure, task_failure};
use super::executor::{Executor, ExecutorEvent, Unwell};
use super::fetch::{Fetched, Unfetched, fetch_all};
use super::held_attempts::Start;
use super::slots::Slot;
use super::{Launch, Launcher, Transport, Worker};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::crash::crash_point;
use crate::frame::{self, Run, ToExecutor};
use crate::model::job::MEMORY_BYTES;
use crate::model::{Cause, Done, Failure, JobSpec, Location, Work};
use crate::offload::offload;
use crate::rpc::workers::{HeldState, Order};

/// Memory that an executor needs in addition to the job's buffers.
const PROCESS_BYTES: u64 = 16 << 20;

/// Runs an assigned attempt and records its end among the held attempts. A request to stop takes effect at once. In either case,
/// no process and no scratch folder is left behind.
pub(super) async fn carry_out<T: Transport, L: Launcher>(worker: Arc<Worker<T, L>>, start: Start) {
    let Start { order, mut stop, mut more } = start;
    let mut slot = None;
    let state = tokio::select! {
        biased;
        _ = stop.wait_for(|&stop| stop) => None,
        state = Box::pin(try_order(&worker, &order, &mut more, &mut slot)) => Some(state),
    };
    if state.is_none() {
        if let Some(executor) = slot.as_mut().and_then(|slot: &mut Slot| slot.executor.take()) {
            executor.close().await;
        }
        worker.logs.end(order.attempt);
    }
    if let Some(slot) = slot {
        worker.slots.give_back(slot);
    }
    // In one step, the map output was moved out of the scratch folder, and the folder was removed.
    let is_swept =
        matches!(state, Some(HeldState::Done(Done::Map { .. }))) && leaves_output(&order);
    if let Some(state) = state {
        worker.held_attempts.end(order.attempt, state);
    }
    if !is_swept {
        let (sweeper, nonce) = (Arc::clone(&worker), order.nonce);
        let sweep = move || sweeper.folders.remove_attempt(nonce, order.attempt);
        // What cannot be removed here is removed with the job.
        let _swept_or_later = offload(sweep).await;
    }
    worker.held_attempts.remove_ended(order.attempt);
}

/// Whether the worker keeps the output of a successful attempt.
fn leaves_output(order: &Order) -> bool {
    matches!(order.work, Work::Map { .. }) && !order.is_map_only
}

/// Runs an assigned attempt and returns its end.
async fn try_order<T: Transport, L: Launcher>(
    worker: &Arc<Worker<T, L>>,
    order: &Order,
    more: &mut UnboundedReceiver<Vec<u32>>,
    slot: &mut Option<Slot>,
) -> HeldState {
    let ended = match prepare(worker, order).await {
        Ok((prepared, fetched)) => match run(worker, order, prepared, more, slot).await {
            Ok(state) => Ok(state),
            Err(failure) => Err(fetched.blame(order.attempt.task.index, failure).await),
        },
        Err(unfetched) => Err(unfetched),
    };
    ended.unwrap_or_else(|Unfetched { failure, lost }| HeldState::Failed { failure, lost })
}

/// Everything that an attempt needs before it can run.
struct Prepared {
    executable: PathBuf,
    run: Box<Run>,
}

async fn prepare<T: Transport, L: Launcher>(
    worker: &Arc<Worker<T, L>>,
    order: &Order,
) -> Result<(Prepared, Fetched), Unfetched> {
    let artifact = |digest| worker.artifacts.get(&worker.masters, digest, order.nonce);
    let executable = artifact(order.executable).await?;
    let (scratch, spec) = begin(worker, order, artifact(order.spec).await?).await?;
    let mut fetched = Fetched::default();
    let work = match &order.work {
        Work::Plan => Work::Plan,
        Work::Map { plan, joined } => {
            Work::Map { plan: artifact(*plan).await?.into(), joined: joined.clone() }
        }
        Work::Reduce { plan, maps } => {
            let plan = artifact(*plan).await?.into();
            fetched = fetch_all(worker, order, *maps, &scratch).await?;
            Work::Reduce { plan, maps: std::mem::take(&mut fetched.segments) }
        }
        Work::Commit { maps, reduces, counters, created } => Work::Commit {
            maps: maps.clone(),
            reduces: reduces.clone(),
            counters: counters.clone(),
            created: created.clone(),
        },
        Work::Sweep => Work::Sweep,
    };
    let compress =
        matches!(work, Work::Map { .. }) && worker.outputs.compress_next(&worker.options);
    let mut spec = JobSpec::clone(&spec);
    spec.memory_bytes = buffers(spec.memory_bytes, worker.options.attempt_memory_bytes);
    if !matches!(work, Work::Commit { .. } | Work::Sweep) {
        for file in &mut spec.side_files {
            if let Some(digest) = file.digest {
                file.location = Location::from(&artifact(digest).await?);
            }
        }
    }
    let (attempt, nonce, scratch) = (order.attempt, order.nonce, scratch.into());
    let run = Run { attempt, nonce, spec, scratch, compress, work };
    Ok((Prepared { executable, run: Box::new(run) }, fetched))
}

/// Memory for a job's buffers on a worker that gives an attempt `limit_bytes` in all: what the job asks for, or less
/// if the process itself needs the rest. The output does not depend on it.
fn buffers(asked_bytes: u64, limit_bytes: u64) -> u64 {
    if limit_bytes == 0 {
        return asked_bytes;
    }
    let most = (limit_bytes / 4 * 3).min(limit_bytes.saturating_sub(PROCESS_BYTES));
    asked_bytes.min(most.max(*MEMORY_BYTES.start()))
}

/// Creates the attempt's scratch folder, and reads the job's spec from this file unless it is known.
async fn begin<T: Transport, L: Launcher>(
    worker: &Arc<Worker<T, L>>,
    order: &Order,
    spec: PathBuf,
) -> Result<(PathBuf, Arc<JobSpec>), Failure> {
    let (here, nonce, attempt) = (Arc::clone(worker), order.nonce, order.attempt);
    let key = (nonce, order.spec);
    let begun = offload(move || {
        let scratch = here.folders.make_attempt(nonce, attempt);
        let folder = here.folders.job(nonce);
        let scratch =
            scratch.map_err(|error| disk_failure("make a scratch folder", &folder, &error))?;
        Ok((scratch, here.specs.get(key, &spec)?))
    });
    begun.await.map_err(|error| task_failure("begin an attempt", &error))?
}

/// Runs the attempt in the slot's executor if that belongs to this job, and otherwise in a new one. If the old
/// executor dies before the attempt begins, a new one runs the attempt.
async fn run<T: Transport, L: Launcher>(
    worker: &Arc<Worker<T, L>>,
    order: &Order,
    prepared: Prepared,
    more: &mut UnboundedReceiver<Vec<u32>>,
    place: &mut Option<Slot>,
) -> Result<HeldState, Failure> {
    let Prepared { executable, run } = prepared;
    let scratch = run.scratch.clone();
    let run = ToExecutor::Run(run);
    // The slot stays in its place while this waits, so that the code that stops the attempt finds the executor there.
    let slot = place.insert(worker.slots.take(order.nonce).await);
    loop {
        let is_new = slot.executor.is_none();
        if is_new {
            // The executor's working folder must outlive the attempt, since later attempts run in it too.
            let folder = worker.folders.outputs(order.nonce);
            let memory_bytes = worker.options.attempt_memory_bytes;
            let launch = Launch { executable: executable.clone(), folder, memory_bytes };
            slot.executor = Some(Executor::start(&worker.launcher, order.nonce, launch).await?);
            crash_point!("w02");
        }
        let Some(executor) = &mut slot.executor else {
            return Err(Failure::new(Cause::Exit, "the slot has no executor"));
        };
        worker.logs.begin(order.attempt, Arc::clone(&executor.process));
        let ended = converse(worker, order, (executor, is_new), &run, more).await;
        if ended.is_err()
            && let Some(executor) = slot.executor.take()
        {
            // After a failure, the next attempt must not find anything that user code has left in the process.
            executor.close().await;
        }
        if !is_new && matches!(ended, Err(Unwell::DiedBefore(_))) {
            // An earlier attempt has killed the old executor. If a new one dies before it begins, the attempt fails,
            // so there are at most two rounds.
            worker.logs.leave(order.attempt);
            continue;
        }
        let log = worker.logs.end(order.attempt);
        return match ended {
            Ok(done) => accept(worker, order, done, &scratch).await,
            Err(unwell) => Err(unwell.into_failure(&log)),
        };
    }
}

/// Passes the attempt to an executor, after the handshake if the executor is new, and records its messages among the
/// held attempts.
async fn converse<T: Transport, L: Launcher>(
    worker: &Worker<T, L>,
    order: &Order,
    (executor, is_new): (&mut Executor, bool),
    run: &ToExecutor,
    more: &mut UnboundedReceiver<Vec<u32>>,
) -> Result<frame::Done, Unwell> {
    if is_new {
        executor.greet().await?;
    }
    // Recorded before the attempt begins, in case the executor hangs at that moment.
    if let Some(pid) = executor.pid() {
        worker.held_attempts.started(order.attempt, pid);
    }
    let silence_max = (order.timeout_ms > 0).then(|| Duration::from_millis(order.timeout_ms));
    let told = |told| match told {
        ExecutorEvent::Begun(pid) => worker.held_attempts.started(order.attempt, pid),
        ExecutorEvent::Progress { share, bytes } => {
            worker.held_attempts.progressed(order.attempt, share, bytes)
        }
        ExecutorEvent::Wants(maps) => worker.held_attempts.wanted(order.attempt, maps),
    };
    executor.run(run, silence_max, more, told).await
}

/// Takes over the output of a successful attempt.
async fn accept<T: Transport, L: Launcher>(
    worker: &Arc<Worker<T, L>>,
    order: &Order,
    done: frame::Done,
    scratch: &Path,
) -> Result<HeldState, Failure> {
    let done = match (done, &order.work) {
        (Done::Plan { plan, splits, reducers, input_bytes, counters }, Work::Plan) => {
            let plan = put(&worker.masters, inside(scratch, &plan)?).await?;
            Done::Plan { plan, splits, reducers, input_bytes, counters }
        }
        (
            Done::Map { output, joined, digest, bytes, is_staged, counters, volume },
            Work::Map { .. },
        ) if output.is_none() == order.is_map_only => {
            if let Some(sealed) = output {
                keep(worker, order, inside(scratch, &sealed)?, digest).await?;
            }
            Done::Map { output: (), joined, digest, bytes, is_staged, counters, volume }
        }
        (Done::Reduce { counters, volume }, Work::Reduce { .. }) => {
            Done::Reduce { counters, volume }
        }
        (Done::Commit { records, bytes }, Work::Commit { .. }) => Done::Commit { records, bytes },
        (Done::Sweep, Work::Sweep) => Done::Sweep,
        (done, _) => {
            let message = format!("the executor reported a result of the wrong kind: {done:?}");
            let message = crate::model::escape(message.as_bytes(), crate::model::TEXT_CHARS_MAX);
            return Err(Failure::new(Cause::Exit, message));
        }
    };
    Ok(HeldState::Done(done))
}

/// Keeps a map's sealed output, to serve it to reduces.
async fn keep<T: Transport, L: Launcher>(
    worker: &Arc<Worker<T, L>>,
    order: &Order,
    sealed: &Path,
    digest: u64,
) -> Result<(), Failure> {
    let (keeper, of, sealed) =
        (Arc::clone(worker), (order.nonce, order.attempt), sealed.to_owned());
    let add = move || {
        keeper.outputs.add(&keeper.folders, of, &sealed, digest)?;
        keeper.folders.remove_attempt(of.0, of.1);
        Ok(())
    };
    let added = offload(add).await;
    added.map_err(|error| task_failure("keep a map output", &error))??;
    crash_point!("w05");
    Ok(())
}

/// Checks that a file which an executor names lies in its attempt's own folder.
fn inside<'a>(scratch: &Path, path: &'a Path) -> Result<&'a Path, Failure> {
    let is_plain = path.strip_prefix(scratch).is_ok_and(|rest| {
        rest.components().all(|part| matches!(part, std::path::Component::Normal(_)))
    });
    if is_plain {
        return Ok(path);
    }
    let message = format!(
        "the executor named a file that is not in its scratch folder: {}",
        super::error::display_path(path)
    );
    Err(Failure::new(Cause::Exit, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_fit_into_what_the_worker_gives() {
        let mib = |n: u64| n << 20;
        for (asked, limit, given) in [
            (1_024, 0, 1_024),
            (1_024, 2_048, 1_024),
            (1_024, 1_024, 768),
            (64, 1_024, 64),
            (1_024, 96, 72),
            (1_024, 40, 24),
            (1_024, 32, 16),
            (1_024, 8, 16),
        ] {
            assert_eq!(buffers(mib(asked), mib(limit)), mib(given), "{asked} of {limit}");
        }
    }
}
