//! Keeps the beginning and the end of what an attempt prints.

use std::collections::VecDeque;

/// Bytes kept from the beginning of a log, and as many from its end.
const HALF_BYTES: usize = 64 << 10;
/// Text around the number of bytes that are left out.
const LEFT_OUT: (&str, &str) = ("\n[", " bytes left out here]\n");

/// The beginning and the end of a log, and the number of bytes between them.
#[derive(Debug, Clone, Default)]
pub struct CappedLog {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    left_out_bytes: u64,
}

impl CappedLog {
    /// Returns an empty log.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends printed bytes.
    pub fn append(&mut self, bytes: &[u8]) {
        let to_head = bytes.len().min(HALF_BYTES - self.head.len());
        self.head.extend_from_slice(&bytes[..to_head]);
        self.tail.extend(&bytes[to_head..]);
        let over = self.tail.len().saturating_sub(HALF_BYTES);
        self.tail.drain(..over);
        self.left_out_bytes += over as u64;
    }

    /// Whether nothing was printed.
    pub fn is_empty(&self) -> bool {
        self.head.is_empty()
    }

    /// Returns the kept bytes, with a line that counts the others.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.head.clone();
        if self.left_out_bytes > 0 {
            bytes.extend(left_out(self.left_out_bytes).bytes());
        }
        bytes.extend(&self.tail);
        bytes
    }
}

/// Returns the line that stands for bytes that were not kept.
pub fn left_out(bytes: u64) -> String {
    format!("{}{bytes}{}", LEFT_OUT.0, LEFT_OUT.1)
}

/// The new part of a log for a reader that has seen some of it.
#[derive(Debug, PartialEq, Eq)]
pub struct News<'b> {
    /// Bytes that were printed since and not kept.
    pub missed: u64,
    /// The bytes after those, in two pieces.
    pub pieces: [&'b [u8]; 2],
    /// Total of the printed bytes, whether they were kept or not.
    pub printed: u64,
}

/// Returns what follows the first `seen` printed bytes of a log in the form of [`CappedLog::to_bytes`].
pub fn news(log: &[u8], seen: u64) -> News<'_> {
    let (head, left_out, tail) = parts(log);
    let begins = head.len() as u64 + left_out;
    let printed = begins + tail.len() as u64;
    let behind = |piece: &'_ [u8], start: u64| {
        usize::try_from(seen.saturating_sub(start)).unwrap_or(usize::MAX).min(piece.len())
    };
    News {
        missed: begins.saturating_sub(seen.max(head.len() as u64)),
        pieces: [&head[behind(head, 0)..], &tail[behind(tail, begins)..]],
        printed,
    }
}

/// Splits a log into its beginning, the number of bytes left out, and its end.
fn parts(log: &[u8]) -> (&[u8], u64, &[u8]) {
    let whole = (log, 0, &log[log.len()..]);
    let Some((head, rest)) = log.split_at_checked(HALF_BYTES) else { return whole };
    let note = rest.strip_prefix(LEFT_OUT.0.as_bytes());
    let Some(note) = note else { return (head, 0, rest) };
    let digits = note.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let bytes = str::from_utf8(&note[..digits]).ok().and_then(|digits| digits.parse().ok());
    match (bytes, note[digits..].strip_prefix(LEFT_OUT.1.as_bytes())) {
        (Some(bytes), Some(tail)) => (head, bytes, tail),
        _ => (head, 0, rest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_log_keeps_its_beginning_and_its_end() {
        let mut log = CappedLog::new();
        for number in 0..100_000_u32 {
            log.append(format!("{number:07}\n").as_bytes());
        }
        let bytes = log.to_bytes();
        assert!(bytes.starts_with(b"0000000\n0000001\n") && bytes.ends_with(b"0099999\n"));
        let left_out = 800_000 - 2 * HALF_BYTES;
        let note = format!("\n[{left_out} bytes left out here]\n");
        assert_eq!(bytes.len(), 2 * HALF_BYTES + note.len());
        assert!(bytes[HALF_BYTES..].starts_with(note.as_bytes()));
    }

    #[test]
    fn repeated_reads_return_new_output_and_report_gaps() {
        let (mut log, mut all) = (CappedLog::new(), Vec::new());
        let (mut seen, mut read, mut missed) = (0, Vec::new(), 0);
        let mut number = 0_u32;
        // First a little at a time, then faster than it is read, then a little at a time again.
        for lines in [0, 1, 10, 8_000, 100, 100, 30_000, 5, 0, 20_000, 3] {
            for _ in 0..lines {
                let line = format!("{number:07}\n");
                number += 1;
                log.append(line.as_bytes());
                all.extend_from_slice(line.as_bytes());
            }
            let bytes = log.to_bytes();
            let news = news(&bytes, seen);
            assert_eq!(news.printed, all.len() as u64);
            read.extend_from_slice(news.pieces[0]);
            // What was missed lies between the two.
            read.extend_from_slice(&all[read.len()..][..news.missed as usize]);
            read.extend_from_slice(news.pieces[1]);
            missed += news.missed;
            seen = news.printed;
            assert!(read == all, "after {number} lines");
        }
        assert!(missed > 0 && missed < seen);
    }

    #[test]
    fn printed_text_is_not_mistaken_for_a_note() {
        for note in [
            "\n[",
            "\n[x bytes left out here]\n",
            "\n[99999999999999999999999 bytes left out here]\n",
        ] {
            let log = [&vec![b'x'; HALF_BYTES][..], note.as_bytes()].concat();
            let news = news(&log, HALF_BYTES as u64);
            assert_eq!((news.missed, news.pieces[1]), (0, note.as_bytes()));
        }
        assert_eq!(news(b"ab", 7).pieces.concat(), b"", "it began anew");
    }
}
