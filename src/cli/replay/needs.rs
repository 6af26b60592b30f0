//! Collects in one folder what an attempt needs: executable, spec, plan, side files, and a reduce's map outputs.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::super::cluster::none;
use super::super::refused::Refused;
use super::Ended;
use super::child::{Child, Outcome};
use crate::frame::{Done, Run, Work};
use crate::launch::count;
use crate::model::{
    AttemptId, JobSpec, LocalPath, Location, SegmentRef, TEXT_CHARS_MAX, TaskKind, add_place,
    escape, with_hint,
};
use crate::record::value;
use crate::rpc::artifacts::{Artifacts, Digest};
use crate::rpc::client::{Master, Options, Peer};
use crate::rpc::recipe::Recipe;
use crate::storage::{SharedStaging, StagingOptions, make_private_folder};
use crate::task::PlanFile;
use crate::worker::{fetch_once, lend_file};

/// Maximum number of input ranges that are named.
const RANGES_MAX: usize = 5;

/// Everything that an attempt needs.
pub(super) struct Needs {
    recipe: Recipe,
    spec: JobSpec,
    pub(super) executable: PathBuf,
    plan: Option<LocalPath>,
    /// The segments that were fetched for a reduce; `None` if its maps run here.
    segments: Option<Vec<SegmentRef>>,
    pub(super) folder: PathBuf,
}

/// Refuses a folder that is not empty.
pub(super) fn check_empty(folder: &Path) -> Result<(), Refused> {
    match fs::read_dir(folder).map(|mut entries| entries.next().is_none()) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Refused::usage(format!(
            "the folder is not empty: {}\nhint: name another folder with --data DIR",
            Location::from(folder)
        ))),
        Err(error) => Err(failed(folder, &error)),
    }
}

fn failed(path: &Path, error: &dyn std::fmt::Display) -> Refused {
    let shown = Location::from(path);
    Refused::failed(format!(
        "cannot prepare the folder: {error}: {shown}\nhint: name another folder with --data DIR"
    ))
}

impl Needs {
    pub(super) async fn fetch(
        master: &Master,
        recipe: Recipe,
        folder: &Path,
        make_maps: bool,
    ) -> Result<Self, Refused> {
        let get = async |name: &str, digest: Digest| {
            let path = folder.join(name);
            master.get(digest, &path).await.map_err(Refused::from).map(|()| path)
        };
        let executable = get("executable", recipe.executable).await?;
        fs::set_permissions(&executable, Permissions::from_mode(0o700))
            .map_err(|error| failed(&executable, &error))?;
        let path = get("spec", recipe.spec).await?;
        let bytes = fs::read(&path).map_err(|error| failed(&path, &error))?;
        let mut spec: JobSpec = value::decode(&bytes).map_err(|error| {
            Refused::failed(format!(
                "this command cannot decode the job's spec: {error}: {}\nhint: use the \
                 cluster's version of gristmill",
                recipe.attempt.task.job
            ))
        })?;
        for (number, file) in spec.side_files.iter_mut().enumerate() {
            if let Some(digest) = file.digest {
                file.location = Location::from(&get(&format!("side-{number}"), digest).await?);
            }
        }
        let plan = match recipe.plan.filter(|_| recipe.attempt.task.kind != TaskKind::Plan) {
            Some(plan) => Some(get("plan", plan).await?),
            None => None,
        };
        // The attempt's output is private, and need not outlive the command.
        let out = folder.join("out");
        (spec.output, spec.overwrite, spec.sync) = (Some(Location::from(&out)), false, false);
        let options = StagingOptions { overwrite: false, sync: false };
        SharedStaging::create(&out, recipe.nonce, options)
            .map_err(|error| Refused::failed(error.to_string()))?;
        let needs_maps = recipe.attempt.task.kind == TaskKind::Reduce && !make_maps;
        let segments = match needs_maps {
            true => Some(segments(master, &recipe, folder).await?),
            false => None,
        };
        let folder = folder.to_path_buf();
        Ok(Self { recipe, spec, executable, plan: plan.map(Into::into), segments, folder })
    }

