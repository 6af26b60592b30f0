//! Checks an output folder against its manifest.

use std::collections::BTreeSet;
use std::fmt::{self, Display};
use std::fs;
use std::io::{self, ErrorKind, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::Error;
use super::entry::is_hidden;
use super::error::{display_path, shown_name};
use super::marks::{self, MANIFEST_NAME, SUCCESS_NAME, success_line};
use super::part::check_part_name;
use crate::model::{Manifest, Part};

/// Bytes per read: large enough that the checksum, not the system calls, takes most of the time.
const READ_BYTES: usize = 1 << 20;

/// Contents of an output folder, and all findings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// The job that wrote it, according to its manifest.
    pub job: String,
    /// Parts in the manifest, without those of bad records.
    pub parts: u64,
    /// Records, according to the manifest.
    pub records: u64,
    /// Bytes, according to the manifest.
    pub bytes: u64,
    /// Bad records that were set aside.
    pub bad_records: u64,
    /// Empty if the output is complete and unchanged.
    pub findings: Vec<Finding>,
}

/// One difference between an output and its manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the message and the field names of each variant document it")]
pub enum Finding {
    /// `_SUCCESS` or `_MANIFEST.json` is missing: the output was never completed, or gristmill did not write it.
    MarkMissing { name: &'static str },
    /// `_SUCCESS` does not hold the checksum of `_MANIFEST.json`: one of them was changed.
    MarkWrong { expected: String, found: String },
    /// The file is not a manifest.
    ManifestUnreadable { reason: String },
    /// A total in the manifest differs from the sum of its parts.
    TotalWrong { what: &'static str, listed: u64, sum: u64 },
    /// The manifest lists a name twice, or one that is not the name of a part.
    NameWrong { name: String },
    /// A listed part is missing.
    PartMissing { name: String },
    /// A file is not listed.
    PartExtra { path: PathBuf },
    /// A part's size differs from the manifest.
    SizeWrong { name: String, listed: u64, found: u64 },
    /// A part's checksum differs from the manifest.
    ChecksumWrong { name: String, listed: u32, found: u32 },
    /// A file cannot be read.
    Unreadable { path: PathBuf, reason: String },
}

impl Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Finding::MarkMissing { name } => write!(f, "{name} is missing"),
            Finding::MarkWrong { expected, found } => {
                let (expected, found) = (expected.trim_end(), shown_name(found.trim_end()));
                write!(f, "{SUCCESS_NAME} should contain `{expected}`, but contains `{found}`")
            }
            Finding::ManifestUnreadable { reason } => {
                write!(f, "{MANIFEST_NAME} cannot be parsed: {reason}")
            }
            Finding::TotalWrong { what, listed, sum } => {
                write!(
                    f,
                    "{MANIFEST_NAME} lists {listed} as the total number of {what}, but the sum over its parts is {sum}"
                )
            }
            Finding::NameWrong { name } => {
                write!(
                    f,
                    "{MANIFEST_NAME} lists a repeated or invalid part name: {}",
                    shown_name(name)
                )
            }
            Finding::PartMissing { name } => write!(f, "{} is missing", shown_name(name)),
            Finding::PartExtra { path } => {
                write!(f, "{} is not in {MANIFEST_NAME}", display_path(path))
            }
            Finding::SizeWrong { name, listed, found } => {
                write!(f, "{} has {found} bytes instead of {listed}", shown_name(name))
            }
            Finding::ChecksumWrong { name, listed, found } => {
                write!(f, "{} has crc32c {found:08x} instead of {listed:08x}", shown_name(name))
            }
            Finding::Unreadable { path, reason } => {
                write!(f, "{} cannot be read: {reason}", display_path(path))
            }
        }
    }
}

