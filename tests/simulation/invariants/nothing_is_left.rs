//! Checks that, some time after the last job has ended, only the outputs are left: no staging, no scratch, no map
//! output.

use std::fs;
use std::path::Path;

/// Checks the folder `outputs` of the jobs' outputs, and the folders `data` of the workers that are up.
pub(crate) fn check(outputs: &Path, jobs: usize, data: &[&Path]) -> Result<(), String> {
    let found = names(outputs);
    if found.len() != jobs || found.iter().any(|name| name.starts_with('.')) {
        return Err(format!("nothing_is_left: beside the outputs of {jobs} jobs: {found:?}"));
    }
    for data in data {
        for folder in ["jobs", "artifacts"] {
            let left = names(&data.join(folder));
            if !left.is_empty() {
                return Err(format!(
                    "nothing_is_left: {left:?} in {}",
                    data.join(folder).display()
                ));
            }
        }
    }
    Ok(())
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<_> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
