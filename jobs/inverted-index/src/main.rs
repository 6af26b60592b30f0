//! Lists the files in which each word occurs.
//!
//! ```text
//! $ inverted-index moby-dick.txt walden.txt
//! ["harpoon",["/books/moby-dick.txt"]]
//! ["pond",["/books/moby-dick.txt","/books/walden.txt"]]
//! …
//! ```
//!
//! The file is the second half of the key, so the reduce receives the files of a word in sorted order.

use gristmill::prelude::*;

/// Lists the files in which each word occurs.
#[derive(Args, Serialize, Deserialize)]
pub struct InvertedIndex {}

impl Job for InvertedIndex {
    type Input = Lines;
    type Key<'a> = Grouped<&'a Text, &'a Text>;
    type Value<'a> = ();
    type Output = Json;

    fn map(&self, line: &Text, out: &mut Emitter<Self>) -> Result {
        let file = out.path();
        line.words().try_for_each(|word| out.emit(Grouped { group: word, order: file }, ()))
    }

    fn combiner(&self) -> impl Combine<Self> {
        Once
    }

    fn reduce(&self, word: &Text, mut occurrences: Values<Self>, out: &mut Writer<Json>) -> Result {
        let mut files: Vec<TextBuf> = Vec::new();
        while let Some((file, ())) = occurrences.next_ordered()? {
            if files.last().is_none_or(|last| last != file) {
                files.push(file.to_owned());
            }
        }
        out.write((word, files))
    }
}

/// Keeps one of many equal pairs: a word that occurs a thousand times in a file is emitted once.
struct Once;

impl Combine<InvertedIndex> for Once {
    type Acc = ();

    const EXACT: bool = true;

    fn start(&self, _first: ()) -> Result {
        Ok(())
    }

    fn fold(&self, _kept: &mut (), _next: ()) -> Result {
        Ok(())
    }

    fn value(&self, _kept: &()) -> Result {
        Ok(())
    }
}

fn main() -> ExitCode {
    gristmill::launch::<InvertedIndex>()
}
