//! Sorts records of 100 bytes by their first 10 bytes. The format is that of the sort benchmark (sortbenchmark.org).
//!
//! ```text
//! $ terasort records.bin -o out --reducers 8
//! $ cat out/part-* > sorted.bin
//! ```
//!
//! Each part of the output holds a range of keys, and the parts are in the order of their keys. Concatenated, they form
//! the sorted output. Records with equal keys stay in the order of the input.

use gristmill::prelude::*;

/// Sorts records of 100 bytes by their first 10 bytes.
#[derive(Args, Serialize, Deserialize)]
pub struct TeraSort {}

impl Job for TeraSort {
    type Input = Fixed<100>;
    type Key<'a> = &'a Text;
    type Value<'a> = &'a Text;
    type Output = Raw;

    fn map(&self, record: &[u8; 100], out: &mut Emitter<Self>) -> Result {
        let (key, rest) = record.split_at(10);
        out.emit(Text::new(key), Text::new(rest))
    }

    fn partitioner(&self) -> impl Partition<Self> {
        TotalOrder
    }

    fn reduce(&self, key: &Text, records: Values<Self>, out: &mut Writer<Raw>) -> Result {
        records.each(|rest| out.write((key, rest)))
    }
}

fn main() -> ExitCode {
    gristmill::launch::<TeraSort>()
}
