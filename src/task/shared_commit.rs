//! Publishes parts that other processes have sealed: each attempt lists its own parts, and one
//! commit publishes all of them.

use std::path::Path;

use super::commit::{in_order, manifest_of};
use super::failure::AttemptError;
use super::run::{BAD_RECORDS, GROUP, PartDone, folder_name};
use crate::model::{
    About, AttemptId, Cause, Counters, Failure, JobId, JobSpec, Manifest, Nonce, TaskKind,
};
use crate::record::value;
use crate::storage::{self, SealedPart, SharedStaging, StagingOptions};

/// Lists the attempt's sealed parts in its folder. After this the attempt may win.
///
/// # Errors
///
/// The staging folder does not exist, or the system's error.
pub fn seal(
    staging: &SharedStaging,
    attempt: AttemptId,
    parts: &[PartDone],
) -> Result<(), Failure> {
    let mut bytes = Vec::new();
    value::encode_into(parts, &mut bytes).map_err(|error| {
        Failure::new(Cause::None, format!("cannot encode the list of an attempt's parts: {error}"))
    })?;
    staging
        .seal(&folder_name(attempt), &bytes)
        .map_err(|error| AttemptError::from(error).into_failure())
}

/// The attempts whose parts are the output.
#[derive(Debug, Clone, Copy)]
pub struct Winners<'w> {
    /// The job.
    pub job: JobId,
    /// The number of the winning attempt of each map; 0 if it left nothing in staging.
    pub maps: &'w [u32],
    /// The number of the winning attempt of each reduce.
    pub reduces: &'w [u32],
}

impl Winners<'_> {
    fn attempts(&self) -> impl Iterator<Item = AttemptId> {
        let of = |kind, numbers: &[u32]| {
            let numbered = (0..).zip(numbers.to_vec());
            let job = self.job;
            let staged = numbered.filter(|&(_, number)| number > 0);
            staged.map(move |(index, number)| job.task(kind, index).attempt(number))
        };
        of(TaskKind::Map, self.maps).chain(of(TaskKind::Reduce, self.reduces))
    }
}

/// Publishes the winners' parts completely, or not at all. Succeeds if another attempt has already published them.
///
/// # Errors
///
/// There are more bad records than allowed, or the error of [`SharedStaging::publish`]. The kind of failure decides
/// whether the commit is retried:
///
/// | about | examples | consequence |
/// |---|---|---|
/// | `BadInput`, `OutputTaken`, `StagedDamaged` | too many bad records; a file at the output's path; a list that cannot be decoded, a part of another size or name, more parts than a manifest can list | the job fails |
/// | `StagedMissing` | the staging folder, a list or a part is gone | retried a limited number of times, since a file system may be mounted again |
/// | anything else | a full disk, a quota, permissions, a folder that is mounted read-only | retried until it works, or a user kills the job: the output is complete and waits |
pub fn commit_shared(
    spec: &JobSpec,
    out: &Path,
    nonce: Nonce,
    winners: Winners<'_>,
    counters: Counters,
    created: String,
) -> Result<Manifest, Failure> {
    // Each attempt alone was allowed as many as the whole job.
    let bad_records = counters.get(GROUP, BAD_RECORDS);
    if bad_records > spec.max_bad_records {
        let message = format!(
            "bad records were set aside: {bad_records}, but the limit is {}\nhint: fix them, or \
             raise --max-bad-records",
            spec.max_bad_records
        );
        // A retry would count the same number.
        return Err(Failure::new(Cause::UserError, message).about(About::BadInput));
    }
    let done = publish(spec, out, nonce, winners, counters, created);
    // Even if this attempt failed: another one may have published before it.
    done.or_else(|failure| {
        let manifest = SharedStaging::published(out, nonce).ok_or(failure)?;
        // The other attempt may have died while it removed the staging folder.
        let _removed_or_left = SharedStaging::sweep(out, nonce);
        Ok(manifest)
    })
}

