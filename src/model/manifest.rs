//! The list of a job's parts, published with them as `_MANIFEST.json`.

use serde::{Deserialize, Serialize};

use super::{Counters, Nonce};

/// File name of the manifest within the output folder.
pub const FILE_NAME: &str = "_MANIFEST.json";
/// The folder for bad records, inside the output folder.
pub const BAD_FOLDER: &str = "_bad/";

/// Contents of a job's output: its parts in order, their totals, and the job's counters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The job's name.
    pub job: String,
    /// Time of publication, as RFC 3339 in UTC.
    pub created: String,
    /// The parts, in partition order, then side outputs and files of bad records.
    pub parts: Vec<Part>,
    /// Records in all parts; bad records that were set aside do not count.
    pub records: u64,
    /// Bytes in all parts, except those of bad records.
    pub bytes: u64,
    /// The sum of the winning attempts' counters.
    pub counters: Counters,
    /// The job's nonce, if several processes may publish: it shows each of them whether another has published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<Nonce>,
}

/// One file of a job's output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// File name within the output folder, such as `part-00000.tsv`.
    pub name: String,
    /// Length in bytes.
    pub bytes: u64,
    /// Number of records in it.
    pub records: u64,
    /// CRC-32C of its bytes, written as 8 hexadecimal digits.
    #[serde(with = "hex")]
    pub crc32c: u32,
}

impl Manifest {
    /// Creates the manifest of these parts, with their totals.
    pub fn new(job: String, created: String, parts: Vec<Part>, counters: Counters) -> Self {
        let mut manifest =
            Self { job, created, parts, records: 0, bytes: 0, counters, nonce: None };
        manifest.records = manifest.total(|part| part.records);
        manifest.bytes = manifest.total(|part| part.bytes);
        manifest
    }

    /// Sums a value over all parts, except those of bad records.
    pub fn total(&self, of: fn(&Part) -> u64) -> u64 {
        self.parts.iter().filter(|part| !part.is_bad()).map(of).fold(0, u64::saturating_add)
    }

    /// Number of bad records that were set aside.
    pub fn bad_records(&self) -> u64 {
        let bad = self.parts.iter().filter(|part| part.is_bad());
        bad.map(|part| part.records).fold(0, u64::saturating_add)
    }
}

impl Part {
    /// Whether it holds bad records that were set aside.
    pub fn is_bad(&self) -> bool {
        is_bad(&self.name)
    }
}

/// Whether a part of this name holds bad records that were set aside.
pub fn is_bad(name: &str) -> bool {
    name.starts_with(BAD_FOLDER)
}

/// Serialization of a checksum as 8 hexadecimal digits.
mod hex {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(crc: &u32, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{crc:08x}"))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
        let text = String::deserialize(from)?;
        let hex = text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let crc = u32::from_str_radix(&text, 16).ok().filter(|_| hex);
        crc.ok_or_else(|| D::Error::custom("crc32c is not 8 hexadecimal digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manifest_is_the_documented_json() {
        let part = |name: &str, bytes| Part { name: name.into(), bytes, records: 2, crc32c: 0xab };
        let mut counters = Counters::new();
        counters.add("g", "n", 1);
        let parts = vec![
            part("part-00000.tsv", 10),
            part("part-00001.tsv", 20),
            part("_bad/part-m-00000.jsonl", 40),
        ];
        let manifest =
            Manifest::new("wordcount".into(), "2026-01-02T03:04:05Z".into(), parts, counters);
        let json = serde_json::to_string(&manifest).unwrap();
        assert_eq!(
            json,
            r#"{"job":"wordcount","created":"2026-01-02T03:04:05Z","parts":["#.to_string()
                + r#"{"name":"part-00000.tsv","bytes":10,"records":2,"crc32c":"000000ab"},"#
                + r#"{"name":"part-00001.tsv","bytes":20,"records":2,"crc32c":"000000ab"},"#
                + r#"{"name":"_bad/part-m-00000.jsonl","bytes":40,"records":2,"crc32c":"000000ab"}],"#
                + r#""records":4,"bytes":30,"counters":{"g":{"n":1}}}"#
        );
        assert_eq!(serde_json::from_str::<Manifest>(&json).unwrap(), manifest);
        assert_eq!(manifest.bad_records(), 2);
        let short = json.replace("000000ab", "ab");
        assert!(serde_json::from_str::<Manifest>(&short).is_err());
    }
}
