//! The commit task: publishes the winners' parts, or writes them to standard output.

use std::io::{self, Read, Write};

use super::failure::Trouble;
use super::run::PartDone;
use crate::spec::{Cause, Counters, Failure, Manifest, Part};
use crate::storage::Staging;

/// Bytes copied at a time.
const COPY_BYTES: usize = 256 << 10;

/// Publishes an output of these parts: all of it, or nothing.
///
/// # Errors
///
/// What [`Staging::publish`] says; nothing is visible then.
pub fn commit(
    staging: &Staging,
    job: &str,
    created: String,
    parts: &[PartDone],
    counters: Counters,
) -> Result<Manifest, Failure> {
    let listed = parts.iter().map(|part| Part {
        name: part.sealed.name.clone(),
        bytes: part.sealed.bytes,
        records: part.records,
        crc32c: part.sealed.crc32c,
    });
    let manifest = Manifest::new(job.to_string(), created, listed.collect(), counters);
    let mut json = serde_json::to_vec_pretty(&manifest).map_err(|error| {
        Failure::new(Cause::None, format!("cannot write the manifest: {error}"))
    })?;
    json.push(b'\n');
    staging.publish(&json).map_err(|error| Trouble::from(error).into_failure())?;
    Ok(manifest)
}

/// Writes the main parts, in order, to `out`. They were accepted into `staging`.
///
/// # Errors
///
/// When a part cannot be read or `out` not written to.
pub fn write_to_stdout(
    staging: &Staging,
    parts: &[PartDone],
    out: &mut impl Write,
) -> io::Result<()> {
    let mut buffer = vec![0; COPY_BYTES];
    for part in parts.iter().filter(|part| part.sealed.name.starts_with("part-")) {
        let mut file = staging.open_accepted(&part.sealed.name)?;
        loop {
            match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => out.write_all(&buffer[..n])?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
    out.flush()
}
