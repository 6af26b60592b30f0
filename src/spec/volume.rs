//! How much a task has read, and of which keys it read most.

use serde::{Deserialize, Serialize};

use super::escape;

/// Keys that one reduce names.
const HOT_KEYS_MAX: usize = 5;
/// Bytes of each that are kept.
const HOT_KEY_BYTES_MAX: usize = 100;

/// How much a task has read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// Bytes of the input by a map, bytes of all maps' output by a reduce, decoded.
    pub bytes: u64,
    /// Records that a reduce has read; 0 of a map.
    pub records: u64,
    /// Of a reduce, the keys that had most records, at least two each, the first the hottest.
    pub hottest: Vec<HotKey>,
}

/// A key, and how many records it has brought to its reduce.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HotKey {
    /// Its bytes, or the first of them.
    pub key: Vec<u8>,
    /// Records, after combining.
    pub records: u64,
}

impl Volume {
    /// Of a task that reads bytes of the input.
    pub fn of_bytes(bytes: u64) -> Self {
        Self { bytes, ..Self::default() }
    }

    /// Cuts what is longer than agreed.
    pub fn cut(&mut self) {
        self.hottest.truncate(HOT_KEYS_MAX);
        self.hottest.iter_mut().for_each(|hot| hot.key.truncate(HOT_KEY_BYTES_MAX));
    }
}

impl HotKey {
    /// The key for people: as text if it is text, else its bytes.
    pub fn shown(&self) -> String {
        let is_text = |text: &str| !text.is_empty() && !text.chars().any(char::is_control);
        // A cut may have gone through a character.
        let whole = match std::str::from_utf8(&self.key) {
            Ok(text) => Some(text),
            Err(error) if error.error_len().is_none() && self.key.len() == HOT_KEY_BYTES_MAX => {
                std::str::from_utf8(&self.key[..error.valid_up_to()]).ok()
            }
            Err(_) => None,
        };
        match whole.filter(|text| is_text(text)) {
            Some(text) => escape(text.as_bytes(), HOT_KEY_BYTES_MAX),
            None => self.key.iter().fold("0x".to_string(), |all, byte| format!("{all}{byte:02x}")),
        }
    }
}

/// The keys with most records, while keys come one after the other.
#[derive(Debug, Clone, Default)]
pub struct Hottest {
    keys: Vec<HotKey>,
}

impl Hottest {
    /// A key has had so many records. Of two with as many the earlier stays.
    #[inline]
    pub fn note(&mut self, key: &[u8], records: u64) {
        let least = match self.keys.last() {
            Some(last) if self.keys.len() == HOT_KEYS_MAX => last.records,
            _ => 1,
        };
        if records > least {
            self.keep(key, records);
        }
    }

    #[cold]
    fn keep(&mut self, key: &[u8], records: u64) {
        let place = self.keys.partition_point(|hot| hot.records >= records);
        let key = key[..key.len().min(HOT_KEY_BYTES_MAX)].to_vec();
        self.keys.insert(place, HotKey { key, records });
        self.keys.truncate(HOT_KEYS_MAX);
    }

    /// The hottest first.
    pub fn into_keys(self) -> Vec<HotKey> {
        self.keys
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_with_most_records_stay_and_single_ones_do_not() {
        let mut hottest = Hottest::default();
        for (key, records) in
            [("a", 1), ("b", 7), ("c", 2), ("d", 7), ("e", 3), ("f", 9), ("g", 2), ("h", 4)]
        {
            hottest.note(key.as_bytes(), records);
        }
        let keys: Vec<_> =
            hottest.into_keys().iter().map(|hot| (hot.shown(), hot.records)).collect();
        let wanted = [("f", 9), ("b", 7), ("d", 7), ("h", 4), ("e", 3)];
        assert_eq!(keys, wanted.map(|(key, records)| (key.to_string(), records)));
    }

    #[test]
    fn a_key_is_shown_as_text_or_by_its_bytes_and_cut() {
        let shown = |key: &[u8]| HotKey { key: key.to_vec(), records: 2 }.shown();
        assert_eq!(shown("wort für wort".as_bytes()), "wort für wort");
        assert_eq!(shown(&[0, 0, 0, 42]), "0x0000002a");
        assert_eq!(shown(b""), "0x");
        let mut hottest = Hottest::default();
        hottest.note("ü".repeat(80).as_bytes(), 2);
        hottest.note(format!("x{}", "ü".repeat(80)).as_bytes(), 2);
        let keys = hottest.into_keys();
        assert_eq!(keys[0].shown(), "ü".repeat(50));
        assert_eq!(keys[1].shown(), format!("x{}", "ü".repeat(49)));
    }
}
