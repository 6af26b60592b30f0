//! Collects a map's pairs, and keeps its output for the reduces.

use super::fold::{JobFold, JobPartitioner};
use crate::job::{Combine, Job, Partition};
use crate::shuffle::{
    Batch, BlockCollector, Collect, CollectStats, Collected, Counter, Error, Filling, Run,
    SortCollector, SortedRun, Source, SpillPlace, Spilled, Table, TableCollector, block_bytes,
};

/// The collector of any job: a table if the job has a combiner, otherwise a sort buffer.
pub enum JobCollector<'j, J: Job, C: Combine<J>, P: Partition<J>> {
    /// With an exact combiner.
    Table(TableCollector<'j, JobFold<'j, J, C>, JobPartitioner<'j, J, P>>),
    /// With a combiner whose result depends on the grouping of values.
    Blocks(BlockCollector<'j, JobFold<'j, J, C>, JobPartitioner<'j, J, P>>),
    /// Without a combiner.
    Sort(SortCollector<JobPartitioner<'j, J, P>>),
}

impl<'j, J: Job, C: Combine<J>, P: Partition<J>> JobCollector<'j, J, C, P> {
    /// Creates a collector that holds at most `memory_bytes` and spills to `place`.
    pub fn new(
        fold: &'j JobFold<'j, J, C>,
        partitioner: JobPartitioner<'j, J, P>,
        place: SpillPlace,
        memory_bytes: usize,
        spare: &mut Option<Filling>,
    ) -> Self {
        if C::COMBINES && C::EXACT {
            return JobCollector::Table(TableCollector::new(
                fold,
                partitioner,
                place,
                memory_bytes,
            ));
        }
        let for_sorting = memory_bytes.saturating_sub(Self::block_bytes());
        let filling = spare.take().unwrap_or_else(|| Filling::new(for_sorting));
        let sort = SortCollector::new(filling, partitioner, place);
        if C::COMBINES {
            JobCollector::Blocks(BlockCollector::new(fold, sort))
        } else {
            JobCollector::Sort(sort)
        }
    }

    /// Bytes of a collector's memory that a block of pairs takes; 0 if the collector has no blocks.
    const fn block_bytes() -> usize {
        if C::COMBINES && !C::EXACT { block_bytes::<C::Acc>() } else { 0 }
    }

    /// Whether the order of folding does not matter, and twice as many pairs would probably still fit in memory.
    pub fn may_double(&self) -> bool {
        match self {
            JobCollector::Table(table) => table.may_double(),
            JobCollector::Blocks(_) | JobCollector::Sort(_) => false,
        }
    }

    /// Sorts what is in memory. It stays there if `may_keep` accepts its size in bytes.
    ///
    /// # Errors
    ///
    /// The author's partitioner fails, or a spill cannot be written.
    pub fn finish(
        self,
        fold: &JobFold<'j, J, C>,
        spare: &mut Option<Filling>,
        may_keep: impl FnOnce(usize) -> bool,
    ) -> Result<MapOutput<C::Acc>, Error> {
        match self {
            JobCollector::Table(table) => {
                let Collected { files, run, stats, place } = table.finish()?;
                let keep = may_keep(run.memory_bytes(Table::memory_bytes));
                let mut output = MapOutput { files, run: InMemory::Table(run), stats, place };
                if !keep {
                    output.spill(fold)?;
                }
                Ok(output)
            }
            JobCollector::Blocks(blocks) => Ok(sorted(blocks.finish(may_keep)?, spare)),
            JobCollector::Sort(sort) => Ok(sorted(sort.finish(may_keep)?, spare)),
        }
    }
}

fn sorted<A>(
    (collected, filling): (Collected<Option<SortedRun>>, Filling),
    spare: &mut Option<Filling>,
) -> MapOutput<A> {
    *spare = Some(filling);
    let Collected { files, run, stats, place } = collected;
    MapOutput { files, run: run.map_or(InMemory::Nothing, InMemory::Sorted), stats, place }
}

impl<J: Job, C: Combine<J>, P: Partition<J>> Collect for JobCollector<'_, J, C, P> {
    fn accept(&mut self, batch: &mut Batch) -> Result<(), Error> {
        match self {
            JobCollector::Table(table) => table.accept(batch),
            JobCollector::Blocks(blocks) => blocks.accept(batch),
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
    Sorted(SortedRun),
}

/// A collector's output: spill files, then what stayed in memory.
pub struct MapOutput<A> {
    files: Vec<Spilled>,
    run: InMemory<A>,
    stats: CollectStats,
    place: SpillPlace,
}

impl<A: Send + Sync + 'static> MapOutput<A> {
    /// Statistics of the collector.
    pub fn stats(&self) -> CollectStats {
        self.stats
    }

    /// The spill files, in the order of their records.
    pub fn files(&self) -> &[Spilled] {
        &self.files
    }

    /// Replaces the spill files with others that have the same content.
    pub fn set_files(&mut self, files: Vec<Spilled>) {
        self.files = files;
    }

    /// Bytes that are counted when the output in memory is read.
    pub fn bytes_in_memory(&self) -> u64 {
        match &self.run {
            InMemory::Nothing => 0,
            InMemory::Table(run) => run.counted_bytes(),
            InMemory::Sorted(run) => run.raw_bytes(),
        }
    }

    /// Writes what is in memory to a spill file.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn spill<J: Job, C: Combine<J, Acc = A>>(
        &mut self,
        fold: &JobFold<'_, J, C>,
    ) -> Result<(), Error> {
        let spilled = match std::mem::replace(&mut self.run, InMemory::Nothing) {
            InMemory::Nothing => None,
            InMemory::Table(run) => run.spill(fold, &mut self.place, &mut self.stats)?,
            InMemory::Sorted(run) => run.spill(&mut self.place, &mut self.stats)?,
        };
        self.files.extend(spilled);
        Ok(())
    }

    /// Returns one partition of the output in memory. Bytes that are read are added to `counter`.
    ///
    /// # Errors
    ///
    /// The partition was returned before, and was consumed while it was read.
    pub fn in_memory<'r, J: Job, C: Combine<J, Acc = A>>(
        &'r self,
        partition: u32,
        fold: &'r JobFold<'r, J, C>,
        counter: Counter,
    ) -> Result<Option<Source<'r, JobFold<'r, J, C>>>, Error> {
        Ok(match &self.run {
            InMemory::Nothing => None,
            InMemory::Table(run) => Some(Source::Table(run.cursor(partition, fold, counter))),
            InMemory::Sorted(run) => {
                let cursor = run.take(partition, counter).ok_or(Error::ReadTwice { partition })?;
                Some(Source::Sorted(cursor))
            }
        })
    }
}
