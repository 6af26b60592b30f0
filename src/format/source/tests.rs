//! Tests of sources: compressed and plain files, streams, files that change while they are read, and limits.

use std::fs;
use std::io::{Seek, Write};
use std::process::Command;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::foreign::HEAD_BYTES;
use super::*;
use crate::format::split_law::listed;

/// Returns bytes that fill several blocks of every codec, and that compress well, but not completely.
fn text() -> Vec<u8> {
    (0..200_000_u32)
        .flat_map(|n| format!("{} line {n}\n", n.wrapping_mul(2_654_435_761)).into_bytes())
        .collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn bzip2(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ::bzip2::write::BzEncoder::new(Vec::new(), ::bzip2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

fn drain(mut source: Source) -> Result<Vec<u8>, Error> {
    let mut all = Vec::new();
    loop {
        all.extend_from_slice(source.window());
        source.consume(source.window().len());
        if !source.fill()? {
            return Ok(all);
        }
    }
}

fn decoded(bytes: &[u8]) -> Result<Vec<u8>, Error> {
    drain(Source::of_bytes(bytes, 0..bytes.len() as u64, &Options::default()))
}

type Compress = fn(&[u8]) -> Vec<u8>;

const CODECS: [(&str, Compress); 5] =
    [("gzip", gzip), ("zstd", zstd), ("bzip2", bzip2), ("xz", xz), ("lz4", lz4)];

fn xz(bytes: &[u8]) -> Vec<u8> {
    through("xz", &["-1"], bytes)
}

/// Compresses with linked blocks, for which a decoder must keep a window.
fn lz4(bytes: &[u8]) -> Vec<u8> {
    through("lz4", &["-BD", "-B4"], bytes)
}

/// Returns the output of a system program for these bytes.
fn through(program: &str, flags: &[&str], bytes: &[u8]) -> Vec<u8> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    let mut command = Command::new(program);
    let output = command.args(flags).arg("-c").stdin(file).output().unwrap();
    assert!(output.status.success(), "{program}: {output:?}");
    output.stdout
}

#[test]
fn compressed_files_are_decoded_with_all_their_members() {
    let text = text();
    for (name, compress) in CODECS {
        assert!(decoded(&compress(&text)).unwrap() == text, "{name}");
        let (head, tail) = text.split_at(1_000_000);
        let members = [compress(head), compress(b""), compress(tail)].concat();
        assert!(decoded(&members).unwrap() == text, "{name}, concatenated");
        assert_eq!(decoded(&compress(b"")).unwrap(), b"", "{name}, nothing in it");
    }
}

#[test]
fn truncated_or_damaged_compressed_data_is_an_error_with_its_offset() {
    let text = text();
    for (name, compress) in CODECS {
        let whole = compress(&text);
        for kept in [HEAD_BYTES, 100, whole.len() / 2, whole.len() - 1] {
            let error = decoded(&whole[..kept]).unwrap_err();
            let Error::Compressed { offset, .. } = &error else { panic!("{name}: {error}") };
            assert!(*offset <= kept as u64);
            let expected = format!(
                "{name} data is truncated or corrupt at byte {offset} of the compressed file"
            );
            assert!(error.to_string().starts_with(&expected), "{error}");
        }
        let mut damaged = whole.clone();
        let middle = whole.len() / 2;
        damaged[middle..middle + 8].fill(0x5a);
        // Not every zstd encoder writes checksums, so damage to zstd data may only change the text.
        assert!(decoded(&damaged).map_or(true, |found| name == "zstd" && found != text), "{name}");
        let error = decoded(&[&whole[..], b"and some text behind it"].concat()).unwrap_err();
        assert!(matches!(error, Error::Compressed { .. }), "{name}: {error}");
    }
}

/// Returns the text in compressed data, which is checked and read like a text file of any name.
fn text_of(bytes: &[u8]) -> Result<Vec<u8>, Error> {
    let mut source = Source::of_bytes(bytes, 0..bytes.len() as u64, &Options::default());
    source.check_text()?;
    drain(source)
}

#[test]
fn one_wrong_byte_in_a_magic_number_is_never_read_as_text() {
    for text in [&b"a b a\nc d\n"[..], &text()[..5_000]] {
        for ((name, compress), length) in CODECS.into_iter().zip([3, 4, 4, 6, 4]) {
            let whole = compress(text);
            assert!(text_of(&whole).unwrap() == text, "{name}");
            for at in 0..length {
                for wrong in 1..=u8::MAX {
                    let mut file = whole.clone();
                    file[at] ^= wrong;
                    // Some wrong bytes only give another block size.
                    let found = text_of(&file);
                    assert!(found.is_err() || found.unwrap() == text, "{name}, {at}: {wrong}");
                }
            }
        }
    }
}

#[test]
fn only_members_or_padding_may_follow_a_gzip_member() {
    let (member, more) = (gzip(b"a\n"), gzip(b"b\n"));
    let (end, both) = (member.len(), member.len() + more.len());
    let (few, many) = ([0; 1].as_slice(), [0; 300_000].as_slice());
    let follows = "the data after a member is neither a member nor zero padding";
    let padded = "data follows the zero padding after a member";
    /// Pieces of a file, and its text, or the offset and the cause of the error.
    type Row<'r> = (&'r [&'r [u8]], Result<&'r str, (usize, &'r str)>);
    let table: [Row<'_>; 10] = [
        (&[&member, few], Ok("a\n")),
        (&[&member, many], Ok("a\n")),
        (&[&member, &more, many], Ok("a\nb\n")),
        (&[&member, few, &more], Err((end + 1, padded))),
        (&[&member, many, &more], Err((end + many.len(), padded))),
        (&[&member, many, b"x"], Err((end + many.len(), padded))),
        (&[&member, b"x", many], Err((end, follows))),
        (&[&member, &more, b"some text"], Err((both, follows))),
        (&[&member, b"\x1f"], Err((end + 1, "the data ends too early"))),
        (&[&member, &[0x1f; 30]], Err((end + 10, "invalid gzip header"))),
    ];
    for (number, (pieces, expected)) in table.into_iter().enumerate() {
        let found = decoded(&pieces.concat()).map_err(|error| error.to_string());
        match expected {
            Ok(text) => assert_eq!(found.as_deref(), Ok(text.as_bytes()), "{number}"),
            Err((offset, cause)) => {
                let place = format!("at byte {offset} of the compressed file: {cause}: <memory>");
                assert!(
                    found.as_ref().is_err_and(|said| said.contains(&place)),
                    "{number}: {found:?}"
                );
            }
        }
    }
}

/// Made by `printf 'hello hello hello\n' | zstd -c`, which adds a checksum.
const ZSTD_WITH_CHECKSUM: &[u8] =
    b"\x28\xb5\x2f\xfd\x04\x58\x6d\x00\x00\x38\x68\x65\x6c\x6c\x6f\x20\x0a\x01\x00\x31\x4a\x11\xa3\xaa\x74\xce";

#[test]
fn frames_of_the_zstd_command_are_read_and_their_checksum_is_verified() {
    let skippable = b"\x50\x2a\x4d\x18\x04\0\0\0abcd";
    let frames = [skippable, ZSTD_WITH_CHECKSUM, skippable, ZSTD_WITH_CHECKSUM].concat();
    assert_eq!(decoded(&frames).unwrap(), b"hello hello hello\nhello hello hello\n");
    let mut wrong = ZSTD_WITH_CHECKSUM.to_vec();
    *wrong.last_mut().unwrap() ^= 1;
    let message = decoded(&wrong).unwrap_err().to_string();
    assert!(message.contains("checksum of a frame is wrong"), "{message}");
}

/// Returns skippable frames of every kind, one after another.
fn skippable(length: u32) -> Vec<u8> {
    let frame = |kind: u8| {
        let mut frame = vec![0x50 + kind, 0x2a, 0x4d, 0x18];
        frame.extend(length.to_le_bytes());
        frame.extend(vec![b'x'; length as usize]);
        frame
    };
    (0..16).flat_map(frame).collect()
}

#[test]
fn files_that_begin_with_skippable_frames_are_decoded() {
    for length in [0, 1, 4, 1_000, 100_000] {
        let frames = skippable(length);
        for compress in [zstd as Compress, lz4] {
            let file = [&frames[..], &compress(b"a b\n"), &frames, &compress(b"c\n")].concat();
            assert_eq!(decoded(&file).unwrap(), b"a b\nc\n", "frames of {length} bytes");
        }
        assert_eq!(decoded(&frames).unwrap(), b"", "nothing but frames of {length} bytes");
    }
}

#[test]
fn lz4_of_all_settings_is_read_and_its_checksums_are_verified() {
    let text = text();
    for flags in [
        &["-B4", "-BX"][..],
        &["-B7", "-BD", "-BX"],
        &["-B5", "--no-frame-crc"],
        &["-9", "-BD", "--content-size"],
    ] {
        let file = through("lz4", flags, &text);
        assert!(decoded(&file).unwrap() == text, "{flags:?}");
        // A file that ends between two blocks is not complete.
        assert!(decoded(&file[..file.len() - 4]).is_err(), "{flags:?}");
    }
    let mut wrong = through("lz4", &[], b"hello hello hello hello\n");
    *wrong.last_mut().unwrap() ^= 1;
    let message = decoded(&wrong).unwrap_err().to_string();
    assert!(message.contains("checksum of a frame is wrong"), "{message}");
}

#[test]
fn xz_is_read_with_its_padding_and_filters_within_the_limit_of_memory() {
    let text = text();
    for flags in [
        &["-0"][..],
        &["-1", "-T2", "--block-size=100000"],
        &["--x86", "--lzma2=preset=1"],
        &["--check=none"],
    ] {
        let file = through("xz", flags, &text);
        assert!(decoded(&file).unwrap() == text, "{flags:?}");
        let padded = [&file[..], &[0; 8], &file, &[0; 4]].concat();
        assert!(decoded(&padded).unwrap() == [&text[..], &text].concat(), "{flags:?}, padded");
        assert!(decoded(&[&file[..], &[0; 3]].concat()).is_err(), "{flags:?}, three zeros");
    }
    let large = through("xz", &["--lzma2=dict=512MiB"], b"a\n");
    let message = decoded(&large).unwrap_err().to_string();
    assert!(message.contains("dictionary of 536870912 bytes exceeds the limit"), "{message}");
    let message = decoded(&through("xz", &["--check=sha256"], b"a\n")).unwrap_err().to_string();
    assert!(message.contains("SHA-256"), "{message}");
}

#[test]
fn a_zstd_window_over_the_limit_is_refused_before_it_costs_memory() {
    // Window descriptor: exponent 31 - 10 + 0 = 2 GiB.
    let frame = b"\x28\xb5\x2f\xfd\x00\xa8\x01\x00\x00\x00\x00";
    let message = decoded(frame).unwrap_err().to_string();
    assert!(
        message.contains("window of 2147483648 bytes exceeds the limit of 134217728"),
        "{message}"
    );
}

#[test]
fn a_compressed_file_or_a_stream_is_one_range() {
    let bytes = gzip(b"a\nb\n");
    let range = |range| Source::of_bytes(bytes.as_slice(), range, &Options::default()).range();
    assert_eq!((range(0..1), range(1..9)), (0..u64::MAX, 0..0));
    let stored = Stored::of_stream(Box::new(io::Cursor::new(b"a\nb\n".repeat(20))), None);
    let location = Location::standard_stream();
    let nothing = (Vec::new(), None);
    let source = Source::over(stored, nothing, location, 0, 0..u64::MAX, &Options::default());
    assert_eq!(source.range(), 0..u64::MAX);
    assert_eq!(drain(source).unwrap(), b"a\nb\n".repeat(20));
}

#[test]
fn a_compressed_stream_is_recognised_without_losing_its_first_bytes() {
    let text = text();
    let mut stored = Stored::of_stream(Box::new(io::Cursor::new(gzip(&text))), None);
    let head = stored.head().unwrap();
    let location = Location::standard_stream();
    let head = (head.clone(), stored.codec(&head).unwrap());
    let source = Source::over(stored, head, location, 0, 0..u64::MAX, &Options::default());
    assert!(drain(source).unwrap() == text);
}

#[test]
fn a_file_that_changed_since_it_was_listed_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("in.txt");
    fs::write(&path, "0123456789").unwrap();
    let listed = listed(&path, 3);
    let open = |listed: &FileRange| Source::open(listed, &Options::default());
    let message = |result: Result<Source, Error>| match result.and_then(drain) {
        Ok(_) => String::new(),
        Err(error) => error.to_string(),
    };
    assert_eq!(open(&listed).unwrap().index(), 3);
    assert_eq!(message(open(&listed)), "");
    let longer = FileRange { size: 11, ..listed.clone() };
    assert!(message(open(&longer)).starts_with("input changed: it had 11 bytes and now has 10: "));
    let older = FileRange { modified_ns: 1, ..listed.clone() };
    assert!(
        message(open(&older))
            .starts_with("input changed: its modification time was 1 ns since 1970 when ")
    );
    let missing = FileRange { location: Location::from("/no/such"), ..listed.clone() };
    assert!(message(open(&missing)).contains("No such file or directory"));

    let opened = open(&listed);
    let file = fs::File::options().write(true).open(&path).unwrap();
    let modified = file.metadata().unwrap().modified().unwrap();
    file.set_modified(modified + Duration::from_secs(1)).unwrap();
    assert!(message(opened).starts_with("input changed: "), "while it was read");
    // The modification time is the same as before, but the inode has changed.
    file.set_modified(modified).unwrap();
    assert!(message(open(&listed)).starts_with("input changed: the change time of its inode was "));
    let opened = open(&crate::format::split_law::listed(&path, 3));
    file.set_len(0).unwrap();
    assert!(message(opened).starts_with("cannot read input at byte 0: input changed: "));
}

#[test]
fn a_folder_cannot_be_read_as_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let listed = listed(folder.path(), 0);
    let error = Source::open(&listed, &Options::default()).err().unwrap().to_string();
    assert!(error.starts_with("cannot read input at byte 0: Is a directory"), "{error}");
}

#[test]
fn progress_counts_each_byte_of_the_ranges_once() {
    let text = b"some words, and more\n".repeat(3_000);
    for bytes in [text.clone(), gzip(&text)] {
        let progress = Arc::new(AtomicU64::new(0));
        let options =
            Options { read_bytes: 1_000, progress: Some(progress.clone()), ..Options::default() };
        let (size, cut) = (bytes.len() as u64, bytes.len() as u64 / 3);
        for range in [0..cut, cut..size] {
            let mut source = Source::of_bytes(bytes.as_slice(), range, &options);
            source.rewind(1);
            drain(source).unwrap();
        }
        let compressed = bytes != text;
        // The second range of a compressed file is empty, and the first counts only its own bytes.
        assert_eq!(progress.load(Ordering::Relaxed), if compressed { cut } else { size });
    }
}

#[test]
fn little_is_read_after_the_range() {
    let bytes = vec![b'x'; 1 << 20];
    let mut source = Source::of_bytes(bytes, 1_000..2_000, &Options::default());
    assert!(source.fill().unwrap());
    assert_eq!(source.window().len(), 1_000 + TAIL_READ_BYTES);
}

#[test]
fn sources_share_a_buffer_that_grows_only_for_long_records() {
    let options = Options { read_bytes: 100, record_bytes_max: 5_000, ..Options::default() };
    let bytes = b"x".repeat(10_000);
    let mut source = Source::of_bytes(bytes.as_slice(), 0..10_000, &options);
    while source.window().len() < 5_000 {
        assert!(source.fill().unwrap());
    }
    assert!(source.buffer.len() <= 5_001);
    source.consume(source.window().len());
    source.fill().unwrap();
    assert_eq!(source.buffer.capacity(), 100);
    let place = source.buffer.as_ptr();
    drop(source);
    let mut next = Source::of_bytes(bytes.as_slice(), 0..10_000, &options);
    next.fill().unwrap();
    assert_eq!(next.buffer.as_ptr(), place);
}

/// Returns the error of a source of text for a file with this name and these bytes.
fn refusal(name: &str, bytes: &[u8]) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    check(&listed(&path, 0), true, true).err().map(|error| error.to_string())
}

#[test]
fn files_whose_content_contradicts_name_or_format_are_refused() {
    let mut tar = vec![0; 1024];
    tar[..5].copy_from_slice(b"a.txt");
    tar[148..156].fill(b' ');
    let sum: u32 = tar.iter().map(|byte| u32::from(*byte)).sum();
    tar[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let table: [(&str, &[u8], &str); 10] = [
        ("in.zip", b"PK\x03\x04", "the input format cannot read a zip archive: "),
        ("in", &tar, "the input format cannot read a tar archive: "),
        ("in.tgz", &gzip(&tar), "the input format cannot read a tar archive: "),
        ("in", &zstd(&tar), "the input format cannot read a tar archive: "),
        (
            "in.gz",
            &gzip(&gzip(b"a\n")),
            "input is compressed twice: its gzip data contains compressed data: ",
        ),
        (
            "in.gz",
            &gzip(&zstd(b"a\n")),
            "input is compressed twice: its gzip data contains compressed data: ",
        ),
        ("in.bz2", &bzip2(b"\xff\xfea\0"), "the input format cannot read UTF-16 text: "),
        ("in.gz", b"a\n", "input is named like gzip data, but does not begin like gzip data: "),
        ("in.xz", &lz4(b"a\n"), "input is named like xz data, but begins like lz4 data: "),
        (
            "in.ZST",
            b"\x28\xb5\x2f\xfe",
            "input is named like zstd data, but does not begin like zstd data: ",
        ),
    ];
    for (name, bytes, expected) in table {
        let message = refusal(name, bytes).unwrap_or_default();
        assert!(message.starts_with(expected), "{name}: {message}");
    }
    for (name, bytes) in
        [("in.gz", &b""[..]), ("in.gz", &gzip(b"")), ("in", &gzip(b"a\n")), ("a.zip", b"a\n")]
    {
        assert_eq!(refusal(name, bytes), None, "{name}");
    }
}

#[test]
fn binary_formats_get_files_that_begin_like_others() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("in.bin");
    for head in [&b"PK\x03\x04"[..], b"\xff\xfea\0", b"PAR1\0\0\0\0", b"\x5e\x2a\x4d\x18\0\0\0\0"] {
        let bytes = [head, &[7; 100]].concat();
        fs::write(&path, &bytes).unwrap();
        let range = listed(&path, 0);
        assert_eq!(check(&range, false, true).unwrap(), None);
        assert_eq!(drain(Source::open(&range, &Options::default()).unwrap()).unwrap(), bytes);
    }
}
