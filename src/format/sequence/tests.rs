//! Tests of sequence files: their exact bytes, round trips with any cuts, and damage to every byte.

use proptest::prelude::*;

use super::block::{BLOCK_BYTES, FILE_HEADER_BYTES, HEADER_BYTES};
use super::{Seq, Sequence};
use crate::format::source::Options;
use crate::format::split_law::{check, read, try_check};
use crate::format::{Error, Input, Output, Source, Writes};
use crate::record::{Text, TextBuf};

fn written<T: serde::Serialize>(records: &[T]) -> Vec<u8> {
    let (mut output, mut bytes) = (Seq::default(), Vec::new());
    output.begin(&mut bytes);
    for record in records {
        output.append(record, &mut bytes).unwrap();
    }
    output.end(&mut bytes).unwrap();
    bytes
}

/// Returns records that fill a few blocks, some of them incompressible.
fn records(count: u64) -> Vec<(u64, Vec<u8>)> {
    let mut noise = 1_u64;
    let record = |number| {
        let noisy = number % 200 < 100;
        let next = |_| {
            noise = noise.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            if noisy { (noise >> 56) as u8 } else { b'a' }
        };
        (number, (0..2_000).map(next).collect())
    };
    (0..count).map(record).collect()
}

fn read_all<K, V>(bytes: &[u8], cuts: &[u64], read_bytes: usize) -> Result<Vec<(K, V)>, Error>
where
    K: serde::de::DeserializeOwned + 'static,
    V: serde::de::DeserializeOwned + 'static,
{
    try_check::<Sequence<K, V>, _>(bytes, cuts, read_bytes, |pair| pair)
}

/// One record, stored uncompressed: a new version of lz4 may compress differently, but must decode in the same way.
const GOLDEN: [&str; 8] = [
    "477269737453657101000000e99dcfe2",
    "f547536571420d0a1000000000000000",
    "00000000000000000100000010000000",
    "1000000000000000d7c89f8aedec2ef0",
    "0c000000020000000000000061ff0201",
    "f547536571420d0a5000000000000000",
    "10000000000000000000000000000000",
    "000000000200000000000000613f1f23",
];

#[test]
fn the_bytes_of_a_file_never_change() {
    let bytes = written(&[(Text::new(b"a\xff"), 258_u16)]);
    let row = |row: &[u8]| row.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let found: Vec<String> = bytes.chunks(16).map(row).collect();
    assert_eq!(found, GOLDEN);
    let read = read_all::<TextBuf, u16>(&bytes, &[], 64).unwrap();
    assert_eq!(read, [(TextBuf::from(&b"a\xff"[..]), 258)]);
}

#[test]
fn every_cut_of_a_small_file_gives_the_records_of_the_whole() {
    let all = [(1_u8, String::from("one")), (2, String::from("two"))];
    let bytes = written(&all);
    for first in 0..=bytes.len() as u64 {
        for second in (first..=bytes.len() as u64).step_by(7) {
            assert_eq!(read_all::<u8, String>(&bytes, &[first, second], 9).unwrap(), all);
        }
    }
    assert!(read_all::<u8, u8>(&written::<()>(&[]), &[20, 40], 9).unwrap().is_empty());
    assert!(read_all::<u8, u8>(b"", &[], 9).unwrap().is_empty());
}

#[test]
fn blocks_are_compressed_where_it_helps_and_long_records_stand_alone() {
    let mut all = records(400);
    all.insert(7, (0, vec![b'x'; 3 * BLOCK_BYTES]));
    let bytes = written(&all);
    assert!(bytes.len() < 300_000 + BLOCK_BYTES, "half of it compresses: {}", bytes.len());
    let size = bytes.len() as u64;
    let cuts: Vec<u64> = (0..size).step_by(10_007).collect();
    assert_eq!(read_all::<u64, Vec<u8>>(&bytes, &cuts, 4096).unwrap(), all);
}

#[test]
fn a_sequence_file_inside_a_value_is_not_mistaken_for_blocks() {
    let inner = written(&[(1_u8, 2_u8)]);
    let mut outer = Vec::new();
    for number in 0..40_u8 {
        outer.push((number, inner.clone()));
    }
    // Stored uncompressed, because a single short record hardly compresses.
    let bytes = written(&outer[..1]);
    for cut in 0..bytes.len() as u64 {
        assert_eq!(read_all::<u8, Vec<u8>>(&bytes, &[cut], 64).unwrap(), outer[..1]);
    }
}

#[test]
fn damage_and_truncation_are_never_silent() {
    let all = [(1_u8, String::from("one")), (2, String::from("two"))];
    let bytes = written(&all);
    let size = bytes.len() as u64;
    for cuts in [vec![], vec![20], vec![size - 60], vec![size - 50, size - 3]] {
        for damaged in 0..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[damaged] ^= 0x10;
            let found = read_all::<u8, String>(&bytes, &cuts, 64);
            assert!(found.is_err(), "byte {damaged} changed, cut at {cuts:?}: {found:?}");
        }
    }
    for kept in 1..bytes.len() {
        for cut in [0, 1, 20, kept as u64 - 1] {
            let found = read_all::<u8, String>(&bytes[..kept], &[cut], 64);
            assert!(found.is_err(), "truncated to {kept}, cut at {cut}: {found:?}");
        }
    }
    assert!(read_all::<u8, String>(&[&bytes[..], b"\n"].concat(), &[], 64).is_err());
}

#[test]
fn a_lost_block_between_two_ranges_is_an_error() {
    let all = records(300);
    let mut bytes = written(&all);
    let marks: Vec<usize> = memchr::memmem::find_iter(&bytes, super::block::MARK).collect();
    assert!(marks.len() > 4);
    bytes[marks[2] + 9] ^= 1;
    for cut in [marks[2], marks[2] - 1, marks[2] + 1] {
        let error = read_all::<u64, Vec<u8>>(&bytes, &[cut as u64], 4096).unwrap_err();
        let expected = format!("<memory> at byte {}", marks[2]);
        assert!(error.to_string().contains(&expected), "cut at {cut}: {error}");
    }
}

#[test]
fn a_record_of_another_type_is_an_error_and_reading_continues() {
    let bytes = written(&[(1_u8, 7_u8), (2, 1)]);
    let range = 0..bytes.len() as u64;
    let source = Source::of_bytes(bytes, range, &Options::default());
    let mut input = Sequence::<u8, bool>::open(source).unwrap();
    let error = input.next().unwrap_err();
    assert!(error.spoils_one_record());
    assert!(error.to_string().starts_with("record is not of the expected type"), "{error}");
    assert_eq!(input.next().unwrap(), Some((2, true)));
    let text = b"plain text is not a sequence file";
    let source = Source::of_bytes(*text, 0..text.len() as u64, &Options::default());
    let error = read::<Sequence<u8, u8>, _>(source, |_| ()).unwrap_err();
    assert_eq!(error.to_string(), "file is not a sequence file of version 1: <memory> at byte 0");
    assert!(text.len() > FILE_HEADER_BYTES && text.len() < HEADER_BYTES);
}

proptest! {
    #[test]
    fn any_cuts_give_the_records_of_the_whole(
        records in prop::collection::vec(any::<(String, Option<u32>)>(), 0..20),
        cuts in prop::collection::vec(any::<u64>(), 0..6),
        read_bytes in 1usize..100,
    ) {
        let bytes = written(&records);
        let found = check::<Sequence<String, Option<u32>>, _>(&bytes, &cuts, read_bytes, |pair| pair);
        prop_assert_eq!(found, records);
    }
}
