//! Finds the lines that contain a given text, and optionally counts them per file. This is a map-only job.
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
//! Several tasks may read one large file, and each task writes its own count. Add these counts up for the file's total.
//! A file without a matching line has no count.

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
    /// The file that this task is reading.
    #[arg(skip)]
    #[serde(skip)]
    file: RefCell<TextBuf>,
    /// Matching lines found in `file` so far.
    #[arg(skip)]
    #[serde(skip)]
    found: Cell<u64>,
}

/// Lines found in each file.
///
/// Written as JSON, because a path may contain tabs and line breaks, which a TSV field must not contain.
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