    /// Describes the attempt in one line, before it runs.
    pub(super) fn describe(&self) -> String {
        let attempt = self.recipe.attempt;
        let what = match attempt.task.kind {
            TaskKind::Map => match self.recipe.joined.len() {
                0 => input(self.plan.as_deref(), attempt.task.index),
                n => format!(
                    "{}, and the input of {} in the same attempt",
                    input(self.plan.as_deref(), attempt.task.index),
                    count(n as u64, "more map")
                ),
            },
            TaskKind::Reduce => match &self.segments {
                Some(segments) => {
                    let bytes: u64 =
                        segments.iter().map(|segment| segment.place.info.stored_bytes).sum();
                    format!(
                        "{} fetched ({bytes} bytes)",
                        count(segments.len() as u64, "map output")
                    )
                }
                None => format!("starting with {}", count(self.recipe.maps.into(), "map")),
            },
            TaskKind::Plan | TaskKind::Commit => {
                let inputs = self.spec.inputs.iter().take(RANGES_MAX);
                inputs.map(|input| input.location.to_string()).collect::<Vec<_>>().join(", ")
            }
        };
        format!("running {attempt} again in {}: {what}\n", Location::from(&self.folder))
    }

    /// Makes the executable run the attempt.
    pub(super) fn carry_out(self, mut child: Child) -> Result<Ended, Refused> {
        let attempt = self.recipe.attempt;
        let plan = self.plan.clone().unwrap_or_default();
        let work = match attempt.task.kind {
            TaskKind::Plan => Work::Plan,
            TaskKind::Map => Work::Map { plan, joined: self.recipe.joined.clone() },
            TaskKind::Reduce => {
                let maps = match self.segments.clone() {
                    Some(segments) => segments,
                    None => match self.make_maps(&mut child)? {
                        Ok(segments) => segments,
                        Err(ended) => return Ok(ended),
                    },
                };
                Work::Reduce { plan, maps }
            }
            TaskKind::Commit => return Err(publishes(attempt)),
        };
        let outcome = self.run(&mut child, attempt, work)?;
        Ok(self.ended(attempt, outcome))
    }

    fn run(&self, child: &mut Child, attempt: AttemptId, work: Work) -> Result<Outcome, Refused> {
        let scratch = self.folder.join(format!(
            "scratch-{}{}",
            attempt.task.kind.letter(),
            attempt.task.index
        ));
        make_private_folder(&scratch).map_err(|error| failed(&scratch, &error))?;
        let (nonce, spec) = (self.recipe.nonce, self.spec.clone());
        let scratch = scratch.into();
        Ok(child.run(Run { attempt, nonce, spec, scratch, compress: false, work }))
    }

    fn ended(&self, attempt: AttemptId, outcome: Outcome) -> Ended {
        match outcome {
            Outcome::Done(done) => Ended::Well(attempt, done),
            Outcome::Failed(failure) => {
                Ended::Failed(attempt, Box::new(failure), self.spec.max_bad_records)
            }
            Outcome::Died(ending) => Ended::Died(attempt, ending),
            Outcome::TimedOut(limit) => Ended::TimedOut(attempt, limit),
        }
    }

    /// Runs all maps, one after the other. Returns this reduce's partition of each output, or the outcome of the first
    /// map that did not succeed.
    fn make_maps(&self, child: &mut Child) -> Result<Result<Vec<SegmentRef>, Ended>, Refused> {
        let (task, plan) = (self.recipe.attempt.task, self.plan.clone().unwrap_or_default());
        let mut segments = Vec::new();
        for map in 0..self.recipe.maps {
            let attempt = task.job.task(TaskKind::Map, map).attempt(1);
            let work = Work::Map { plan: plan.clone(), joined: Vec::new() };
            match self.run(child, attempt, work)? {
                Outcome::Done(Done::Map { output: Some(output), .. }) => {
                    let of = (self.recipe.nonce, map, attempt.number);
                    let lent = lend_file(&output, of, task.index);
                    segments.push(lent.map_err(|error| failed(&output, &error))?);
                }
                other => return Ok(Err(self.ended(attempt, other))),
            }
        }
        Ok(Ok(segments))
    }
}

