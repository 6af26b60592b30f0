//! Identifies the master that a folder belongs to, by a small text file beside the log and a copy of it inside the log.
//!
//! ```text
//!   gristmill master        magic
//!   format 10               of the whole folder: identity, tables, snapshots
//!   cluster 00112233…       128 random bits, drawn when the cluster began
//!   node 1
//!   guest                   only if it did not start its cluster, but was admitted to it
//! ```
//!
//! A master that has forgotten which votes it gave could help to elect a second leader. Therefore a folder without its
//! log, or with another master's log, is refused. The identity file is written last, so a folder that has one was once
//! complete.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use super::Error;
use crate::crash::crash_point;

/// The file in a master's folder that names the master.
pub const IDENTITY_FILE: &str = "identity";
/// The format of all files of a folder.
pub(super) const FORMAT: u32 = 10;
/// Prefix of the names of incomplete files.
pub(super) const INCOMING: &str = ".incoming-";
/// First line of the file.
const MAGIC: &str = "gristmill master";

/// The master that a folder belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// Random, drawn when the cluster began.
    pub cluster: u128,
    /// The master's number.
    pub node: u64,
    /// Whether it was not the first master of its cluster, and so had to be admitted.
    pub is_guest: bool,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "master {} of cluster {:032x}", self.node, self.cluster)
    }
}

impl Identity {
    /// Reads the file of a folder, if it exists.
    pub(super) fn read(folder: &Path) -> Result<Option<Self>, Error> {
        let path = folder.join(IDENTITY_FILE);
        match fs::read_to_string(&path) {
            Ok(text) => Self::parse(&text).map(Some).map_err(|what| Error::Format { path, what }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(Error::Disk { what: "read", path, source }),
        }
    }

    /// Writes the file of a folder completely, or not at all.
    pub(super) fn write(self, folder: &Path) -> Result<(), Error> {
        let path = folder.join(IDENTITY_FILE);
        place(folder, IDENTITY_FILE, self.text().as_bytes()).map_err(|source| Error::Disk {
            what: "write",
            path,
            source,
        })
    }

    pub(super) fn text(self) -> String {
        let guest = if self.is_guest { "guest\n" } else { "" };
        let Self { cluster, node, .. } = self;
        format!("{MAGIC}\nformat {FORMAT}\ncluster {cluster:032x}\nnode {node}\n{guest}")
    }

    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut lines = text.lines();
        if lines.next() != Some(MAGIC) {
            return Err(format!("the identity does not begin with `{MAGIC}`"));
        }
        let mut field = |name: &str| {
            let line = lines.next().and_then(|line| line.strip_prefix(name));
            line.map(str::trim).ok_or_else(|| format!("the identity has no {name}"))
        };
        let format = field("format")?;
        if format != FORMAT.to_string() {
            return Err(format!(
                "the folder has format {format}, but this version of gristmill writes format {FORMAT}"
            ));
        }
        let cluster = u128::from_str_radix(field("cluster")?, 16);
        let node = field("node")?.parse();
        let is_guest = lines.next() == Some("guest");
        match (cluster, node) {
            (Ok(cluster), Ok(node)) => Ok(Self { cluster, node, is_guest }),
            _ => Err("the cluster or node number of the identity is invalid".into()),
        }
    }
}

/// Writes a file atomically and durably.
pub(super) fn place(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let incoming = folder.join(format!("{INCOMING}{name}"));
    let mut file = File::create(&incoming)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    crash_point!("s03");
    fs::rename(&incoming, folder.join(name))?;
    crash_point!("s04");
    File::open(folder)?.sync_all()
}
