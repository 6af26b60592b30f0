//! Finds the lines that contain a text, and optionally counts them per file: a job without a reduce.
//!
//! ```text
//! $ find-lines -e whale --counts moby-dick.txt walden.txt -o out
//! $ cat out/part-*
//! And God created great whales.
//! …
//! $ cat out/counts-*
//! ["/books/moby-dick.txt",1226]
//! ["/books/walden.txt",3]
//! ```
//!
//! A large file is read by several tasks, and each task writes its own count, so add up the counts of a file. Files
//! without a matching line have no count.

use std::cell::{Cell, RefCell};

use gristmill::prelude::*;

/// Finds the lines that contain a text, and optionally counts them per file
#[derive(Args, Serialize, Deserialize)]
pub struct FindLines {
    /// Text to find, literally.
    #[arg(short = 'e', long, value_name = "TEXT")]
    pattern: String,
    /// Write the number of lines found in each file to counts-*
    #[arg(long)]
    counts: bool,
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
///
/// As JSON, since a path may contain tabs and line breaks, which a TSV field must not contain.
const COUNTS: Side<Json> = Side::new("counts");

impl MapJob for FindLines {
    type Input = Lines;
    type Output = TextLines;

    fn map(&self, line: &Text, out: &mut Writer<TextLines>) -> Result {
        if !line.contains(&self.pattern) {
            return Ok(());
        }
        if self.counts {
            if *self.file.borrow() != out.path() {
                self.cleanup(out)?;
                self.file.replace(out.path().to_owned());
            }
            self.found.set(self.found.get() + 1);
        }
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
