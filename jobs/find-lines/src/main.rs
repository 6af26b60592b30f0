//! Finds the lines that hold a text, and counts them for each file: a job without a reduce.
//!
//! ```text
//! $ find-lines -e whale moby-dick.txt walden.txt -o out
//! $ cat out/part-*
//! And God created great whales.
//! …
//! $ cat out/counts-*
//! moby-dick.txt   1226
//! walden.txt      3
//! ```
//!
//! A large file is read by several tasks, and each of them writes a line of counts: add them up. Files without such a
//! line are not counted.

use std::cell::{Cell, RefCell};

use gristmill::prelude::*;

/// Finds the lines that hold a text, and counts them for each file.
#[derive(Args, Serialize, Deserialize)]
pub struct FindLines {
    /// Text to look for, exactly as it is.
    #[arg(short = 'e', long, value_name = "TEXT")]
    pattern: String,
    /// The file that this task is in.
    #[arg(skip)]
    #[serde(skip)]
    file: RefCell<TextBuf>,
    /// Lines found in it so far.
    #[arg(skip)]
    #[serde(skip)]
    found: Cell<u64>,
}

/// Lines found in each file.
const COUNTS: Side<Tsv> = Side::new("counts");

impl MapJob for FindLines {
    type Input = Lines;
    type Output = TextLines;

    fn map(&self, line: &Text, out: &mut Writer<TextLines>) -> Result {
        if !line.contains(&self.pattern) {
            return Ok(());
        }
        if *self.file.borrow() != out.path() {
            self.cleanup(out)?;
            self.file.replace(out.path().to_owned());
        }
        self.found.set(self.found.get() + 1);
        out.write(line)
    }

    fn cleanup(&self, out: &mut Writer<TextLines>) -> Result {
        match self.found.take() {
            0 => Ok(()),
            found => out.side(COUNTS)?.write((&*self.file.borrow(), found)),
        }
    }
}

fn main() -> ExitCode {
    gristmill::launch::<MapOnly<FindLines>>()
}
