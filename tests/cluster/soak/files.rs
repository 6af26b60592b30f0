//! Faults of disks and of the files on them.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::faults::{Fault, Heal};
use crate::commands::Result;

/// Bytes per write when a disk is filled. The last write is shorter.
const PIECE_BYTES: usize = 1 << 16;

/// Fills the small disk that a folder is on.
pub(crate) fn fill(folder: &Path) -> Result<Heal> {
    let path = folder.join("filler");
    let mut file = File::create(&path)?;
    let piece = vec![0; PIECE_BYTES];
    while file.write_all(&piece).is_ok() {}
    Ok(Heal::Remove(path))
}

/// Returns the folders of a worker's jobs.
fn jobs(data: &Path) -> Vec<PathBuf> {
    let jobs = fs::read_dir(data.join("jobs")).into_iter().flatten().flatten();
    let mut jobs: Vec<PathBuf> = jobs.map(|job| job.path()).collect();
    jobs.sort_unstable();
    jobs
}

/// Returns the map outputs of a worker.
pub(crate) fn outputs(data: &Path) -> Vec<PathBuf> {
    let files = |job: PathBuf| fs::read_dir(job.join("outputs")).into_iter().flatten().flatten();
    let mut outputs: Vec<PathBuf> =
        jobs(data).into_iter().flat_map(files).map(|file| file.path()).collect();
    outputs.sort_unstable();
    outputs
}

/// Removes the folders of map outputs of all jobs.
pub(crate) fn remove_outputs(data: &Path) {
    for job in jobs(data) {
        let _removed_or_gone = fs::remove_dir_all(job.join("outputs"));
    }
}

/// Removes, damages, cuts or replaces a map output.
pub(crate) fn harm(output: &Path, fault: Fault) -> Result {
    match fault {
        Fault::RemoveOutput => fs::remove_file(output)?,
        Fault::PutFifoForOutput => {
            fs::remove_file(output)?;
            Command::new("mkfifo").arg(output).status()?;
        }
        _ => {
            let file = File::options().read(true).write(true).open(output)?;
            let bytes = file.metadata()?.len();
            if fault == Fault::CutOutput {
                return Ok(file.set_len(bytes / 2)?);
            }
            let mut byte = [0];
            file.read_exact_at(&mut byte, bytes / 2)?;
            file.write_all_at(&[byte[0] ^ 0x10], bytes / 2)?;
        }
    }
    Ok(())
}
