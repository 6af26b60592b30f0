//! Tests that reading a damaged spill file is an error: it never returns wrong records and never
//! panics.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::{Records, all, header, spill};
use crate::record::block::{self, Codec};
use crate::shuffle::{Error, SpillFile, SpillWriter};

fn read(path: &Path, buffer_bytes: usize) -> Result<Vec<Records>, Error> {
    let file = SpillFile::open(path)?;
    (0..file.header().partitions)
        .map(|partition| all(file.segment(partition, buffer_bytes, None)))
        .collect()
}

fn record(key: &str, value: &str) -> (Vec<u8>, Vec<u8>) {
    (key.into(), value.into())
}

/// Three partitions: the second is empty, and the third has several blocks of lz4.
fn some_partitions() -> Vec<Records> {
    let repeated = |i: u32| record(&format!("key {i:04}"), "value");
    vec![vec![record("", ""), record("a", "1")], vec![], (0..40).map(repeated).collect()]
}

/// Writes these bytes to a new file, and returns the result of reading it.
fn read_damaged(folder: &TempDir, bytes: &[u8]) -> Result<Vec<Records>, Error> {
    let path = folder.path().join("damaged");
    fs::write(&path, bytes).unwrap();
    let result = read(&path, 64);
    // Uses a new file each time, because some file systems sync a file that is overwritten.
    fs::remove_file(&path).unwrap();
    result
}

#[test]
fn every_flipped_bit_is_found() {
    let folder = TempDir::new().unwrap();
    for codec in [Codec::Stored, Codec::Lz4] {
        let path = folder.path().join(format!("{codec:?}"));
        spill(&path, codec, &some_partitions()).unwrap();
        assert_eq!(read(&path, 64).unwrap(), some_partitions());
        let bytes = fs::read(&path).unwrap();
        for at in 0..bytes.len() {
            for flipped in [1, 0x80, 0xff] {
                let mut damaged = bytes.clone();
                damaged[at] ^= flipped;
                assert!(
                    read_damaged(&folder, &damaged).is_err(),
                    "byte {at} ^ {flipped} of {codec:?}"
                );
            }
        }
    }
}

#[test]
fn every_other_length_is_found() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("whole");
    spill(&path, Codec::Lz4, &some_partitions()).unwrap();
    let mut bytes = fs::read(&path).unwrap();
    for length in 0..bytes.len() {
        assert!(read_damaged(&folder, &bytes[..length]).is_err(), "cut to {length} bytes");
        let mut zeroed = bytes.clone();
        zeroed[length..].fill(0);
        assert!(read_damaged(&folder, &zeroed).is_err(), "zeros from {length} on");
    }
    bytes.push(0);
    assert!(read_damaged(&folder, &bytes).is_err());
}

#[test]
fn intact_blocks_in_the_wrong_place_are_detected() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("whole");
    let one = |value| vec![record("same", value)];
    let index = spill(&path, Codec::Stored, &[one("1"), one("2")]).unwrap();
    let bytes = fs::read(&path).unwrap();
    let [first, second] = [0, 1].map(|i| index.segments[i].offset as usize);
    let mut swapped = bytes.clone();
    swapped[first..second].copy_from_slice(&bytes[second..2 * second - first]);
    let error = read_damaged(&folder, &swapped).unwrap_err();
    assert!(matches!(error, Error::Segment { partition: 0, what: "digest", .. }), "{error}");
}

#[test]
fn a_file_that_is_not_finished_is_gone() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("half");
    let mut writer = SpillWriter::create(&path, header(Codec::Stored, 1)).unwrap();
    writer.push(0, b"a", &vec![0; 1_000_000]).unwrap();
    writer.push(0, b"b", b"").unwrap();
    assert!(matches!(SpillFile::open(&path).unwrap_err(), Error::Magic { .. }));
    drop(writer);
    assert!(!path.exists());
}

#[test]
fn a_file_that_is_there_is_not_touched() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("there");
    fs::write(&path, "mine").unwrap();
    let error = spill(&path, Codec::Stored, &[]).unwrap_err();
    assert!(matches!(error, Error::Create { .. }), "{error}");
    assert_eq!(fs::read(&path).unwrap(), b"mine");
}

#[test]
fn a_record_over_the_limit_is_refused() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("large");
    let mut writer = SpillWriter::create(&path, header(Codec::Stored, 1)).unwrap();
    let error = writer.push(0, b"", &vec![0; block::RECORD_BYTES_MAX + 1]).unwrap_err();
    assert!(matches!(error, Error::Record { .. }), "{error}");
}

#[test]
fn ten_thousand_small_partitions_are_one_small_file() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("many");
    let partitions: Vec<Records> = (0..10_000)
        .map(|i| if i % 3 == 0 { vec![record(&i.to_string(), "v")] } else { vec![] })
        .collect();
    let index = spill(&path, Codec::Lz4, &partitions).unwrap();
    assert_eq!(index.records(), 3334);
    assert_eq!(index.file_bytes, fs::metadata(&path).unwrap().len());
    assert!(index.file_bytes < 500_000);
    assert_eq!(*SpillFile::open(&path).unwrap().index(), index);
    assert_eq!(read(&path, 1 << 20).unwrap(), partitions);
}

/// Other versions of this program read spill files, so these bytes never change. A change of the format needs another
/// version number, and another test like this one.
#[test]
fn the_format_stays_as_it_is() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("golden");
    let partitions = [vec![record("a", "1"), record("b", "")], vec![]];
    let index = spill(&path, Codec::Stored, &partitions).unwrap();
    let hex: String = fs::read(&path).unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
    let expected = [
        // Magic, version, codec.
        "9347525350494c0a0100000000000000",
        // Nonce.
        "8877665544332211efcdab8967452301",
        // Map, attempt, partitions.
        "070000000200000002000000",
        // A block: stored, 2 records, 7 raw and 7 stored bytes, checksum.
        "00020000000700000007000000c2e91947",
        // Its records.
        "01016131010062",
        // Index of partition 0: offset, stored bytes, records, raw bytes, digest.
        "2c000000000000001800000000000000020000000000000007000000000000002c85b7f276de5c5a",
        // Index of partition 1.
        "4400000000000000000000000000000000000000000000000000000000000000c294d3380580062d",
        // Index offset, checksum, end magic.
        "4400000000000000a77b4c3d47525350454e440a",
    ]
    .concat();
    assert_eq!(hex, expected);
    assert_eq!(index.digest, 0x0591_bcd4_87ee_26f1);
}
