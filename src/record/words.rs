//! Splits text into words: maximal runs of bytes other than ASCII whitespace.

use super::text::Text;

/// Returns whether a byte is whitespace: space, `\t`, `\n`, `\v`, `\f` or `\r`, as in C's `isspace`.
#[inline(always)]
pub fn is_space(byte: u8) -> bool {
    byte == b' ' || byte.wrapping_sub(b'\t') < 5
}

const WINDOW: usize = 64;

/// The words of a text, in order; see [`Text::words`].
///
/// Works on windows of 64 bytes: one bit per byte says whether it is whitespace, and words begin and end where that
/// bit changes.
#[derive(Clone, Debug)]
pub struct Words<'a> {
    text: &'a [u8],
    /// Where the window begins.
    base: usize,
    /// Positions in the window, not yet taken, at which whitespace begins or ends.
    changes: u64,
    /// Whether the last byte of the window was whitespace.
    after_space: bool,
}

impl<'a> Words<'a> {
    #[inline(always)]
    pub(super) fn new(text: &'a [u8]) -> Self {
        let mut words = Words { text, base: 0, changes: 0, after_space: true };
        words.look();
        words
    }

    /// Finds the changes in the window at `base`. The bytes beyond the text count as whitespace, so that its last word
    /// ends.
    #[inline(always)]
    fn look(&mut self) {
        let spaces = match self.text[self.base..].first_chunk::<WINDOW>() {
            Some(window) => spaces_of_window(window),
            None => spaces_of_tail(&self.text[self.base..]),
        };
        self.changes = spaces ^ (spaces << 1 | u64::from(self.after_space));
        self.after_space = spaces >> (WINDOW - 1) == 1;
    }

    /// Returns the position of the next change; `None` after the last window.
    #[inline(always)]
    fn next_change(&mut self) -> Option<usize> {
        while self.changes == 0 {
            if self.base + WINDOW > self.text.len() {
                return None;
            }
            self.base += WINDOW;
            self.look();
        }
        let at = self.base + self.changes.trailing_zeros() as usize;
        self.changes &= self.changes - 1;
        Some(at)
    }
}

impl<'a> Iterator for Words<'a> {
    type Item = &'a Text;

    #[inline(always)]
    fn next(&mut self) -> Option<&'a Text> {
        let start = self.next_change()?;
        let end = self.next_change()?;
        Some(Text::new(&self.text[start..end]))
    }
}

impl std::iter::FusedIterator for Words<'_> {}

/// Returns the window's whitespace, one bit per byte; the lowest bit is that of the first byte.
#[inline(always)]
fn spaces_of_window(window: &[u8; WINDOW]) -> u64 {
    let mut spaces = 0;
    for (i, part) in window.as_chunks::<16>().0.iter().enumerate() {
        spaces |= u64::from(spaces_of_16(u128::from_le_bytes(*part))) << (16 * i);
    }
    spaces
}

/// Returns the same for the end of the text, fewer than 64 bytes. The bytes after it count as whitespace.
#[inline(always)]
fn spaces_of_tail(tail: &[u8]) -> u64 {
    let mut spaces = u64::MAX << tail.len();
    let mut at = 0;
    let mut rest = tail;
    while !rest.is_empty() {
        spaces |= u64::from(spaces_of_16(super::short::load(rest))) << at;
        at += 16;
        rest = rest.get(16..).unwrap_or_default();
    }
    spaces
}

/// Returns one bit for each of sixteen bytes; the lowest bit is that of the lowest byte.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
#[expect(
    unsafe_code,
    reason = "vector instructions; comparing byte by byte is several times slower"
)]
fn spaces_of_16(bytes: u128) -> u16 {
    use std::arch::x86_64::{
        _mm_cmpeq_epi8, _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128, _mm_set_epi64x,
        _mm_set1_epi8, _mm_sub_epi8,
    };
    // SAFETY: these instructions are SSE2, which every x86-64 processor has; they touch no memory.
    unsafe {
        let bytes = _mm_set_epi64x((bytes >> 64) as i64, bytes as i64);
        // The bytes 9..=13 are those that are at most 4 after 9 is subtracted.
        let from_tab = _mm_sub_epi8(bytes, _mm_set1_epi8(b'\t' as i8));
        let control = _mm_cmpeq_epi8(_mm_min_epu8(from_tab, _mm_set1_epi8(4)), from_tab);
        let space = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(b' ' as i8));
        _mm_movemask_epi8(_mm_or_si128(control, space)) as u16
    }
}

/// Returns one bit for each of sixteen bytes; the lowest bit is that of the lowest byte.
#[cfg(not(target_arch = "x86_64"))]
fn spaces_of_16(bytes: u128) -> u16 {
    bytes
        .to_le_bytes()
        .iter()
        .enumerate()
        .fold(0, |bits, (i, &byte)| bits | u16::from(is_space(byte)) << i)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(text: &[u8]) -> Vec<&[u8]> {
        Words::new(text).map(Text::as_bytes).collect()
    }

    fn plain(text: &[u8]) -> Vec<&[u8]> {
        text.split(|&byte| is_space(byte)).filter(|word| !word.is_empty()).collect()
    }

    proptest! {
        #[test]
        fn words_are_the_runs_between_white_space(
            text in proptest::collection::vec(prop_oneof![Just(b' '), Just(b'\n'), Just(b'x'), any::<u8>()], 0..300),
            from in 0usize..70,
        ) {
            let text = text.get(from..).unwrap_or(&text);
            prop_assert_eq!(words(text), plain(text));
        }
    }

    #[test]
    fn words_end_at_every_window_border() {
        for len in 0..200 {
            for space in 0..=len {
                let mut text = vec![b'w'; len];
                if space < len {
                    text[space] = b'\t';
                }
                assert_eq!(words(&text), plain(&text), "{len} bytes, whitespace at {space}");
            }
        }
    }

    #[test]
    fn all_other_bytes_belong_to_words() {
        for byte in 0..=255u8 {
            assert_eq!(
                words(&[b'a', byte, b'b']).len() == 2,
                b" \t\n\x0b\x0c\r".contains(&byte),
                "{byte}"
            );
        }
    }
}
