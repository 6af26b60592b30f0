//! The map outputs of a run: kept in memory while they fit, in spill files when they do not.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use crate::job::{Combine, Job};
use crate::shuffle::{
    CollectStats, Counter, Error, MergeLimits, Merger, ReadProgress, Source, SpillFile,
    SpillHeader, Spilled,
};
use crate::storage::Scratch;
use crate::task::{JobFold, MapOutput};

/// All map outputs of a run.
pub(super) struct Outputs<A> {
    kept: Mutex<Kept<A>>,
    sealed: OnceLock<Vec<Sealed<A>>>,
    /// Memory for outputs until the reduces read them.
    memory_bytes: usize,
}

struct Kept<A> {
    outputs: BTreeMap<u32, MapOutput<A>>,
    bytes: usize,
}

struct Sealed<A> {
    files: Vec<SpillFile>,
    output: MapOutput<A>,
}

/// The work of preparing all outputs for the reduces.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Readied {
    pub(super) stats: CollectStats,
    pub(super) merges: u64,
}

impl<A: Send + Sync + 'static> Outputs<A> {
    pub(super) fn new(memory_bytes: usize) -> Self {
        let kept = Mutex::new(Kept { outputs: BTreeMap::new(), bytes: 0 });
        Outputs { kept, sealed: OnceLock::new(), memory_bytes }
    }

    fn kept(&self) -> MutexGuard<'_, Kept<A>> {
        // If a thread has panicked, the run has failed and its output is never read.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reserves memory for an output, if enough is left.
    pub(super) fn reserve(&self, bytes: usize) -> bool {
        let mut kept = self.kept();
        let fits = kept.bytes + bytes <= self.memory_bytes;
        kept.bytes += if fits { bytes } else { 0 };
        fits
    }

    /// Keeps the output of one map task, or of all map tasks of a thread.
    pub(super) fn keep(&self, index: u32, output: MapOutput<A>) {
        self.kept().outputs.insert(index, output);
    }

    /// Merges spill files until a reduce can read them all at once, and opens them. From here on `progress` knows how
    /// much the merges and the reduces have to read.
    pub(super) fn ready<J: Job, C: Combine<J, Acc = A>>(
        &self,
        fold: &JobFold<'_, J, C>,
        header: SpillHeader,
        limits: MergeLimits,
        scratch: &Scratch,
        stop: &AtomicBool,
        progress: &ReadProgress,
    ) -> Result<Readied, Error> {
        let mut outputs: Vec<MapOutput<A>> =
            std::mem::take(&mut self.kept().outputs).into_values().collect();
        let mut readied = Readied::default();
        let files: usize = outputs.iter().map(|output| output.files().len()).sum();
        // Only adjacent outputs may be merged if the order of equal keys counts.
        if files > limits.fan_in && !(C::COMBINES && C::EXACT) {
            outputs.iter_mut().try_for_each(|output| output.spill(fold))?;
        }
        progress.expect(outputs.iter().map(MapOutput::bytes_in_memory).sum());
        if files > limits.fan_in {
            let all: Vec<Spilled> =
                outputs.iter().flat_map(|output| output.files().to_vec()).collect();
            let mut number = 0;
            let merged =
                Merger { header, limits, fold, stop, progress }.merge_to_fan_in(all, || {
                    number += 1;
                    scratch.join(&format!("merged.{number}.spill"))
                })?;
            readied.merges = merged.merges;
            let mut files = Some(merged.files);
            for output in &mut outputs {
                output.set_files(files.take().unwrap_or_default());
            }
        } else {
            let files = outputs.iter().flat_map(MapOutput::files);
            progress.expect(files.map(|file| file.raw_bytes).sum());
        }
        let mut sealed = Vec::with_capacity(outputs.len());
        for output in outputs {
            readied.stats.add(output.stats());
            let files = output.files().iter().map(|file| SpillFile::open(&file.path));
            sealed.push(Sealed { files: files.collect::<Result<_, _>>()?, output });
        }
        self.sealed.get_or_init(|| sealed);
        Ok(readied)
    }

    /// Returns everything that a reduce of this partition reads, in the order of the map tasks. Memory is freed as it
    /// is read, so this can be called only once per partition: a failed reduce is not retried here.
    pub(super) fn sources<'r, J: Job, C: Combine<J, Acc = A>>(
        &'r self,
        partition: u32,
        fold: &'r JobFold<'r, J, C>,
        limits: MergeLimits,
        counter: &Counter,
    ) -> Result<Vec<Source<'r, JobFold<'r, J, C>>>, Error> {
        let mut sources = Vec::new();
        for Sealed { files, output } in self.sealed.get().into_iter().flatten() {
            let segments = files
                .iter()
                .map(|file| file.segment(partition, limits.buffer_bytes, counter.clone()));
            sources.extend(segments.map(|segment| Source::Segment(Box::new(segment))));
            sources.extend(output.in_memory(partition, fold, counter.clone())?);
        }
        Ok(sources)
    }
}
