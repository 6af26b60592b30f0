//! Recognises files that are not text by their first bytes or their names, so that they are refused instead of being read as text.

use super::codec::{Codec, LZ4_MAGIC, has_ending, is_skippable};

/// Bytes of a file that are checked: a tar archive is recognised by its first block.
pub(super) const HEAD_BYTES: usize = 512;

/// Bytes that suffice for everything but tar archives.
pub(super) const MAGIC_BYTES_MAX: usize = 16;

/// A kind of file that is not text, with a hint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Foreign {
    /// Such as `a zip archive`.
    pub(super) what: &'static str,
    /// Such as `unpack it first`.
    pub(super) hint: &'static str,
}

const UNPACK: &str = "unpack it first, and name the files in it";
const CONVERT: &str = "convert it to lines of text first, such as CSV or JSON lines";
const DECOMPRESS: &str = "decompress it first, or use gzip, zstd, bzip2, xz or lz4 instead";
const GUNZIP: &str = "decompress it first, for example with `gzip -d`";
const NOT_TEXT: &str = "leave it out, or extract its text first";
const TO_UTF8: &str = "convert it first, for example with `iconv -f UTF-16 -t UTF-8`";
const TO_UTF8_FROM_32: &str = "convert it first, for example with `iconv -f UTF-32 -t UTF-8`";
/// Text without a byte order mark. The hint must tell `iconv` the byte order.
const WITHOUT_MARK: [Foreign; 4] = [
    Foreign {
        what: "UTF-32 text (little-endian)",
        hint: "convert it first, for example with `iconv -f UTF-32LE -t UTF-8`",
    },
    Foreign {
        what: "UTF-32 text (big-endian)",
        hint: "convert it first, for example with `iconv -f UTF-32BE -t UTF-8`",
    },
    Foreign {
        what: "UTF-16 text (little-endian)",
        hint: "convert it first, for example with `iconv -f UTF-16LE -t UTF-8`",
    },
    Foreign {
        what: "UTF-16 text (big-endian)",
        hint: "convert it first, for example with `iconv -f UTF-16BE -t UTF-8`",
    },
];
const DAMAGED: &str = "copy the file again, or leave it out";

