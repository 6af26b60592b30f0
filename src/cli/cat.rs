//! `gristmill cat DIR`: prints the parts of an output, in order.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::path::Path;

use super::verify::missing;
use crate::format::source::{Options, Source};
use crate::launch::{Foreign, Message, STDOUT_HINT, exit, stdout_failed};
use crate::model::{FileRange, Location, Manifest, Part};
use crate::storage::MANIFEST_NAME;

/// Prints the parts listed in `_MANIFEST.json`, decompressed.
pub(super) fn cat(dir: &Path) -> Result<u8, Message> {
    if !dir.exists() {
        return Err(missing(dir));
    }
    let manifest = read_manifest(dir)?;
    // Part contents pass through unchanged; on a terminal, control characters are escaped.
    let mut out = match Foreign::stdout() {
        Ok(out) => out,
        Err(error) => return Ok(stdout_failed(&error, STDOUT_HINT)),
    };
    // Skip names that contain a folder: they are not parts of a job and could lead anywhere.
    let is_part = |part: &&Part| part.name.starts_with("part-") && !part.name.contains('/');
    for part in manifest.parts.iter().filter(is_part) {
        let path = dir.join(&part.name);
        if let Some(what) = wrong(&path, part) {
            let (path, dir) = (Location::from(&path), Location::from(dir));
            Message::new(format!("{what}: {path}\nhint: run `gristmill verify {dir}`")).say();
            return Ok(exit::NOT_WHOLE);
        }
        let printed = if COMPRESSED.iter().any(|end| part.name.ends_with(end)) {
            uncompressed(&path, &mut out)?
        } else {
            plain(&path, &mut out)?
        };
        if let Err(error) = printed {
            return Ok(stdout_failed(&error, STDOUT_HINT));
        }
    }
    Ok(out.end().map_or_else(|error| stdout_failed(&error, STDOUT_HINT), |()| exit::OK))
}

/// File name endings of compressed parts. The contents do not decide: a record may look like a compressed file.
const COMPRESSED: [&str; 3] = [".gz", ".zst", ".bz2"];
/// Bytes per read.
const PIECE_BYTES: usize = 1 << 20;

/// Prints a part unchanged. The outer error is a failure to read, the inner one a failure to print.
fn plain(path: &Path, out: &mut impl Write) -> Result<std::io::Result<()>, Message> {
    let location = Location::from(path);
    let cannot = |error| {
        Message::new(format!(
            "cannot read the part: {error}: {location}\nhint: run `gristmill verify` on the output folder"
        ))
    };
    let mut file = File::open(path).map_err(cannot)?;
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let read = match file.read(&mut piece) {
            Ok(0) => return Ok(Ok(())),
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            read => read.map_err(cannot)?,
        };
        if let Err(error) = out.write_all(&piece[..read]) {
            return Ok(Err(error));
        }
    }
}

/// Prints the decompressed contents of a compressed part.
fn uncompressed(path: &Path, out: &mut impl Write) -> Result<std::io::Result<()>, Message> {
    let mut source = open(path)?;
    loop {
        if let Err(error) = out.write_all(source.window()) {
            return Ok(Err(error));
        }
        source.consume(source.window().len());
        let more = source.fill().map_err(|error| Message::new(error.to_string()))?;
        if !more && source.window().is_empty() {
            return Ok(Ok(()));
        }
    }
}

/// Describes how a part differs from the published one, as far as its metadata shows.
fn wrong(path: &Path, part: &Part) -> Option<String> {
    match std::fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Some("part is missing".into()),
        // Opening the part reports the error.
        Err(_) => None,
        Ok(facts) if !facts.is_file() => Some("part is not a regular file".into()),
        Ok(facts) if facts.len() != part.bytes => {
            Some(format!("part has {} bytes instead of {}", facts.len(), part.bytes))
        }
        Ok(_) => None,
    }
}

fn read_manifest(dir: &Path) -> Result<Manifest, Message> {
    let path = dir.join(MANIFEST_NAME);
    let shown = Location::from(&path);
    let refuse = |what: String| {
        Message::new(format!(
            "{what}: {shown}\nhint: name the output folder of a job that succeeded"
        ))
    };
    let json = std::fs::read(&path)
        .map_err(|error| refuse(format!("cannot read the manifest: {error}")))?;
    serde_json::from_slice(&json)
        .map_err(|error| refuse(format!("not a gristmill manifest: {error}")))
}

fn open(path: &Path) -> Result<Source, Message> {
    let location = Location::from(path);
    let listed = crate::storage::list(&[path.to_path_buf()])
        .map_err(|error| Message::new(error.to_string()))?;
    let Some(file) = listed.files.first() else { return Err(missing(path)) };
    let range = FileRange {
        location,
        source: 0,
        start: 0,
        end: file.bytes,
        size: file.bytes,
        modified_ns: file.modified_ns,
        identity: file.identity,
    };
    Source::open(&range, &Options::default()).map_err(|error| Message::new(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn part_that_looks_compressed_is_printed_unchanged() {
        let folder = tempfile::tempdir().unwrap();
        let part = folder.path().join("part-00000.tsv");
        for record in [&b"BZh91AY&SYabc\t1\n"[..], b"\x1f\x8b\x08\t1\n", b"\x28\xb5\x2f\xfd\t1\n"] {
            std::fs::write(&part, record).unwrap();
            let mut printed = Vec::new();
            plain(&part, &mut printed).unwrap().unwrap();
            assert_eq!(printed, record);
        }
    }
}
