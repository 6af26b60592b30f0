//! Writes records as checksummed, optionally compressed blocks, and reads them back.
//!
//! A record is two byte strings, a key and a value. A block holds each record in this form:
//!
//! ```text
//! ┌─────────┬─────────┬─────┬───────┐
//! │ key len │ val len │ key │ value │     lengths: LEB128, one byte below 128
//! └─────────┴─────────┴─────┴───────┘
//! ```
//!
//! A block is a frame around one or more whole records. Its numbers are little-endian:
//!
//! ```text
//! 0       1         5            9               13        17
//! ┌───────┬─────────┬────────────┬───────────────┬─────────┬──────────────┐
//! │ codec │ records │ raw length │ stored length │ crc32c  │ stored bytes │
//! │ u8    │ u32     │ u32        │ u32           │ u32     │              │
//! └───────┴─────────┴────────────┴───────────────┴─────────┴──────────────┘
//! codec: 0 stored, 1 lz4      crc32c: over bytes 0..13 and the stored bytes
//! ```
//!
//! A run of blocks has no end mark, so its length must be stored elsewhere. The concatenated records of a run, in the
//! form above, are its *raw bytes*. The digest of a run is that of its raw bytes. It therefore does not depend on where
//! blocks begin, or on their codecs.

mod check;
mod error;
mod frame;
mod reader;
mod writer;