/// First bytes of a file, the kind of file they show, and a hint.
type Row = (&'static [u8], &'static str, &'static str);

/// First bytes that never occur in text.
const BINARY: &[Row] = &[
    (b"PK\x03\x04", "a zip archive", UNPACK),
    (b"PK\x05\x06", "an empty zip archive", UNPACK),
    (b"PK\x07\x08", "a part of a split zip archive", UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", UNPACK),
    (b"Rar!\x1a\x07", "a rar archive", UNPACK),
    (b"MSCF\0\0\0\0", "a cabinet archive", UNPACK),
    (b"\xed\xab\xee\xdb", "an RPM package", UNPACK),
    (b"Obj\x01", "an Avro file", CONVERT),
    (b"ARROW1\0\0", "an Arrow file", CONVERT),
    (b"\xff\xff\xff\xff\x10\0\0\0", "an Arrow stream", CONVERT),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file", CONVERT),
    (b"SQLite format 3\0", "an SQLite database", CONVERT),
    (b"GristSeq\x01", "a gristmill sequence file", "read it with the input format Sequence"),
    (b"\x93NUMPY", "a NumPy file", CONVERT),
    (b"\x1f\x9d", "data of the compress program (.Z)", GUNZIP),
    (b"\x1f\x1e", "data of the pack program (.z)", GUNZIP),
    (b"\x1f\xa0", "LZH data", DECOMPRESS),
    (b"\x1f\x8b", "damaged gzip data", DAMAGED),
    (b"\x22\xb5\x2f\xfd", "zstd data of an old format version", DECOMPRESS),
    (b"\xfd7zX", "damaged xz data", DAMAGED),
    (b"\x02\x21\x4c\x18", "lz4 data in the legacy format", "decompress it first, with `lz4 -d`"),
    (b"LZIP\x01", "lzip data", DECOMPRESS),
    (b"\x89LZO\0\r\n\x1a\n", "LZO data", DECOMPRESS),
    (b"LRZI\0", "lrzip data", DECOMPRESS),
    (b"\xff\x06\0\0sNaPpY", "snappy data", DECOMPRESS),
    (b"\x82SNAPPY\0", "snappy data", DECOMPRESS),
    (b"\xd4\xc3\xb2\xa1\x02\0\x04\0", "a packet capture", CONVERT),
    (b"\xa1\xb2\xc3\xd4\0\x02\0\x04", "a packet capture", CONVERT),
    (b"CDF\x01", "a NetCDF file", CONVERT),
    (b"CDF\x02", "a NetCDF file", CONVERT),
    (b"bplist00", "a binary property list", CONVERT),
    (b"\xac\xed\0\x05", "serialized Java objects", CONVERT),
    (b"ElfFile\0", "a Windows event log", CONVERT),
    (b"\0\x01\0\0Standard ", "an Access database", CONVERT),
    (b"\x80\x04\x95", "a Python pickle", CONVERT),
    (b"\x80\x05\x95", "a Python pickle", CONVERT),
    (b"OggS\0", "an audio or video file", NOT_TEXT),
    (b"fLaC\0", "an audio file", NOT_TEXT),
    (b"ID3\x02", "an audio file", NOT_TEXT),
    (b"ID3\x03", "an audio file", NOT_TEXT),
    (b"ID3\x04", "an audio file", NOT_TEXT),
    (b"II*\0", "an image", NOT_TEXT),
    (b"MM\0*", "an image", NOT_TEXT),
    (b"\x7fELF", "an executable", NOT_TEXT),
    (b"\0asm", "a WebAssembly module", NOT_TEXT),
    (b"\xca\xfe\xba\xbe", "a Java class", NOT_TEXT),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Microsoft Office document", NOT_TEXT),
    (b"\x89PNG\r\n\x1a\n", "an image", NOT_TEXT),
    (b"\xff\xd8\xff", "an image", NOT_TEXT),
    (b"%PDF-1.", "a PDF document", NOT_TEXT),
    (b"%PDF-2.", "a PDF document", NOT_TEXT),
    (b"\xff\xfe\0\0", "UTF-32 text", TO_UTF8_FROM_32),
    (b"\0\0\xfe\xff", "UTF-32 text", TO_UTF8_FROM_32),
    (b"\xff\xfe", "UTF-16 text", TO_UTF8),
    (b"\xfe\xff", "UTF-16 text", TO_UTF8),
];

/// First bytes that may also occur in text. They count only if the file also has bytes that never occur in text.
const PLAIN: &[Row] = &[
    (b"PAR1", "a Parquet file", CONVERT),
    (b"PARE", "an encrypted Parquet file", CONVERT),
    (b"ORC", "an ORC file", CONVERT),
    (b"FEA1", "a Feather file", CONVERT),
    (b"SEQ", "a Hadoop sequence file", CONVERT),
    (b"RCF", "an RCFile", CONVERT),
    (b"BZh", "damaged bzip2 data", DAMAGED),
    (b"BZ0", "data of the old bzip format", DECOMPRESS),
    (b"!<arch>\n", "an ar archive", UNPACK),
    (b"070701", "a cpio archive", UNPACK),
    (b"070702", "a cpio archive", UNPACK),
    (b"070707", "a cpio archive", UNPACK),
    (b"\xc7\x71", "a cpio archive", UNPACK),
    (b"\x71\xc7", "a cpio archive", UNPACK),
    (b"GIF87a", "an image", NOT_TEXT),
    (b"GIF89a", "an image", NOT_TEXT),
    (b"PACK", "a Git pack file", NOT_TEXT),
    (b"MZ", "an executable", NOT_TEXT),
    (b"xar!", "a xar archive", UNPACK),
    (b"REDIS0", "a Redis dump", CONVERT),
    (b"JAVA PROFILE ", "a heap dump", CONVERT),
    (b"RIFF", "an audio, image or video file", NOT_TEXT),
    (b"\n\r\r\n", "a packet capture", CONVERT),
    (b"M<\xb2\xa1", "a packet capture", CONVERT),
    (b"wOFF", "a font", NOT_TEXT),
    (b"wOF2", "a font", NOT_TEXT),
];

/// Name endings of compressed files without first bytes of their own.
const NAMED: &[(&str, &str, &str)] = &[
    (".br", "brotli data", DECOMPRESS),
    (".lzma", "LZMA data", DECOMPRESS),
    (".lzo", "LZO data", DECOMPRESS),
    (".snappy", "snappy data", DECOMPRESS),
    (".sz", "snappy data", DECOMPRESS),
    (".deflate", "deflate data", DECOMPRESS),
    (".zz", "zlib data", DECOMPRESS),
    (".z", "data of the compress program (.Z)", GUNZIP),
    (".lz", "lzip data", DECOMPRESS),
    (".zip", "a zip archive", UNPACK),
    (".7z", "a 7z archive", UNPACK),
    (".rar", "a rar archive", UNPACK),
    (".tar", "a tar archive", UNPACK),
    (".parquet", "a Parquet file", CONVERT),
    (".avro", "an Avro file", CONVERT),
    (".orc", "an ORC file", CONVERT),
];

/// Recognises a file that begins with `head` ([`HEAD_BYTES`], or all if it has fewer) and is called `name`; `None` if
/// it may be text. Text may hold any bytes, so only known kinds are recognised.
pub(super) fn recognise(head: &[u8], name: &[u8]) -> Option<Foreign> {
    let found = |what, hint| Some(Foreign { what, hint });
    let begins = |rows: &[Row]| rows.iter().find(|row| head.starts_with(row.0)).copied();
    // An archive may begin with the name of a member, which can be anything.
    if is_tar(head) {
        return found("a tar archive", UNPACK);
    }
    if let Some((_, what, hint)) = begins(BINARY) {
        return found(what, hint);
    }
    if head.first_chunk().is_some_and(|magic| is_skippable(*magic)) {
        return found("damaged zstd or lz4 data", DAMAGED);
    }
    if head.starts_with(&[0, 0, 0]) && head.get(4..8) == Some(b"ftyp") {
        return found("a video", NOT_TEXT);
    }
    if let Some(foreign) = without_mark(head) {
        return Some(foreign);
    }
    if is_lzma(head) {
        return found("LZMA data", DECOMPRESS);
    }
    if !head.iter().any(|byte| is_in_no_text(*byte)) {
        return None;
    }
    if let Some((_, what, hint)) = begins(PLAIN) {
        return found(what, hint);
    }
    if let Some(what) = damaged(head) {
        return found(what, DAMAGED);
    }
    if is_zlib(head) {
        return found("zlib data", DECOMPRESS);
    }
    let row = NAMED.iter().find(|(ending, ..)| has_ending(name, ending));
    row.and_then(|(_, what, hint)| found(what, hint))
}

/// Returns the compression that the name implies, if the bytes are something else. An empty file may have any name.
pub(super) fn misnamed(head: &[u8], codec: Option<Codec>, name: &[u8]) -> Option<Codec> {
    let said = Codec::of_name(name)?;
    (!head.is_empty() && codec != Some(said)).then_some(said)
}

/// Control characters that are not used to lay out text.
fn is_in_no_text(byte: u8) -> bool {
    matches!(byte, 0..=0x08 | 0x0e..=0x1a | 0x1c..=0x1f | 0x7f)
}

/// Returns whether the first block is the header of a file in an archive, with a valid checksum.
fn is_tar(head: &[u8]) -> bool {
    const CHECKSUM: std::ops::Range<usize> = 148..156;
    let Some(block) = head.first_chunk::<512>() else { return false };
    let digits = block[CHECKSUM].trim_ascii_start();
    let digits: Vec<u8> = digits.iter().copied().take_while(u8::is_ascii_digit).collect();
    let text = std::str::from_utf8(&digits).unwrap_or_default();
    let Ok(said) = u32::from_str_radix(text, 8) else { return false };
    let sum: u32 = block
        .iter()
        .enumerate()
        .map(|(at, byte)| if CHECKSUM.contains(&at) { u32::from(b' ') } else { u32::from(*byte) })
        .sum();
    said == sum
}

/// Recognises UTF-16 and UTF-32 without a byte order mark: every unit must be a character that occurs in text, and
/// there must be a newline, a tab or a space.
///
/// UTF-8 text may contain NULs, as in the output of `find -print0`. So the bytes must not be valid UTF-8 without
/// control characters other than NUL, unless every unit is ASCII.
fn without_mark(head: &[u8]) -> Option<Foreign> {
    if !head.contains(&0) {
        return None;
    }
    let quads = |unit: fn([u8; 4]) -> u32| -> Option<String> {
        head.as_chunks().0.iter().map(|bytes| char::from_u32(unit(*bytes))).collect()
    };
    let pairs = |unit: fn([u8; 2]) -> u16| -> Option<String> {
        let units: Vec<u16> = head.as_chunks().0.iter().map(|bytes| unit(*bytes)).collect();
        // The head may end between the two units of a character.
        let units = match units.split_last() {
            Some((0xd800..=0xdbff, rest)) => rest,
            _ => &units,
        };
        String::from_utf16(units).ok()
    };
    let texts = [
        quads(u32::from_le_bytes),
        quads(u32::from_be_bytes),
        pairs(u16::from_le_bytes),
        pairs(u16::from_be_bytes),
    ];
    let found = texts.iter().position(|text| text.as_ref().is_some_and(|text| is_text(text, head)));
    found.map(|at| WITHOUT_MARK[at])
}

/// Returns whether these characters are text, and are more likely to be text than the bytes that they were decoded
/// from.
fn is_text(text: &str, head: &[u8]) -> bool {
    const CHARACTERS_MIN: usize = 4;
    let is_plain = |c: char| match c {
        '\t' | '\n' | '\r' => true,
        // Private use, and noncharacters.
        '\u{e000}'..='\u{f8ff}' | '\u{fdd0}'..='\u{fdef}' | '\u{fffe}'..='\u{ffff}' => false,
        '\u{e0000}'.. => false,
        _ => !c.is_control(),
    };
    if text.chars().nth(CHARACTERS_MIN - 1).is_none()
        || !text.chars().all(is_plain)
        || !text.contains(['\n', '\t', ' '])
    {
        return false;
    }
    // If two bytes of ASCII text are read as one unit, the result is usually an ideograph.
    const ASCII_SHARE_MAX: (usize, usize) = (7, 8);
    let (share, whole) = ASCII_SHARE_MAX;
    let bytes = head.iter().filter(|byte| **byte != 0).count();
    let ascii = head.iter().filter(|byte| byte.is_ascii() && !is_in_no_text(**byte)).count();
    let is_in_none = |byte: &u8| *byte != 0 && is_in_no_text(*byte);
    let has_many_zeros = head.len() - bytes > head.len() / 3;
    let is_no_ascii = has_many_zeros || ascii * whole <= bytes * share;
    text.is_ascii() || (is_no_ascii && (head.iter().any(is_in_none) || !is_utf8(head)))
}

/// Returns whether these may be the first bytes of UTF-8 text.
fn is_utf8(head: &[u8]) -> bool {
    // `error_len` is `None` if the head ends within a character.
    std::str::from_utf8(head).map_or_else(|error| error.error_len().is_none(), |_| true)
}

/// Recognises compressed data that has one wrong byte in its magic number.
fn damaged(head: &[u8]) -> Option<&'static str> {
    const BEGINNINGS: [(&[u8], &str); 3] = [
        (b"\x28\xb5\x2f\xfd", "damaged zstd data"),
        (&LZ4_MAGIC, "damaged lz4 data"),
        (b"\xfd7zXZ\0", "damaged xz data"),
    ];
    let is_near = |magic: &[u8]| {
        let equal = magic.iter().zip(head).filter(|(expected, found)| expected == found).count();
        equal + 1 >= magic.len()
    };
    if let Some((_, what)) = BEGINNINGS.iter().find(|(magic, _)| is_near(magic)) {
        return Some(what);
    }
    // The magic number of gzip is short, so other fields of its header count too: flags, level and system.
    let is_header = |flags: u8, level: u8, system: u8| {
        flags & 0xe0 == 0 && matches!(level, 0 | 2 | 4) && matches!(system, 0..=13 | 0xff)
    };
    match head {
        [_, _, _, flags, _, _, _, _, level, system, ..]
            if is_near(b"\x1f\x8b\x08") && is_header(*flags, *level, *system) =>
        {
            Some("damaged gzip data")
        }
        // A bzip2 stream after its first four bytes.
        [_, _, _, _, b'1', b'A', b'Y', b'&', b'S', b'Y', ..] => Some("damaged bzip2 data"),
        // A skippable frame.
        [_, 0x2a, 0x4d, 0x18, ..] => Some("damaged zstd or lz4 data"),
        _ => None,
    }
}

/// Returns whether the file begins like zlib data, which has a header of two bytes with a checksum, and no magic
/// number.
fn is_zlib(head: &[u8]) -> bool {
    let Some((&[method, flags, block], _)) = head.split_first_chunk() else { return false };
    let has_dictionary = flags & 0x20 != 0;
    let is_block = block & 6 != 6;
    method == b'x'
        && u16::from_be_bytes([method, flags]) % 31 == 0
        && !has_dictionary
        && is_block
        && !is_utf8(head)
}

/// Returns whether the file begins like data of the `lzma` command, a predecessor of xz whose format has no magic
/// number.
fn is_lzma(head: &[u8]) -> bool {
    let Some((&[0x5d, 0, 0, third, fourth], rest)) = head.split_first_chunk() else { return false };
    let Some(size) = rest.first_chunk::<8>() else { return false };
    let dictionary = u32::from_le_bytes([0, 0, third, fourth]);
    let size = u64::from_le_bytes(*size);
    dictionary.count_ones() <= 2 && dictionary > 0 && (size == u64::MAX || size < 1 << 40)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the first block of an archive that holds a file of this name.
    fn tar(name: &[u8]) -> Vec<u8> {
        let mut block = vec![0; HEAD_BYTES];
        block[..name.len()].copy_from_slice(name);
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        block
    }

    fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(bytes).collect()
    }

    #[test]
    fn files_that_are_not_text_are_recognised() {
        let (little, big) = (utf16("a b\n", u16::to_le_bytes), utf16("line\n", u16::to_be_bytes));
        let (old, zip) = (tar(b"a.txt"), tar(b"PK\x03\x04"));
        let (accent, cyrillic) =
            (utf16("café au lait\n", u16::to_le_bytes), utf16("дом мир\n", u16::to_be_bytes));
        let japanese = utf16("日本語 テキスト\n", u16::to_le_bytes);
        let wide: Vec<u8> = "a ü🦀\n".chars().flat_map(|c| u32::from(c).to_le_bytes()).collect();
        let cut = &utf16("crab 🦀", u16::to_le_bytes)[..12];
        let tabs = utf16("a\tb\tc", u16::to_le_bytes);
        let table: [(&[u8], &str, &str); 38] = [
            (b"PK\x03\x04\x14\0", "a.docx", "a zip archive"),
            (&old, "a", "a tar archive"),
            (&zip, "a", "a tar archive"),
            (b"PAR1\x15\x04\x15\x10", "a", "a Parquet file"),
            (b"ORC\x11\0\0", "a", "an ORC file"),
            (b"Obj\x01\x04", "a", "an Avro file"),
            (b"SEQ\x06!org.apache", "a", "a Hadoop sequence file"),
            (b"\x1f\x9d\x90a", "a.Z", "data of the compress program (.Z)"),
            (b"\x1f\x8b\x07\0", "a", "damaged gzip data"),
            (b"\x28\xb5\x2f\xfc\x04", "a", "damaged zstd data"),
            (b"\x5e\x2a\x4d\x18\0\0\0\0abcd", "a", "damaged zstd or lz4 data"),
            (b"\x78\x9c\x4b\x54\x48\x52\x48\xe4\x02\0", "part-0", "zlib data"),
            (b"\x78\xda\x4b\x54\x48\x52\x48\xe4\x02\0", "a", "zlib data"),
            (b"\x78\x01\x01\x05\0\xfa\xffa b a", "a", "zlib data"),
            (b"\x80\x04\x95\x0b\0\0\0", "a.pkl", "a Python pickle"),
            (b"RIFF\x24\0\0\0WAVE", "a", "an audio, image or video file"),
            (b"\0\0\0\x18ftypmp42", "a", "a video"),
            (b"ID3\x03\0\0", "a", "an audio file"),
            (b"\n\r\r\n\x4c\0\0\0", "a", "a packet capture"),
            (b"CDF\x01\0\0\0", "a", "a NetCDF file"),
            (b"\xac\xed\0\x05sr", "a", "serialized Java objects"),
            (&tabs, "a", "UTF-16 text (little-endian)"),
            (b"BZh91AY&SX\x01\x02", "a", "damaged bzip2 data"),
            (b"AZh91AY&SY\x01\x02", "a", "damaged bzip2 data"),
            (b"\xfd7zXY\0", "a", "damaged xz data"),
            (b"\xff\xfea\0", "a", "UTF-16 text"),
            (b"\xff\xfe\0\0a\0\0\0", "a", "UTF-32 text"),
            (&little, "a", "UTF-16 text (little-endian)"),
            (&big, "a", "UTF-16 text (big-endian)"),
            (&accent, "a", "UTF-16 text (little-endian)"),
            (&cyrillic, "a", "UTF-16 text (big-endian)"),
            (&japanese, "a", "UTF-16 text (little-endian)"),
            (cut, "a", "UTF-16 text (little-endian)"),
            (&wide, "a", "UTF-32 text (little-endian)"),
            (b"\x5d\0\0\x80\0\xff\xff\xff\xff\xff\xff\xff\xff\0", "a", "LZMA data"),
            (b"\x8b\x02\x80hello\n\x03", "a.BR", "brotli data"),
            (b"GristSeq\x01\0\0\0", "a", "a gristmill sequence file"),
            (b"\x7fELF\x02", "a", "an executable"),
        ];
        for (head, name, what) in table {
            let found = recognise(head, name.as_bytes());
            assert_eq!(found.map(|found| found.what), Some(what), "{head:?}");
        }
    }

    #[test]
    fn hint_for_text_without_a_mark_names_its_byte_order() {
        for (head, order) in [
            (utf16("a b\n", u16::to_le_bytes), "UTF-16LE"),
            (utf16("é b\n", u16::to_be_bytes), "UTF-16BE"),
            ("a b\n".chars().flat_map(|c| u32::from(c).to_be_bytes()).collect(), "UTF-32BE"),
        ] {
            let found = recognise(&head, b"a").expect("it is not UTF-8");
            assert!(found.hint.contains(order), "{found:?}");
        }
    }

    #[test]
    fn text_is_never_taken_for_another_format() {
        let table: [(&[u8], &str); 25] = [
            (b"", "a.zip"),
            (b"PK is how zip begins\n", "a"),
            (b"PAR1 is how Parquet begins\n", "a"),
            (b"ORC, an enemy\n", "a"),
            (b"SEQUENCE 1\n", "a"),
            (b"BZh9 is how bzip2 begins", "a"),
            (b"070701 is a number\n", "a"),
            (b"a\0b\0c\0d\0e\0", "a"),
            (b"\0\0\0\0\0\0\0\0", "a"),
            (b"./one \0./two\0", "a"),
            (b"ab\n\0cd\n\0", "a"),
            ("grüne \0Häuser\0".as_bytes(), "a"),
            (b"\x01\0\x02\0\x0a\0\x20\0", "a"),
            (b"\xef\xbb\xbfa\n", "a"),
            (b"text\n", "a.zip"),
            (b"text\n", "a.br"),
            ("grün\n".as_bytes(), "a.Z"),
            (b"\x1b[31mred\x1b[0m\n", "a.tar"),
            (b"ustar\n", "a.tar"),
            (b"]\0\0\n", "a"),
            (b"x^2\0y^2\0", "a"),
            (b"x\x9cvre \xe0 l'ancienne\n", "a"),
            (b"(/ and )\0", "a"),
            (b"\n\r\r\n", "a"),
            (b"RIFF and RAFF\n", "a"),
        ];
        for (head, name) in table {
            assert_eq!(recognise(head, name.as_bytes()), None, "{head:?}");
        }
        assert_eq!(recognise(&[b'7'; HEAD_BYTES], b"a"), None);
        assert_eq!(recognise(&[b' '; HEAD_BYTES], b"a"), None);
    }

    #[test]
    fn name_with_another_compression_is_detected() {
        for (head, codec, name, expected) in [
            (&b"x"[..], None, "a.gz", Some(Codec::Gzip)),
            (b"x", Some(Codec::Zstd), "a.gz", Some(Codec::Gzip)),
            (b"x", Some(Codec::Gzip), "a.gz", None),
            (b"x", Some(Codec::Gzip), "a.txt", None),
            (b"", None, "a.gz", None),
        ] {
            assert_eq!(misnamed(head, codec, name.as_bytes()), expected, "{name}");
        }
    }
}
