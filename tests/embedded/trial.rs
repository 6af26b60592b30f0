//! Runs a job on files in a folder of its own, and reads the output.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use clap::Command;
use gristmill::clock::Manual;
use gristmill::embedded::{self, Options, Outcome, Progress};
use gristmill::job::Job;
use gristmill::model::{InputSpec, JobSpec, JobState, Location, Nonce};
use tempfile::TempDir;

/// Result of a test.
pub(crate) type Result<T = (), E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

/// An input file.
pub(crate) struct InputFile {
    /// Path of the file.
    pub(crate) path: PathBuf,
    /// Number of the job's named input that the file belongs to.
    pub(crate) source: u32,
    /// Contents of the file.
    pub(crate) bytes: Vec<u8>,
}

impl InputFile {
    /// Returns the path as records and failures show it.
    pub(crate) fn name(&self) -> &str {
        self.path.to_str().unwrap_or_default()
    }
}

/// The input of runs, in a folder that is removed with it.
pub(crate) struct Trial {
    folder: TempDir,
    /// The files, in order.
    pub(crate) files: Vec<InputFile>,
}

/// Settings that may differ from run to run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setting {
    /// Bytes per map task.
    pub(crate) split_bytes: Option<u64>,
    /// Number of parts.
    pub(crate) reducers: Option<u32>,
    /// Number of attempts at once.
    pub(crate) threads: usize,
    /// Bytes of all buffers together.
    pub(crate) memory_bytes: u64,
    /// Limit on the bad records that are set aside.
    pub(crate) max_bad_records: u64,
}

impl Setting {
    /// One thread, plenty of memory, and defaults for everything else.
    pub(crate) const PLAIN: Self = Setting {
        split_bytes: None,
        reducers: None,
        threads: 1,
        memory_bytes: 1 << 30,
        max_bad_records: 0,
    };
}

/// The result of a run.
pub(crate) struct Ran {
    /// The outcome that the run returned.
    pub(crate) outcome: Outcome,
    /// The bytes of every file of its output by name, except `_MANIFEST.json` and `_SUCCESS`.
    pub(crate) parts: BTreeMap<String, Vec<u8>>,
    /// All other files and folders that did not exist before.
    pub(crate) litter: Vec<PathBuf>,
}

impl Ran {
    /// Returns the concatenated parts whose names begin with this prefix.
    pub(crate) fn joined(&self, prefix: &str) -> Vec<u8> {
        self.parts
            .iter()
            .filter(|(name, _)| name.starts_with(prefix))
            .flat_map(|(_, bytes)| bytes.clone())
            .collect()
    }

    /// Returns the lines of the parts whose names begin with this prefix.
    pub(crate) fn lines(&self, prefix: &str) -> Vec<String> {
        String::from_utf8_lossy(&self.joined(prefix)).lines().map(str::to_string).collect()
    }
}

impl Trial {
    /// Writes these files. Each has the number of its named input, its name and its bytes.
    pub(crate) fn new(files: Vec<(u32, String, Vec<u8>)>) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        fs::create_dir(folder.path().join("in"))?;
        let mut written = Vec::new();
        for (source, name, bytes) in files {
            let path = folder.path().join("in").join(name);
            fs::write(&path, &bytes)?;
            written.push(InputFile { path, source, bytes });
        }
        Ok(Trial { folder, files: written })
    }

    /// Runs a job with its own flags on all files, in the order in which they are listed here.
    pub(crate) fn run<J: Job>(&self, flags: &[&str], setting: Setting) -> Result<Ran> {
        let named = self.files.iter();
        let inputs = named
            .map(|file| InputSpec { source: file.source, location: Location::from(&file.path) });
        self.run_on::<J>(flags, setting, inputs.collect(), &AtomicBool::new(false))
    }

    /// Runs a job like [`Trial::run`], but stops when `stop` is set.
    pub(crate) fn run_until<J: Job>(&self, setting: Setting, stop: &AtomicBool) -> Result<Ran> {
        let named = self.files.iter();
        let inputs = named
            .map(|file| InputSpec { source: file.source, location: Location::from(&file.path) });
        self.run_on::<J>(&[], setting, inputs.collect(), stop)
    }

    /// Runs a job on the folder of all files.
    pub(crate) fn run_on_folder<J: Job>(&self, flags: &[&str], setting: Setting) -> Result<Ran> {
        let location = Location::from(&self.folder.path().join("in"));
        self.run_on::<J>(
            flags,
            setting,
            vec![InputSpec { source: 0, location }],
            &AtomicBool::new(false),
        )
    }

    fn run_on<J: Job>(
        &self,
        flags: &[&str],
        setting: Setting,
        inputs: Vec<InputSpec>,
        stop: &AtomicBool,
    ) -> Result<Ran> {
        let flags = ["job"].iter().chain(flags);
        let matches = J::with_flags(Command::new("job")).try_get_matches_from(flags)?;
        let job = J::from_flags(&matches)?.to_bytes()?;
        let output = self.folder.path().join("out");
        let spec = JobSpec {
            name: "trial".into(),
            inputs,
            output: Some(Location::from(&output)),
            overwrite: false,
            reducers: setting.reducers,
            split_bytes: setting.split_bytes,
            memory_bytes: setting.memory_bytes,
            memory_is_given: false,
            max_bad_records: setting.max_bad_records,
            umask: 0o022,
            sync: false,
            side_files: Vec::new(),
            job,
            invocation: Default::default(),
        };
        let options = Options {
            threads: setting.threads,
            scratch: None,
            temporary: self.folder.path().to_path_buf(),
            nonce: Nonce(7),
        };
        let prepared = embedded::prepare::<J>(&spec, &options)?;
        let clock = Manual::at(0).clock();
        let progress = Progress::default();
        let outcome = embedded::run::<J>(&spec, &prepared, &options, &progress, &clock, stop)?;
        let (read, of) = progress.shuffled();
        assert!(
            read == of || read < of && outcome.state != JobState::Succeeded,
            "{read} of {of} bytes of map output were counted as read: {:?}",
            outcome.state
        );
        drop(prepared);
        let parts = read_output(&output)?;
        if output.exists() {
            fs::remove_dir_all(&output)?;
        }
        let mut litter = fs::read_dir(self.folder.path())?
            .map(|entry| Ok(entry?.path()))
            .collect::<Result<Vec<_>>>()?;
        litter.retain(|path| !path.ends_with("in"));
        Ok(Ran { outcome, parts, litter })
    }
}

/// Reads the files of an output, which must be complete. Returns none if there is no output.
fn read_output(folder: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut parts = BTreeMap::new();
    if !folder.exists() {
        return Ok(parts);
    }
    let verified = gristmill::storage::verify(folder)?;
    if !verified.findings.is_empty() {
        return Err(format!("{:?}", verified.findings).into());
    }
    for below in ["", "_bad/"] {
        let listed = match fs::read_dir(folder.join(below)) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            listed => listed?,
        };
        for entry in listed {
            let entry = entry?;
            let name = format!("{below}{}", entry.file_name().to_string_lossy());
            if entry.file_type()?.is_file() && name != "_MANIFEST.json" && name != "_SUCCESS" {
                parts.insert(name, fs::read(entry.path())?);
            }
        }
    }
    Ok(parts)
}
