//! How much a task has read and written, how much memory it has used, and which keys had the most records.

use serde::{Deserialize, Serialize};

use super::escape;

/// Maximum number of keys that one reduce reports.
const HOT_KEYS_MAX: usize = 5;
/// Maximum bytes of an encoded key that are kept for display. A longer key may not be decodable.
const KEPT_BYTES_MAX: usize = 1 << 10;
/// Maximum characters of a shown key.
const SHOWN_CHARS_MAX: usize = 100;

/// What a task has read, written and used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Bytes read, decompressed: by a map from the input, by a reduce from the map outputs.
    pub bytes_in: u64,
    /// Records read.
    pub records_in: u64,
    /// Bytes written, as stored: a map's output, or the parts of a reduce or of a map-only job.
    pub bytes_out: u64,
    /// Records written: pairs emitted by a map, or records in the parts.
    pub records_out: u64,
    /// Files spilled for lack of memory: sorted runs of a map, merged runs of a reduce.
    pub spills: u64,
    /// The most memory that the attempt's process has had resident, in bytes; 0 if unknown.
    pub memory_bytes: u64,
}

/// The usage of a task, and its most frequent keys.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// What it has read, written and used.
    pub usage: Usage,
    /// A reduce's keys with the most records, at least two each, the hottest first.
    pub hottest: Vec<HotKey>,
}

/// A key, and the number of its records in its reduce.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HotKey {
    /// The key as people read it, escaped and cut.
    pub shown: String,
    /// Records, after combining.
    pub records: u64,
}

impl From<Usage> for Volume {
    fn from(usage: Usage) -> Self {
        Self { usage, hottest: Vec::new() }
    }
}

impl Volume {
    /// Returns the volume of a task that reads this many bytes of the input.
    pub fn of_bytes(bytes_in: u64) -> Self {
        Usage { bytes_in, ..Usage::default() }.into()
    }

    /// Applies the limits to a value that a worker has sent.
    pub fn cut(&mut self) {
        self.hottest.truncate(HOT_KEYS_MAX);
        for hot in &mut self.hottest {
            hot.shown = escape(hot.shown.as_bytes(), SHOWN_CHARS_MAX);
        }
    }
}

/// Collects the keys with the most records from a sequence of keys.
#[derive(Debug, Clone, Default)]
pub struct Hottest {
    /// The first bytes of each encoded key, and its number of records.
    keys: Vec<(Vec<u8>, u64)>,
}

impl Hottest {
    /// Notes a key's number of records. Of two keys with equal numbers, the earlier one stays.
    #[inline]
    pub fn note(&mut self, key: &[u8], records: u64) {
        let least = match self.keys.last() {
            Some((_, least)) if self.keys.len() == HOT_KEYS_MAX => *least,
            _ => 1,
        };
        if records > least {
            self.keep(key, records);
        }
    }

    #[cold]
    fn keep(&mut self, key: &[u8], records: u64) {
        let place = self.keys.partition_point(|(_, other)| *other >= records);
        let key = key[..key.len().min(KEPT_BYTES_MAX)].to_vec();
        self.keys.insert(place, (key, records));
        self.keys.truncate(HOT_KEYS_MAX);
    }

    /// Returns the keys, the hottest first, formatted by `show`. If it returns `None`, a key is shown as text or bytes.
    pub fn into_keys(self, show: impl Fn(&[u8]) -> Option<String>) -> Vec<HotKey> {
        let keys = self.keys.into_iter().map(|(key, records)| {
            let shown = show(&key).unwrap_or_else(|| text_or_bytes(&key));
            HotKey { shown: escape(shown.as_bytes(), SHOWN_CHARS_MAX), records }
        });
        keys.collect()
    }
}

/// Formats bytes as text if they are UTF-8, except for a last character that was cut; otherwise in hexadecimal.
fn text_or_bytes(key: &[u8]) -> String {
    let is_text = |text: &&str| !text.chars().any(char::is_control);
    let text = match std::str::from_utf8(key) {
        Ok(text) => Some(text),
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&key[..error.valid_up_to()]).ok()
        }
        Err(_) => None,
    };
    match text.filter(is_text) {
        Some(text) => text.to_string(),
        None => key.iter().fold("0x".to_string(), |all, byte| format!("{all}{byte:02x}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn none(_: &[u8]) -> Option<String> {
        None
    }

    #[test]
    fn keys_with_most_records_stay_and_single_ones_do_not() {
        let mut hottest = Hottest::default();
        for (key, records) in
            [("a", 1), ("b", 7), ("c", 2), ("d", 7), ("e", 3), ("f", 9), ("g", 2), ("h", 4)]
        {
            hottest.note(key.as_bytes(), records);
        }
        let keys = hottest.into_keys(none);
        let keys: Vec<_> = keys.iter().map(|hot| (hot.shown.as_str(), hot.records)).collect();
        assert_eq!(keys, [("f", 9), ("b", 7), ("d", 7), ("h", 4), ("e", 3)]);
    }

    #[test]
    fn key_that_cannot_be_decoded_is_shown_as_text_or_in_hexadecimal() {
        let shown = |key: &[u8]| {
            let mut hottest = Hottest::default();
            hottest.note(key, 2);
            hottest.into_keys(none)[0].shown.clone()
        };
        assert_eq!(shown("wort für wort".as_bytes()), "wort für wort");
        assert_eq!((shown(&[0, 0, 0, 42]), shown(&[0])), ("0x0000002a".into(), "0x00".into()));
        let long = "ü".repeat(KEPT_BYTES_MAX);
        assert_eq!(shown(format!("x{long}").as_bytes()), format!("x{}…", "ü".repeat(98)));
    }

    #[test]
    fn key_that_a_worker_sends_is_held_to_the_limits() {
        let hot = HotKey { shown: format!("\u{1b}{}", "k".repeat(1_000)), records: 2 };
        let mut volume = Volume { hottest: vec![hot; 9], ..Volume::default() };
        volume.cut();
        assert_eq!(volume.hottest.len(), HOT_KEYS_MAX);
        assert!(volume.hottest.iter().all(|hot| hot.shown.starts_with(r"\x1bkk")));
        assert!(volume.hottest.iter().all(|hot| hot.shown.chars().count() <= SHOWN_CHARS_MAX));
    }
}