/// Reads every byte of the output in `folder` and compares it with its manifest.
/// Files that readers skip (names that begin with `.` or `_`) may exist without being listed.
///
/// # Errors
/// Only if `folder` itself cannot be read. Every other problem is a finding.
pub fn verify(folder: &Path) -> Result<Verified, Error> {
    fs::read_dir(folder).map_err(|e| Error::io("read output", folder, e))?;
    let mut verified = Verified::default();
    let manifest = check_marks(folder, &mut verified.findings);
    let Some(manifest) = manifest else { return Ok(verified) };
    check_totals(&manifest, &mut verified.findings);
    let mut listed = BTreeSet::new();
    for part in &manifest.parts {
        if check_part_name(&part.name).is_err() || !listed.insert(Path::new(&part.name)) {
            verified.findings.push(Finding::NameWrong { name: part.name.clone() });
        } else {
            verified.findings.extend(check_part(folder, part));
        }
    }
    find_extra(folder, Path::new(""), &listed, &mut verified.findings);
    verified.parts = manifest.total(|_| 1);
    verified.bad_records = manifest.bad_records();
    (verified.job, verified.records, verified.bytes) =
        (manifest.job, manifest.records, manifest.bytes);
    Ok(verified)
}

fn check_marks(folder: &Path, findings: &mut Vec<Finding>) -> Option<Manifest> {
    let mut read_mark = |name| match marks::read(folder, name) {
        Ok(Some(bytes)) => Some(bytes),
        Ok(None) => {
            findings.push(Finding::MarkMissing { name });
            None
        }
        Err(e) => {
            findings.push(Finding::Unreadable { path: name.into(), reason: e.to_string() });
            None
        }
    };
    let (success, bytes) = (read_mark(SUCCESS_NAME), read_mark(MANIFEST_NAME)?);
    if let Some(found) = success {
        let expected = success_line(&bytes);
        if found != expected.as_bytes() {
            findings.push(Finding::MarkWrong {
                expected,
                found: String::from_utf8_lossy(&found).into_owned(),
            });
        }
    }
    match marks::parse(&bytes) {
        Ok(manifest) => Some(manifest),
        Err(e) => {
            findings.push(Finding::ManifestUnreadable { reason: e.to_string() });
            None
        }
    }
}

fn check_totals(manifest: &Manifest, findings: &mut Vec<Finding>) {
    for (what, listed, sum) in [
        ("bytes", manifest.bytes, manifest.total(|part| part.bytes)),
        ("records", manifest.records, manifest.total(|part| part.records)),
    ] {
        if listed != sum {
            findings.push(Finding::TotalWrong { what, listed, sum });
        }
    }
}

fn check_part(folder: &Path, part: &Part) -> Option<Finding> {
    let name = part.name.clone();
    match checksum(&folder.join(&part.name)) {
        Err(e) if e.kind() == ErrorKind::NotFound => Some(Finding::PartMissing { name }),
        Err(e) => Some(Finding::Unreadable { path: name.into(), reason: e.to_string() }),
        Ok((found, _)) if found != part.bytes => {
            Some(Finding::SizeWrong { name, listed: part.bytes, found })
        }
        Ok((_, found)) if found != part.crc32c => {
            Some(Finding::ChecksumWrong { name, listed: part.crc32c, found })
        }
        Ok(_) => None,
    }
}

fn checksum(path: &Path) -> io::Result<(u64, u32)> {
    let mut file = marks::open_at_once(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(ErrorKind::InvalidData, "not a regular file"));
    }
    let mut buffer = vec![0; READ_BYTES];
    let (mut bytes, mut crc) = (0, 0);
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok((bytes, crc)),
            Ok(read) => {
                bytes += read as u64;
                crc = crc32c::crc32c_append(crc, &buffer[..read]);
            }
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

/// Finds files that a reader of the folder would take for parts.
fn find_extra(folder: &Path, below: &Path, listed: &BTreeSet<&Path>, findings: &mut Vec<Finding>) {
    let read = fs::read_dir(folder.join(below)).and_then(|entries| {
        entries.map(|entry| entry.map(|e| e.file_name())).collect::<io::Result<Vec<_>>>()
    });
    let mut names = match read {
        Ok(names) => names,
        Err(e) => {
            findings.push(Finding::Unreadable { path: below.to_path_buf(), reason: e.to_string() });
            return;
        }
    };
    names.sort();
    for name in names.iter().filter(|name| !is_hidden(name.as_bytes())) {
        let path = below.join(name);
        let is_folder = fs::symlink_metadata(folder.join(&path)).is_ok_and(|facts| facts.is_dir());
        if is_folder {
            find_extra(folder, &path, listed, findings);
        } else if !listed.contains(path.as_path()) {
            findings.push(Finding::PartExtra { path });
        }
    }
}
