//! The job that sorts.

use super::{Case, files};
use crate::jobs::terasort::TeraSort;
use crate::random::Random;
use crate::trial::InputFile;

pub(crate) struct TeraSortCase;

impl Case for TeraSortCase {
    type Job = TeraSort;
    const TOTAL: bool = true;

    /// A third of the keys are equal to many others, to test that their records stay in order.
    fn input(random: &mut Random, records: usize) -> Vec<(u32, String, Vec<u8>)> {
        let record = |number: usize| {
            let key = if random.below(3) == 0 { random.below(5) } else { random.next() };
            let mut record = key.to_be_bytes().to_vec();
            record.extend_from_slice(&[random.pick(b"\x00\xff"), random.pick(b"\x00\n")]);
            record.extend(format!("{number:090}").bytes());
            record
        };
        files(0, "", 2, &(0..records).map(record).collect::<Vec<_>>())
    }

    fn answer(files: &[InputFile]) -> Vec<Vec<u8>> {
        let mut records: Vec<_> =
            files.iter().flat_map(|file| file.bytes.chunks(100).map(<[u8]>::to_vec)).collect();
        records.sort_by(|a, b| a[..10].cmp(&b[..10]));
        records
    }

    fn records(part: &[u8]) -> Vec<&[u8]> {
        part.chunks(100).collect()
    }
}
