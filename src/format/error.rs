//! Errors of reading files as records, and of writing records.

use std::io;

use super::source::Codec;
use crate::model::{Location, add_place};
use crate::storage;

/// Error of reading a file as records, or of writing a record.
///
/// Offsets count the bytes of the decoded file, unless stated otherwise. Excerpts are already escaped and shortened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file could not be opened, or is not the one that was listed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
    /// The file was opened but could not be read.
    #[error("{}", add_place(&format!("cannot read input at byte {offset}: {cause}"), location))]
    Read {
        /// The file.
        location: Location,
        /// How far reading had come, in bytes of the file as stored.
        offset: u64,
        /// The system's error.
        cause: io::Error,
    },
    /// Compressed data is truncated or damaged.
    #[error(
        "{}\nhint: copy the file again, or leave it out",
        add_place(
            &format!("{codec} data is truncated or corrupt at byte {offset} of the compressed file: {cause}"),
            location
        )
    )]
    Compressed {
        /// The file.
        location: Location,
        /// Its compression.
        codec: Codec,
        /// How far decoding had come, in bytes of the compressed file.
        offset: u64,
        /// The decoder's error.
        cause: io::Error,
    },
    /// A file that must be text is not.
    #[error("the input format cannot read {what}: {location}\nhint: {hint}")]
    NotText {
        /// The file.
        location: Location,
        /// What it is, such as `a zip archive`.
        what: &'static str,
        /// What to do about it.
        hint: &'static str,
    },
    /// The decompressed content of a text file is compressed again.
    #[error(
        "input is compressed twice: its {codec} data contains compressed data: \
         {location}\nhint: remove one layer of compression first"
    )]
    CompressedTwice {
        /// The file.
        location: Location,
        /// The outer compression.
        codec: Codec,
    },
    /// The name of a file implies a compression that its bytes do not have.
    #[error(
        "input is named like {named} data, but {}: {location}\nhint: copy it again if it is damaged, \
         or rename it",
        begins_like(*.codec, *.named)
    )]
    Misnamed {
        /// The file.
        location: Location,
        /// The compression that its name implies.
        named: Codec,
        /// The compression of its bytes.
        codec: Option<Codec>,
    },
    /// A record does not end within the limit.
    #[error(
        "record is longer than the limit of {limit} bytes: {location} at byte {offset}\nhint: \
         split it into shorter records, or leave the file out"
    )]
    RecordTooLong {
        /// The file.
        location: Location,
        /// Where the record begins.
        offset: u64,
        /// The limit in bytes.
        limit: usize,
    },
    /// A line that must be UTF-8 is not.
    #[error(
        "text is not UTF-8 at byte {offset}: {location}\nhint: use Lines, whose text may hold any bytes, or convert the file"
    )]
    Utf8 {
        /// The file.
        location: Location,
        /// The offset of the first byte that is not UTF-8.
        offset: u64,
    },
    /// The file's size is not a multiple of the record length.
    #[error(
        "size of {size} bytes is not a multiple of the record length of {record_bytes} bytes: {location}\nhint: \
         check that the file is complete and has this format"
    )]
    PartialRecord {
        /// The file.
        location: Location,
        /// Its size (after decompression).
        size: u64,
        /// The length of a record.
        record_bytes: usize,
    },
    /// A line is not the JSON that the job expects.
    #[error("bad JSON: {problem} in column {column} of `{excerpt}`: {location} at byte {offset}")]
    Json {
        /// The file.
        location: Location,
        /// Where the line begins.
        offset: u64,
        /// Column in the line, in bytes from 1; 0 if unknown.
        column: usize,
        /// The beginning of the line.
        excerpt: String,
        /// The parser's error.
        problem: String,
    },
    /// The bytes violate the format. Formats of users create this error with [`Source::error`].
    ///
    /// [`Source::error`]: super::Source::error
    #[error("{problem}: {location} at byte {offset}")]
    Malformed {
        /// The file.
        location: Location,
        /// The offset of the problem.
        offset: u64,
        /// What is wrong.
        problem: String,
        /// Whether only this record is lost, and the next one can still be read.
        one_record: bool,
    },
    /// A field to write contains a separator.
    #[error(
        "field {number} holds a {byte}, which TSV cannot represent: `{excerpt}`\nhint: write \
         JSON lines instead (Json)"
    )]
    Field {
        /// The field's number, from 1.
        number: usize,
        /// `tab`, `newline` or `carriage return`.
        byte: &'static str,
        /// The field's beginning.
        excerpt: String,
    },
    /// A line to write contains a newline.
    #[error("line holds a newline: `{excerpt}`\nhint: write JSON lines instead (Json)")]
    Line {
        /// The line's beginning.
        excerpt: String,
    },
    /// The format cannot represent a record.
    #[error("cannot write record as {format}: {problem}")]
    Encode {
        /// The format's name.
        format: &'static str,
        /// The encoder's error.
        problem: String,
    },
}

fn begins_like(codec: Option<Codec>, named: Codec) -> String {
    match codec {
        Some(codec) => format!("begins like {codec} data"),
        None => format!("does not begin like {named} data"),
    }
}

impl Error {
    /// Returns whether the content of the input is the cause, so that every retry would fail in the same way.
    pub fn blames_input(&self) -> bool {
        match self {
            Self::Storage(error) => matches!(error, storage::Error::InputChanged { .. }),
            Self::NotText { .. }
            | Self::CompressedTwice { .. }
            | Self::Misnamed { .. }
            | Self::Compressed { .. }
            | Self::RecordTooLong { .. }
            | Self::PartialRecord { .. } => true,
            Self::Malformed { one_record, .. } => !one_record,
            _ => false,
        }
    }

    /// Returns whether only one record is lost: [`Input::next`](super::Input::next) may be called again and continues
    /// after it.
    pub fn spoils_one_record(&self) -> bool {
        matches!(
            self,
            Self::Utf8 { .. } | Self::Json { .. } | Self::Malformed { one_record: true, .. }
        )
    }
}