pub use check::checksum;
pub use error::Error;
pub use frame::{BLOCK_RAW_BYTES, Codec, FRAME_HEADER_BYTES, RECORD_BYTES_MAX, Totals};
pub use reader::BlockReader;
pub use writer::BlockWriter;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Records = Vec<(Vec<u8>, Vec<u8>)>;

    fn write(records: &Records, codec: Codec) -> (Vec<u8>, Totals) {
        let mut writer = BlockWriter::new(Vec::new(), codec, 0);
        for (key, value) in records {
            writer.push(key, value).unwrap();
        }
        let totals = writer.end_run().unwrap();
        (writer.into_sink(), totals)
    }

    fn read(bytes: &[u8], buffer_bytes: usize) -> Result<(Records, Totals), Error> {
        let mut reader = BlockReader::new(bytes, 0, buffer_bytes);
        let mut records = Vec::new();
        while reader.advance()? {
            let mut padded = [0; 8];
            let length = reader.key().len().min(8);
            padded[..length].copy_from_slice(&reader.key()[..length]);
            assert_eq!(reader.key_prefix(), u64::from_be_bytes(padded));
            records.push((reader.key().to_vec(), reader.value().to_vec()));
        }
        assert!(!reader.advance()?, "a reader at its end stays at its end");
        Ok((records, reader.totals()))
    }

    fn any_records() -> impl Strategy<Value = Records> {
        let bytes = || {
            prop_oneof![
                8 => proptest::collection::vec(any::<u8>(), 0..20),
                2 => proptest::collection::vec(any::<u8>(), 100..300),
                1 => (any::<u8>(), 20_000_usize..150_000).prop_map(|(byte, n)| vec![byte; n]),
            ]
        };
        proptest::collection::vec((bytes(), bytes()), 0..60)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn records_are_read_as_written(
            records in any_records(),
            codec in prop_oneof![Just(Codec::Stored), Just(Codec::Lz4)],
            buffer_bytes in prop_oneof![0_usize..100, Just(128 * 1024)],
        ) {
            let (bytes, written) = write(&records, codec);
            let (read, totals) = read(&bytes, buffer_bytes).unwrap();
            prop_assert_eq!(&read, &records);
            prop_assert_eq!(totals, written);
            prop_assert_eq!(totals.records, records.len() as u64);
        }

        #[test]
        fn the_digest_depends_on_the_records_alone(records in any_records()) {
            prop_assert_eq!(write(&records, Codec::Stored).1, write(&records, Codec::Lz4).1);
        }

        #[test]
        fn noise_is_an_error_and_never_a_panic(noise in proptest::collection::vec(any::<u8>(), 1..200)) {
            prop_assert!(read(&noise, 64).is_err());
        }
    }

    fn some_records() -> Records {
        (0..200_u32).map(|i| (i.to_be_bytes().to_vec(), vec![b'x'; (i % 7) as usize])).collect()
    }

    #[test]
    fn every_flipped_bit_is_found() {
        for codec in [Codec::Stored, Codec::Lz4] {
            let (bytes, _) = write(&some_records(), codec);
            for bit in 0..bytes.len() * 8 {
                let mut damaged = bytes.clone();
                damaged[bit / 8] ^= 1 << (bit % 8);
                assert!(read(&damaged, 64).is_err(), "bit {bit} of {codec:?}");
            }
        }
    }

    #[test]
    fn a_cut_inside_a_block_is_found() {
        let (bytes, _) = write(&some_records(), Codec::Lz4);
        for length in 1..bytes.len() {
            let error = read(&bytes[..length], 64).unwrap_err();
            assert!(matches!(error, Error::Truncated { offset: 0, .. }), "{length}: {error}");
        }
    }

    /// Returns a frame with a correct checksum around any raw bytes.
    fn framed(codec: u8, records: u32, raw_length: u32, stored: &[u8]) -> Vec<u8> {
        let mut frame = vec![codec];
        frame.extend(records.to_le_bytes());
        frame.extend(raw_length.to_le_bytes());
        frame.extend((stored.len() as u32).to_le_bytes());
        frame.extend(crc32c::crc32c_append(crc32c::crc32c(&frame), stored).to_le_bytes());
        frame.extend(stored);
        frame
    }

    #[test]
    fn wrong_frame_with_a_right_checksum_is_detected() {
        let good = [1, 1, b'k', b'v'];
        let table: [(&[u8], &str); 8] = [
            (&framed(7, 1, 4, &good), "block at offset 0 has the unknown codec 7"),
            (&framed(0, 0, 0, &[]), "block at offset 0 is empty"),
            (&framed(0, 2, 4, &good), "number of records in the block at offset 0 is 1, not 2"),
            (&framed(0, 1, 5, &good), "block at offset 0 has a raw length of 4 bytes, not 5"),
            (
                &framed(0, 1, 3, &[1, 9, b'k']),
                "record 0 (the first is 0) of the block at offset 0 has invalid lengths",
            ),
            (
                &framed(0, 1, 2, &[255, 255]),
                "record 0 (the first is 0) of the block at offset 0 has invalid lengths",
            ),
            (&framed(1, 1, 4, &[255]), "block at offset 0 cannot be decompressed"),
            (
                &framed(0, 1, u32::MAX, &good),
                "block at offset 0 claims to have 4294967295 bytes; the limit is 268435466",
            ),
        ];
        for (frame, message) in table {
            assert_eq!(read(frame, 64).unwrap_err().to_string(), message);
        }
        assert_eq!(read(&framed(0, 1, 4, &good), 64).unwrap().0, [(vec![b'k'], vec![b'v'])]);
    }

    #[test]
    fn a_record_over_the_limit_is_refused() {
        let value = vec![0; RECORD_BYTES_MAX];
        let error = BlockWriter::new(Vec::new(), Codec::Stored, 0).push(b"k", &value).unwrap_err();
        assert_eq!(
            error.to_string(),
            "a record of 268435457 bytes exceeds the limit of 268435456 bytes"
        );
    }

    #[test]
    fn a_large_record_gives_its_memory_back() {
        let large = vec![7; 3_000_000];
        let mut records = vec![(b"a".to_vec(), large.clone()), (b"b".to_vec(), b"small".to_vec())];
        let mut state = 1_u32;
        let noise = large.iter().map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        });
        records.push((b"c".to_vec(), noise.collect()));
        records.extend((0..20_000_u32).map(|i| (i.to_be_bytes().to_vec(), vec![0; 10])));
        let (bytes, _) = write(&records, Codec::Lz4);
        assert_eq!(read(&bytes, 1000).unwrap().0, records);
        let mut reader = BlockReader::new(&bytes[..], 0, 1000);
        let mut memory_bytes = Vec::new();
        while reader.advance().unwrap() {
            memory_bytes.push(reader.memory_bytes());
        }
        assert!(memory_bytes[0] > 3_000_000 && memory_bytes[2] > 3_000_000);
        assert!(memory_bytes[1] < 200_000 && memory_bytes[3] < 200_000, "{:?}", &memory_bytes[..4]);
    }

    #[test]
    fn incompressible_block_is_stored_unchanged() {
        let mut state = 1_u64;
        let noise: Records = (0..100)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state.to_be_bytes().to_vec(), Vec::new())
            })
            .collect();
        assert_eq!(write(&noise, Codec::Lz4).0[0], Codec::Stored.code());
        assert_eq!(write(&some_records(), Codec::Lz4).0[0], Codec::Lz4.code());
    }
}