fn publishes(attempt: AttemptId) -> Refused {
    Refused::usage(format!(
        "a commit publishes the output, and cannot be replayed: {attempt}\nhint: name a map or \
         a reduce"
    ))
}

/// Describes the input of a map, or why it is unknown. In that case, the attempt itself will report more.
fn input(plan: Option<&Path>, map: u32) -> String {
    let Some(plan) = plan else { return "its split".into() };
    let split = match PlanFile::open(plan).and_then(|plan| plan.split(map)) {
        Ok(split) => split,
        Err(error) => {
            let why = escape(error.to_string().as_bytes(), 2 * TEXT_CHARS_MAX);
            return format!("an unknown split ({why})");
        }
    };
    let shown = split.ranges.iter().take(RANGES_MAX);
    let mut ranges: Vec<String> = shown
        .map(|range| format!("bytes {} to {} of {}", range.start, range.end, range.location))
        .collect();
    let more = split.ranges.len() - ranges.len();
    ranges.extend((more > 0).then(|| format!("{more} more")));
    ranges.join(", ")
}

/// Fetches a reduce's partition of all map outputs from the workers that hold them.
async fn segments(
    master: &Master,
    recipe: &Recipe,
    folder: &Path,
) -> Result<Vec<SegmentRef>, Refused> {
    let task = recipe.attempt.task;
    let way_out =
        "make the map outputs here with --make-maps, or run the job's executable without a cluster";
    if recipe.state.is_terminal() {
        return Err(none(&format!(
            "the map outputs are gone, since workers removed them when {} ended: {task}\nhint: {way_out}",
            task.job
        )));
    }
    let peer = |address: &str| Peer::connect(address, &Options::default());
    let of = (task.job, recipe.nonce);
    let file = folder.join("fetched");
    let fetched = fetch_once(master, peer, of, (task.index, recipe.maps), file).await;
    fetched.map_err(|error| {
        let said = add_place(&error.to_string(), task);
        none(&with_hint(said, Some(format!("try again later, {way_out}"))))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{FileIdentity, FileRange, JobId, Split};
    use crate::task::Plan;

    #[test]
    fn replay_refuses_a_commit() {
        let refused = publishes(JobId(7).task(TaskKind::Commit, 0).attempt(1));
        let said = "a commit publishes the output, and cannot be replayed: j7/c0#1\nhint: name a \
             map or a reduce";
        assert_eq!((refused.code, refused.message.line.as_str()), (2, said));
    }

    #[test]
    fn input_of_a_map_is_described_or_the_error() {
        let folder = tempfile::tempdir().unwrap();
        let plan = folder.path().join("plan");
        let range = |start| FileRange {
            location: Location::from("/in"),
            source: 0,
            start,
            end: start + 10,
            size: 100,
            modified_ns: 0,
            identity: FileIdentity::default(),
        };
        let split = Split { ranges: (0..7).map(|n| range(10 * n)).collect() };
        Plan { splits: vec![split], reducers: 1, cuts: Vec::new() }.write(&plan).unwrap();
        let told = input(Some(&plan), 0);
        assert!(told.starts_with("bytes 0 to 10 of /in, bytes 10 to 20 of /in, "), "{told}");
        assert!(told.ends_with(" of /in, 2 more"), "{told}");
        let told = input(Some(&plan), 3);
        assert!(
            told.contains("an unknown split (plan is damaged: it has no split for map"),
            "{told}"
        );
        fs::write(&plan, "no plan at all, but long enough to have a header").unwrap();
        let told = input(Some(&plan), 0);
        assert!(told.contains("it does not begin with the magic bytes of a plan: "), "{told}");
        let told = input(Some(&folder.path().join("none")), 0);
        assert!(told.contains("failed to read plan: No such file"), "{told}");
        assert_eq!(input(None, 0), "its split");
    }
}
