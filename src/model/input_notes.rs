//! Notes for the user about the listed input, such as skipped files and repeated paths.

use serde::{Deserialize, Serialize};

use super::Location;

/// Input that was skipped, and files that were reached more than once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputNotes {
    /// Number of files skipped because their name, or that of a folder above them, begins with `.` or `_`.
    pub hidden: u64,
    /// Number of skipped pipes, sockets and devices.
    pub special: u64,
    /// Number of additional paths to files that are read only once.
    pub repeated: u64,
    /// The first [`REPEATS_MAX`] of these paths; a folder represents all files in it.
    pub repeats: Vec<Repeat>,
}

/// A path to a file or folder that was listed before under another path, or by another input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repeat {
    /// The path that is not read.
    pub path: Location,
    /// The path under which the file or folder is read.
    pub first: Location,
}

/// Maximum number of repeats that a sentence names.
const REPEATS_SHOWN: usize = 5;
/// Maximum number of repeats that the notes hold: one more, which tells whether a sentence leaves some out.
pub const REPEATS_MAX: usize = REPEATS_SHOWN + 1;

impl InputNotes {
    /// Returns the notes as sentences without a full stop, one for each kind; empty if there is nothing to report.
    pub fn sentences(&self) -> Vec<String> {
        let mut sentences = Vec::new();
        if self.hidden > 0 {
            sentences.push(format!(
                "skipped {} whose name or folder name begins with . or _ (to read such a file or folder, name it as an input)",
                files(self.hidden)
            ));
        }
        if self.special > 0 {
            let end = if self.special == 1 { "" } else { "s" };
            let number = self.special;
            sentences.push(format!("skipped {number} special file{end} (pipe, socket or device)"));
        }
        if self.repeated > 0 {
            let shown = self.repeats.iter().take(REPEATS_SHOWN).map(Repeat::sentence);
            let shown: Vec<String> = shown.collect();
            let more = if self.repeats.len() > REPEATS_SHOWN { "; …" } else { "" };
            let paths = match self.repeated {
                1 => "1 repeated path to a file".into(),
                number => format!("{number} repeated paths to files"),
            };
            let shown = shown.join("; ");
            sentences.push(format!("each file is read once; skipped {paths}: {shown}{more}"));
        }
        sentences
    }
}

impl Repeat {
    fn sentence(&self) -> String {
        if self.path == self.first {
            format!("{} is given as an input more than once", self.path)
        } else {
            format!("{} is the same as {}", self.path, self.first)
        }
    }
}

fn files(number: u64) -> String {
    format!("{number} file{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_a_sentence_with_its_number() {
        assert_eq!(InputNotes::default().sentences(), Vec::<String>::new());
        let repeat = |path: &str, first: &str| Repeat { path: path.into(), first: first.into() };
        let notes = InputNotes {
            hidden: 1,
            special: 2,
            repeated: 7,
            repeats: vec![repeat("latest", "2026"), repeat("a", "a")],
        };
        assert_eq!(
            notes.sentences(),
            [
                "skipped 1 file whose name or folder name begins with . or _ (to read such a file or folder, name it as an input)",
                "skipped 2 special files (pipe, socket or device)",
                "each file is read once; skipped 7 repeated paths to files: latest is the same as 2026; \
                 a is given as an input more than once",
            ]
        );
    }
}
