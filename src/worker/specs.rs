//! Keeps the specs of the jobs that run here, so that each is read only once.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::error::disk_failure;
use crate::model::{About, Cause, Failure, JobSpec, Nonce};
use crate::rpc::artifacts::Digest;

/// Longest job spec, in bytes. Most of it is the list of inputs.
const SPEC_BYTES_MAX: u64 = 512 << 20;

/// A job's nonce, and the artifact that holds its spec.
type Key = (Nonce, Digest);

/// The specs of jobs that have attempts here.
#[derive(Default)]
pub(super) struct Specs {
    known: Mutex<BTreeMap<Key, Arc<JobSpec>>>,
}

impl Specs {
    fn known(&self) -> MutexGuard<'_, BTreeMap<Key, Arc<JobSpec>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a job's spec, read from this file unless it is known.
    pub(super) fn get(&self, key: Key, path: &Path) -> Result<Arc<JobSpec>, Failure> {
        if let Some(spec) = self.known().get(&key) {
            return Ok(Arc::clone(spec));
        }
        let spec = Arc::new(read(path)?);
        self.known().insert(key, Arc::clone(&spec));
        Ok(spec)
    }

    /// Forgets a job's spec.
    pub(super) fn release(&self, nonce: Nonce) {
        self.known().retain(|&(job, _), _| job != nonce);
    }
}

fn read(path: &Path) -> Result<JobSpec, Failure> {
    let bytes = fs::metadata(path).and_then(|facts| {
        if facts.len() > SPEC_BYTES_MAX {
            let bytes = facts.len();
            return Err(io::Error::other(format!(
                "it has {bytes} bytes; at most {SPEC_BYTES_MAX} are accepted"
            )));
        }
        fs::read(path)
    });
    let bytes = bytes.map_err(|error| disk_failure("read the job's spec", path, &error))?;
    bincode::deserialize(&bytes).map_err(|error| {
        let message = format!(
            "this worker cannot decode the job's spec: {error}\nhint: submit the job with the \
             version of gristmill that the cluster runs"
        );
        Failure::new(Cause::UserError, message).about(About::Version)
    })
}