fn publish(
    spec: &JobSpec,
    out: &Path,
    nonce: Nonce,
    winners: Winners<'_>,
    counters: Counters,
    created: String,
) -> Result<Manifest, Failure> {
    let options = StagingOptions { overwrite: spec.overwrite, sync: spec.sync };
    let staging = SharedStaging::open(out, nonce, options).map_err(failed)?;
    let (mut all, mut sealed) = (Vec::new(), Vec::new());
    for attempt in winners.attempts() {
        let name = folder_name(attempt);
        let bytes = staging.sealed(&name).map_err(failed)?;
        let parts: Vec<PartDone> = value::decode(&bytes).map_err(|error| {
            let path = staging.list_path(&name).unwrap_or_default();
            let what = format!("the list of an attempt's parts cannot be decoded: {error}");
            failed(storage::Error::StagedDamaged { path, what })
        })?;
        let of_it: Vec<SealedPart> = parts.iter().map(|part| part.sealed.clone()).collect();
        sealed.push((name, of_it));
        all.extend(parts);
    }
    let mut manifest = manifest_of(&spec.name, created, &in_order(all), counters);
    manifest.nonce = Some(nonce);
    let json = super::commit::json(&manifest);
    let json = json.map_err(|failure| failure.about(About::StagedDamaged))?;
    staging.publish(&sealed, &json).map_err(failed)?;
    Ok(manifest)
}

