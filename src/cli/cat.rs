//! `gristmill cat DIR`: prints the parts of an output, in order.

use std::io::{ErrorKind, Write};
use std::path::Path;

use super::verify::missing;
use crate::format::source::{Options, Source};
use crate::launch::{Foreign, Message, exit, stdout_failed};
use crate::spec::{FileRange, Location, Manifest, Part};
use crate::storage::MANIFEST_NAME;

/// Prints what `_MANIFEST.json` lists as parts, compressed ones uncompressed.
pub(super) fn cat(dir: &Path) -> Result<u8, Message> {
    if !dir.exists() {
        return Err(missing(dir));
    }
    let manifest = read_manifest(dir)?;
    // What is in a file goes on as it is; only a terminal might take it for orders.
    let mut out = Foreign::stdout();
    // A name with a folder in it, which may lead anywhere, is of no part of a job.
    let is_part = |part: &&Part| part.name.starts_with("part-") && !part.name.contains('/');
    for part in manifest.parts.iter().filter(is_part) {
        let path = dir.join(&part.name);
        if let Some(what) = wrong(&path, part) {
            let (path, dir) = (Location::from(&path), Location::from(dir));
            Message::new(format!("{what}; {path}; see `gristmill verify {dir}`")).say();
            return Ok(exit::NOT_WHOLE);
        }
        let mut source = open(&path)?;
        loop {
            if let Err(error) = out.write_all(source.window()) {
                return Ok(stdout_failed(&error, WAY_OUT));
            }
            source.consume(source.window().len());
            let more = source.fill().map_err(|error| Message::new(error.to_string()))?;
            if !more && source.window().is_empty() {
                break;
            }
        }
    }
    Ok(out.end().map_or_else(|error| stdout_failed(&error, WAY_OUT), |()| exit::OK))
}

/// What to do about standard output that cannot be written to.
const WAY_OUT: &str = "see where it goes";

/// What can be seen of a part without reading it that is not as it was published.
fn wrong(path: &Path, part: &Part) -> Option<String> {
    match std::fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Some("part is missing".into()),
        // To open it will say more.
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
        Message::new(format!("{what}; {shown}; name the output folder of a job that succeeded"))
    };
    let json = std::fs::read(&path)
        .map_err(|error| refuse(format!("cannot read the manifest: {error}")))?;
    serde_json::from_slice(&json)
        .map_err(|error| refuse(format!("not a manifest of ours: {error}")))
}

fn open(path: &Path) -> Result<Source, Message> {
    let location = Location::from(path);
    let listed = crate::storage::list(&[path.to_path_buf()])
        .map_err(|error| Message::new(error.to_string()))?;
    let (bytes, modified_ns) =
        listed.files.first().map_or((0, 0), |file| (file.bytes, file.modified_ns));
    let range = FileRange { location, source: 0, start: 0, end: bytes, size: bytes, modified_ns };
    Source::open(&range, &Options::default()).map_err(|error| Message::new(error.to_string()))
}
