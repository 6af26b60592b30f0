//! Sorts records of 100 bytes by their first 10, in the format of the sort benchmark (sortbenchmark.org).
//!
//! ```text
//! $ terasort records.bin -o out --reducers 8
//! $ cat out/part-* > sorted.bin
//! ```
//!
//! Each part holds a range of keys, and the parts are in order: concatenated, they are the sorted input. Records with
//! equal keys stay in the order of the input.

use gristmill::prelude::*;

/// Sorts records of 100 bytes by their first 10.
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
