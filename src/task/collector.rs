//! What collects a map's pairs, and what it leaves for the reduces.

use super::fold::{JobFold, JobPartitioner};
use crate::job::{Combine, Job, Partition};
use crate::shuffle::{
    Batch, Buffer, Collect, CollectStats, Error, Run, SortCollector, Source, SpillPlace, Spilled,
    Table, TableCollector,
};

/// Collects for a job of any kind: in a table if it has a combiner, else in a sort buffer.
#[expect(clippy::large_enum_variant, reason = "there is one per thread")]
pub enum JobCollector<'j, J: Job, C: Combine<J>, P: Partition<J>> {
    /// With a combiner.
    Table(TableCollector<'j, JobFold<'j, J, C>, JobPartitioner<'j, J, P>>),
    /// Without.
    Sort(SortCollector<JobPartitioner<'j, J, P>>),
}

impl<'j, J: Job, C: Combine<J>, P: Partition<J>> JobCollector<'j, J, C, P> {
    /// A collector that holds at most `memory_bytes` and spills to `place`.
    pub fn new(
        fold: &'j JobFold<'j, J, C>,
        partitioner: JobPartitioner<'j, J, P>,
        place: SpillPlace,
        memory_bytes: usize,
    ) -> Self {
        if C::COMBINES {
            JobCollector::Table(TableCollector::new(fold, partitioner, place, memory_bytes))
        } else {
            JobCollector::Sort(SortCollector::new(partitioner, place, memory_bytes))
        }
    }

    /// Sorts what is in memory.
    ///
    /// # Errors
    ///
    /// When the author's partitioner fails.
    pub fn finish(self) -> Result<MapOutput<C::Acc>, Error> {
        Ok(match self {
            JobCollector::Table(table) => {
                let done = table.finish()?;
                MapOutput {
                    files: done.files,
                    run: InMemory::Table(done.run),
                    stats: done.stats,
                    place: done.place,
                }
            }
            JobCollector::Sort(sort) => {
                let done = sort.finish();
                MapOutput {
                    files: done.files,
                    run: InMemory::Buffer(done.run),
                    stats: done.stats,
                    place: done.place,
                }
            }
        })
    }
}

impl<J: Job, C: Combine<J>, P: Partition<J>> Collect for JobCollector<'_, J, C, P> {
    fn accept(&mut self, batch: &mut Batch) -> Result<(), Error> {
        match self {
            JobCollector::Table(table) => table.accept(batch),
            JobCollector::Sort(sort) => sort.accept(batch),
        }
    }
}

/// A sorted run that stayed in memory.
pub enum InMemory<A> {
    /// None.
    Nothing,
    /// From a combining table.
    Table(Run<Table<A>>),
    /// From a sort buffer.
    Buffer(Run<Buffer>),
}

/// What a collector leaves: spill files, then what stayed in memory.
pub struct MapOutput<A> {
    files: Vec<Spilled>,
    run: InMemory<A>,
    stats: CollectStats,
    place: SpillPlace,
}

impl<A: Send + Sync + 'static> MapOutput<A> {
    /// What went through the collector.
    pub fn stats(&self) -> CollectStats {
        self.stats
    }

    /// The spill files, in the order of what they hold.
    pub fn files(&self) -> &[Spilled] {
        &self.files
    }

    /// Replaces the spill files by others that hold the same.
    pub fn set_files(&mut self, files: Vec<Spilled>) {
        self.files = files;
    }

    /// Memory that the run takes.
    pub fn memory_bytes(&self) -> usize {
        match &self.run {
            InMemory::Nothing => 0,
            InMemory::Table(run) => run.memory_bytes(Table::memory_bytes),
            InMemory::Buffer(run) => run.memory_bytes(Buffer::memory_bytes),
        }
    }

    /// Writes what is in memory to a spill file too.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn spill<J: Job, C: Combine<J, Acc = A>>(
        &mut self,
        fold: &JobFold<'_, J, C>,
    ) -> Result<(), Error> {
        let spilled = match std::mem::replace(&mut self.run, InMemory::Nothing) {
            InMemory::Nothing => None,
            InMemory::Table(run) => run.spill(fold, &mut self.place, &mut self.stats)?,
            InMemory::Buffer(run) => run.spill(fold, &mut self.place, &mut self.stats)?,
        };
        self.files.extend(spilled);
        Ok(())
    }

    /// What is in memory of one partition.
    pub fn in_memory<'r, J: Job, C: Combine<J, Acc = A>>(
        &'r self,
        partition: u32,
        fold: &'r JobFold<'r, J, C>,
    ) -> Option<Source<'r, JobFold<'r, J, C>>> {
        match &self.run {
            InMemory::Nothing => None,
            InMemory::Table(run) => Some(Source::Table(run.cursor(partition, fold))),
            InMemory::Buffer(run) => Some(Source::Buffer(run.cursor(partition, fold))),
        }
    }
}
