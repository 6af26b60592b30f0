//! The partitioner must depend only on the key. For grouped keys, it must depend only on the group.

use std::collections::BTreeMap;

use super::super::subject::{Subject, Unchecked};
use super::super::workbench::failed;
use super::super::{Breach, Law, show};
use crate::job::{By, Job, Partition};
use crate::model::TaskKind;
use crate::record::Key;

/// Checks that each key always goes to the same existing partition, and that groups stay together.
///
/// Asks the partitioners of three tasks, one of them after it mapped the whole input, in several orders.
pub(crate) fn is_of_key<J: Job>(subject: &mut Subject<'_, J>) -> Result<Unchecked, Breach> {
    let first = subject.bench.task(TaskKind::Plan, 0, 1)?;
    if !is_asked(&first.partitioner()) {
        return Ok(Some("the job uses a built-in partitioner"));
    }
    let used = subject.bench.task(TaskKind::Map, 0, 1)?;
    subject.bench.map(&used, subject.files)?;
    let other = subject.bench.task(TaskKind::Map, 1, 1)?;
    let keys: Vec<&[u8]> = subject
        .groups
        .iter()
        .flat_map(|keyed| &keyed.members)
        .map(|member| member.key.as_slice())
        .collect();
    let mut shuffled = keys.clone();
    let mut chance = subject.chance(Law::PartitionIsOfKey);
    chance.shuffle(&mut shuffled);
    for parts in [1, 2, 3, 4, 7, 2 + chance.below(1000) as u32] {
        let mut answers = Answers { parts, known: BTreeMap::new() };
        let partitioner = first.partitioner();
        answers.ask::<J, _>(&partitioner, &keys, "when called first")?;
        answers.ask::<J, _>(&partitioner, &keys, "when called again")?;
        answers.ask::<J, _>(&partitioner, &shuffled, "when the keys come in another order")?;
        answers.ask::<J, _>(&used.partitioner(), &keys, "in a task that has mapped records")?;
        answers.ask::<J, _>(&other.partitioner(), &shuffled, "in another map task")?;
        answers.keep_groups::<J>(&keys)?;
    }
    Ok(None)
}

fn is_asked<J: Job, P: Partition<J>>(_: &P) -> bool {
    P::BY == By::Function
}

/// The partitions that a partitioner has returned so far.
struct Answers<'k> {
    parts: u32,
    known: BTreeMap<&'k [u8], u32>,
}

impl<'k> Answers<'k> {
    fn ask<J: Job, P: Partition<J>>(
        &mut self,
        partitioner: &P,
        keys: &[&'k [u8]],
        when: &'static str,
    ) -> Result<(), Breach> {
        let parts = self.parts;
        let mut scratch = Vec::new();
        for &bytes in keys {
            let shown = || show::key::<J>(bytes);
            let key = J::Key::decode_key(bytes, &mut scratch);
            let key = key.map_err(|error| {
                let again = format!("unreadable ({error})");
                Breach::KeyChanges { key: shown(), again }
            })?;
            let asked = partitioner.partition(key, parts);
            let partition = asked.map_err(|error| failed("the partitioner", &error, None))?;
            if partition >= parts {
                return Err(Breach::PartitionOutOfRange { key: shown(), partition, parts });
            }
            let first = *self.known.entry(bytes).or_insert(partition);
            if first != partition {
                return Err(Breach::PartitionDiffers {
                    key: shown(),
                    first,
                    second: partition,
                    when,
                    parts,
                });
            }
        }
        Ok(())
    }

    /// Checks that each group is in one partition. The keys of a group must be adjacent in `keys`.
    fn keep_groups<J: Job>(&self, keys: &[&[u8]]) -> Result<(), Breach> {
        let group_of = |key| <J::Key<'static> as Key<'static>>::group_len(key).unwrap_or(0);
        for pair in keys.windows(2) {
            let group = &pair[0][..group_of(pair[0])];
            let (first, second) = (self.known[pair[0]], self.known[pair[1]]);
            if group == &pair[1][..group_of(pair[1])] && first != second {
                let group = show::key::<J>(group);
                return Err(Breach::PartitionSplitsGroup {
                    group,
                    first,
                    second,
                    parts: self.parts,
                });
            }
        }
        Ok(())
    }
}
