//! The commit task: publishes the parts of the winning attempts, or writes them to standard output.

use std::io::{self, Read, Write};

use super::failure::AttemptError;
use super::run::PartDone;
use crate::model::{Cause, Counters, Failure, Manifest, Part, size};
use crate::storage::{MANIFEST_BYTES_MAX, Staging};

/// Bytes copied at a time.
const COPY_BYTES: usize = 256 << 10;

/// Publishes an output of these parts completely, or not at all.
///
/// # Errors
///
/// The error of [`Staging::publish`]. Then nothing is visible.
pub fn commit(
    staging: &Staging,
    job: &str,
    created: String,
    parts: &[PartDone],
    counters: Counters,
) -> Result<Manifest, Failure> {
    let manifest = manifest_of(job, created, parts, counters);
    staging.publish(&json(&manifest)?).map_err(|error| AttemptError::from(error).into_failure())?;
    Ok(manifest)
}

pub(super) fn manifest_of(
    job: &str,
    created: String,
    parts: &[PartDone],
    counters: Counters,
) -> Manifest {
    let listed = parts.iter().map(|part| Part {
        name: part.sealed.name.clone(),
        bytes: part.sealed.bytes,
        records: part.records,
        crc32c: part.sealed.crc32c,
    });
    Manifest::new(job.to_string(), created, listed.collect(), counters)
}

/// The manifest as it is serialized.
///
/// # Errors
///
/// It would be too large to be read back.
pub(super) fn json(manifest: &Manifest) -> Result<Vec<u8>, Failure> {
    json_within(manifest, MANIFEST_BYTES_MAX)
}

fn json_within(manifest: &Manifest, bytes_max: u64) -> Result<Vec<u8>, Failure> {
    let mut json = serde_json::to_vec_pretty(manifest).map_err(|error| {
        Failure::new(Cause::None, format!("cannot encode the manifest: {error}"))
    })?;
    json.push(b'\n');
    if json.len() as u64 > bytes_max {
        let message = format!(
            "the output has too many parts: {} parts and the counters make a manifest of {}, but \
             the limit is {}\nhint: use fewer reducers, larger splits or fewer side outputs",
            manifest.parts.len(),
            size::format_least(json.len() as u64),
            size::format(bytes_max)
        );
        return Err(Failure::new(Cause::UserError, message));
    }
    Ok(json)
}

/// The job's own parts in their order, then side outputs and bad records by name.
pub fn in_order(mut parts: Vec<PartDone>) -> Vec<PartDone> {
    parts.sort_by_cached_key(|part| {
        let name = part.sealed.name.clone();
        let is_beside = !name.starts_with("part-");
        // The names of parts from 100,000 on are longer, and would sort before shorter ones by their bytes alone.
        (is_beside, if is_beside { 0 } else { name.len() }, name)
    });
    parts
}

/// Writes the main parts, in order, to `out`. `staging` must have accepted them.
///
/// # Errors
///
/// A part cannot be read, or `out` cannot be written to.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::SealedPart;

    fn part(name: &str) -> PartDone {
        PartDone { sealed: SealedPart { name: name.into(), bytes: 0, crc32c: 0 }, records: 0 }
    }

    #[test]
    fn manifest_that_could_not_be_read_back_is_refused() {
        let parts = [part("part-00000.tsv"), part("part-00001.tsv")];
        let manifest = manifest_of("job", String::new(), &parts, Counters::default());
        let bytes = json(&manifest).unwrap().len() as u64;
        assert_eq!(json_within(&manifest, bytes).unwrap().len() as u64, bytes);
        let refused = json_within(&manifest, bytes - 1).unwrap_err();
        assert_eq!(refused.cause, Cause::UserError);
        assert!(refused.message.contains("too many parts: 2 parts"), "{}", refused.message);
        assert!(refused.message.contains("\nhint: use fewer reducers"), "{}", refused.message);
    }

    #[test]
    fn parts_are_listed_by_number_before_side_outputs() {
        let expected = [
            "part-00002.tsv",
            "part-99999.tsv",
            "part-100000.tsv",
            "_bad/part-m-00001.jsonl",
            "seen-m-00000.tsv",
        ];
        let found = in_order(expected.iter().rev().copied().map(part).collect());
        let found: Vec<&str> = found.iter().map(|part| part.sealed.name.as_str()).collect();
        assert_eq!(found, expected);
    }
}
