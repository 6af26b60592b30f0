//! Configures a check: the job, its input, and how thoroughly it is checked.

use std::fmt;
use std::path::PathBuf;

use super::inputs::{self, Piece};
use super::settings::Settings;
use super::shrink::shrink;
use super::subject::Subject;
use super::workbench::Workbench;
use super::{Breach, Law, Violation, show};
use crate::format::Output;
use crate::job::{Counter, Job, Side};

/// Default number of cases for each law: enough to find almost certainly a breach that shows in a tenth of all cases.
const CASES: usize = 64;

/// Creates a check of a job against the [laws](Law). Pass a job value such as the command line would produce.
pub fn check<J: Job>(job: J) -> Check<J> {
    Check {
        job,
        inputs: Vec::new(),
        settings: Settings {
            seed: 0,
            cases: CASES,
            tolerance: None,
            ordered_values: false,
            varying_counters: Vec::new(),
            varying_sides: Vec::new(),
        },
        temporary: std::env::temp_dir(),
    }
}

/// A check that is being configured; nothing runs before [`run`](Self::run) or [`verdict`](Self::verdict).
#[derive(Debug)]
#[must_use = "a check does nothing until `run` or `verdict` is called"]
pub struct Check<J> {
    job: J,
    inputs: Vec<(Option<String>, Vec<u8>)>,
    settings: Settings,
    temporary: PathBuf,
}

/// Result of a check that found no breach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The number of records in the input.
    pub records: usize,
    /// The number of reduce calls with one reducer.
    pub groups: usize,
    /// The seed of all random choices.
    pub seed: u64,
    /// Laws that were not tested, each with the reason.
    pub unchecked: Vec<(Law, &'static str)>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the job obeys the laws (records: {}, groups: {}, seed: {})",
            self.records, self.groups, self.seed
        )?;
        self.unchecked
            .iter()
            .try_for_each(|(law, reason)| write!(f, "\nnot checked: {law}: {reason}"))
    }
}

impl<J: Job> Check<J> {
    /// Adds an input file with these bytes. Some kilobytes with repeated keys are enough.
    pub fn input(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.inputs.push((None, bytes.as_ref().to_vec()));
        self
    }

    /// Adds an input file for one of the job's named inputs, [`Job::INPUTS`].
    pub fn named_input(mut self, name: &str, bytes: impl AsRef<[u8]>) -> Self {
        self.inputs.push((Some(name.to_owned()), bytes.as_ref().to_vec()));
        self
    }

    /// Chooses cuts, groupings and orders with another random seed than 0. Equal seeds give equal choices on every
    /// machine.
    pub fn seed(mut self, seed: u64) -> Self {
        self.settings.seed = seed;
        self
    }

    /// Tries this number of cases for each law (and key) instead of 64; at least one.
    pub fn cases(mut self, cases: usize) -> Self {
        self.settings.cases = cases.max(1);
        self
    }

    /// Treats numbers in text as equal if they differ by at most this fraction of the larger one, as sums of floats
    /// do.
    ///
    /// Results that are not text are then compared by their lengths only. Without this call, the tolerance is 1e-9 for
    /// jobs whose combiner is not declared exact ([`crate::job::Combine::EXACT`]), and 0 for all others.
    pub fn tolerance(mut self, part: f64) -> Self {
        self.settings.tolerance = Some(part);
        self
    }

    /// Lets the reduce depend on the order in which equal keys were emitted, which is the order of the input.
    ///
    /// The framework keeps that order for jobs without a combiner, or with an inexact one.
    pub fn ordered_values(mut self) -> Self {
        self.settings.ordered_values = true;
        self
    }

    /// Lets this counter depend on how the work was done, as a counter of tasks or of a reduce's values does.
    pub fn varying_counter(mut self, counter: Counter) -> Self {
        self.settings.varying_counters.push(counter);
        self
    }

    /// Lets this side output depend on how the work was done, as one with a record for each task does.
    pub fn varying_side<O: Output>(mut self, side: Side<O>) -> Self {
        self.settings.varying_sides.push(side.name());
        self
    }

    /// Creates the check's temporary folder in this folder instead of the system's.
    pub fn temporary(mut self, folder: impl Into<PathBuf>) -> Self {
        self.temporary = folder.into();
        self
    }

    /// Checks all laws.
    ///
    /// # Panics
    ///
    /// If the job breaks a law, with a message that says how, or if the job's own code panics.
    #[track_caller]
    #[expect(clippy::panic, reason = "a test fails by panicking")]
    pub fn run(self) {
        if let Err(violation) = self.verdict() {
            panic!("{violation}");
        }
    }

    /// Checks all laws, and returns the first violation.
    ///
    /// # Errors
    ///
    /// The violation, with the smallest input on which it was found.
    ///
    /// # Panics
    ///
    /// If the job's own code panics.
    pub fn verdict(self) -> Result<Report, Violation> {
        let Check { mut job, inputs, settings, temporary } = self;
        let seed = settings.seed;
        let violation = |breach, pieces: &[Piece]| Violation { breach, seed, input: shown(pieces) };
        let pieces = pieces::<J>(inputs).map_err(|breach| violation(breach, &[]))?;
        let mut bench =
            Workbench::create(&job, &temporary).map_err(|breach| violation(breach, &pieces))?;
        examine(&mut bench, &pieces, &settings, Some(&mut job), None).map_err(|breach| {
            let again = |bench: &mut Workbench<J>, pieces: &[Piece], law| {
                examine(bench, pieces, &settings, None, Some(law)).err()
            };
            let (pieces, breach) = shrink(&mut bench, pieces, breach, again);
            violation(breach, &pieces)
        })
    }
}

fn pieces<J: Job>(inputs: Vec<(Option<String>, Vec<u8>)>) -> Result<Vec<Piece>, Breach> {
    let piece = |(number, (name, bytes)): (usize, (Option<String>, Vec<u8>))| {
        let source = inputs::source_of::<J>(name.as_deref())?;
        let name = format!("{}-{number}.txt", name.as_deref().unwrap_or("input"));
        Ok(Piece { source, name, bytes })
    };
    (1..).zip(inputs).map(piece).collect()
}

/// Checks all laws or only one, with this input.
fn examine<J: Job>(
    bench: &mut Workbench<J>,
    pieces: &[Piece],
    settings: &Settings,
    mut original: Option<&mut J>,
    only: Option<Law>,
) -> Result<Report, Breach> {
    let files = inputs::write(pieces, bench.folder())?;
    let mut subject = Subject::new(bench, &files, settings)?;
    let mut unchecked = Vec::new();
    for law in Law::ALL.into_iter().filter(|law| only.is_none_or(|only| only == *law)) {
        let reason = subject.check(law, original.as_deref_mut())?;
        unchecked.extend(reason.map(|reason| (law, reason)));
    }
    let records = subject.whole.iter().filter(|step| step.record.is_some()).count();
    Ok(Report { records, groups: subject.groups.len(), seed: settings.seed, unchecked })
}

fn shown(pieces: &[Piece]) -> String {
    match pieces {
        [] => "none".into(),
        [one] => show::input(&one.bytes),
        several => {
            let piece = |piece: &Piece| format!("{} {}", piece.name, show::input(&piece.bytes));
            several.iter().map(piece).collect::<Vec<_>>().join(", ")
        }
    }
}