/// The failure of a commit that met this error.
fn failed(error: storage::Error) -> Failure {
    let about = error.about_commit();
    let is_damage = matches!(error, storage::Error::StagedDamaged { .. });
    let mut failure = AttemptError::from(error).into_failure().about(about);
    if is_damage {
        failure.cause = Cause::Disk;
    }
    failure
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;
    use std::path::PathBuf;

    use super::*;
    use crate::model::Location;

    const NONCE: Nonce = Nonce(7);
    const WINNERS: Winners<'static> = Winners { job: JobId(1), maps: &[], reduces: &[1, 1] };

    /// A job whose two reduces have sealed a part each.
    struct Staged {
        root: tempfile::TempDir,
        spec: JobSpec,
    }

    impl Staged {
        fn new() -> Self {
            let root = tempfile::tempdir().unwrap();
            let out = root.path().join("out");
            let spec = JobSpec { output: Some(Location::from(&out)), ..JobSpec::example() };
            let staged = Self { root, spec };
            SharedStaging::create(&out, NONCE, StagingOptions::default()).unwrap();
            staged.seal(0, "part-00000.tsv");
            staged.seal(1, "part-00001.tsv");
            staged
        }

        fn out(&self) -> PathBuf {
            self.root.path().join("out")
        }

        /// Has a reduce seal one part of this name.
        fn seal(&self, reduce: u32, name: &str) {
            let staging =
                SharedStaging::open(&self.out(), NONCE, StagingOptions::default()).unwrap();
            let attempt = JobId(1).task(TaskKind::Reduce, reduce).attempt(1);
            let _none_before = staging.attempts().discard(&folder_name(attempt));
            let folder = staging.attempts().create(&folder_name(attempt)).unwrap();
            let mut part = folder.create_part(name).unwrap();
            part.write_all(b"a\t1\n").unwrap();
            let parts = [PartDone { sealed: part.seal().unwrap(), records: 1 }];
            seal(&staging, attempt, &parts).unwrap();
        }

        /// A file of the second reduce.
        fn file(&self, name: &str) -> PathBuf {
            let attempts = format!(".out.gristmill-{NONCE}.job/attempts");
            let attempt = JobId(1).task(TaskKind::Reduce, 1).attempt(1);
            self.root.path().join(attempts).join(folder_name(attempt)).join(name)
        }

        fn commit(&self) -> Result<Manifest, Failure> {
            let counters = Counters::new();
            commit_shared(&self.spec, &self.out(), NONCE, WINNERS, counters, "now".into())
        }
    }

    #[test]
    fn damaged_staged_output_is_a_permanent_failure() {
        type Damage = fn(&Staged);
        let damages: [(Damage, Cause, &str); 7] = [
            (
                |staged| fs::write(staged.file("_parts"), "damaged").unwrap(),
                Cause::Disk,
                "does not match its checksum",
            ),
            (|staged| fs::write(staged.file("_parts"), "").unwrap(), Cause::Disk, "its checksum"),
            (
                // The list is whole, but is of another version.
                |staged| {
                    let options = StagingOptions::default();
                    let staging = SharedStaging::open(&staged.out(), NONCE, options).unwrap();
                    let attempt = JobId(1).task(TaskKind::Reduce, 1).attempt(1);
                    staging.seal(&folder_name(attempt), &[0xff; 9]).unwrap();
                },
                Cause::Disk,
                "the list of an attempt's parts cannot be decoded",
            ),
            (
                |staged| fs::write(staged.file("part-00001.tsv"), "a\t").unwrap(),
                Cause::Disk,
                "part has 2 bytes instead of 4",
            ),
            (
                |staged| staged.seal(1, "part-00000.tsv"),
                Cause::UserError,
                "part already exists: part-00000.tsv",
            ),
            (
                |staged| staged.seal(1, "part-00000.tsv/b"),
                Cause::UserError,
                "part already exists: part-00000.tsv/b",
            ),
            (
                |staged| {
                    let attempt = JobId(1).task(TaskKind::Reduce, 1).attempt(1);
                    let options = StagingOptions::default();
                    let staging = SharedStaging::open(&staged.out(), NONCE, options).unwrap();
                    let sealed = SealedPart { name: "../x".into(), bytes: 4, crc32c: 0 };
                    seal(&staging, attempt, &[PartDone { sealed, records: 1 }]).unwrap();
                },
                Cause::UserError,
                "name cannot be used for a file: ../x",
            ),
        ];
        for (damage, cause, said) in damages {
            let staged = Staged::new();
            damage(&staged);
            for _ in 0..2 {
                let failure = staged.commit().unwrap_err();
                assert_eq!((failure.about, failure.cause), (About::StagedDamaged, cause), "{said}");
                assert!(failure.about.is_permanent());
                assert!(failure.message.contains(said), "{}", failure.message);
                assert!(failure.message.contains("\nhint: "), "{}", failure.message);
            }
            assert!(!staged.out().exists(), "{said}");
        }
    }

    #[test]
    fn missing_staged_output_is_found_when_it_returns() {
        for name in ["_parts", "part-00001.tsv", ""] {
            let staged = Staged::new();
            let (file, away) = (staged.file(name), staged.root.path().join("away"));
            fs::rename(&file, &away).unwrap();
            for _ in 0..2 {
                let failure = staged.commit().unwrap_err();
                assert_eq!(failure.about, About::StagedMissing, "{name}: {}", failure.message);
                assert!(!failure.about.is_permanent());
                assert!(failure.message.contains("\nhint: "), "{}", failure.message);
            }
            fs::rename(&away, &file).unwrap();
            assert_eq!(staged.commit().unwrap().records, 2, "{name}");
        }
        let staged = Staged::new();
        let folder = staged.root.path().join(format!(".out.gristmill-{NONCE}.job"));
        fs::remove_dir_all(folder).unwrap();
        assert_eq!(staged.commit().unwrap_err().about, About::StagedMissing);
    }

    #[test]
    fn place_that_cannot_be_written_to_is_not_a_permanent_failure() {
        let staged = Staged::new();
        // A folder takes the place of a file that the commit writes; a user can remove it again.
        let mark = staged.root.path().join(format!(".out.gristmill-{NONCE}.job/output/_SUCCESS"));
        fs::create_dir(&mark).unwrap();
        let failure = staged.commit().unwrap_err();
        assert!(!failure.about.is_permanent(), "{failure:?}");
        assert_ne!(failure.about, About::StagedMissing);
        fs::remove_dir(&mark).unwrap();
        assert_eq!(staged.commit().unwrap().parts.len(), 2);
    }
}
