//! Cuts input files into splits and records, and turns records into the bytes of output parts.
//!
//! ```text
//! files ── plan ──▶ splits ── Source ──▶ bytes ── Input ──▶ records            (before the map)
//!                                                 records ── Writes ──▶ bytes  (after the reduce)
//! ```
//!
//! [`plan`] cuts at byte offsets, without regard to records. An [`Input`] finds the records of each range. A record
//! belongs to the range that holds its first byte. The records are therefore the same wherever the cuts are, and each
//! is read once. An [`Input`] reads through a [`Source`]: a window over one range of one file, which also decompresses
//! gzip, zstd, bzip2, xz and lz4.
//!
//! | reads | record | | writes | file |
//! |---|---|---|---|---|
//! | [`Lines`] | `&Text`, any bytes | | [`TextLines`] | `.txt`, a record per line |
//! | [`Utf8Lines`] | `&str` | | [`Tsv`] | `.tsv`, fields between tabs |
//! | [`JsonLines<T>`](JsonLines) | `T` | | [`Json`] | `.jsonl`, a value per line |
//! | [`Fixed<N>`](Fixed) | `&[u8; N]` | | [`Raw`] | `.bin`, bytes back to back |
//! | [`Sequence<K, V>`](Sequence) | `(K, V)` | | [`Seq`] | `.seq`, typed, checksummed, splittable |
//! | [`Whole<F>`](Whole) | as `F`, never split | | [`Gzip<O>`](Gzip) | `.gz` around any of these |
//! | [`Either<A, B>`](Either) | of `A` or of `B` | | | |
//!
//! Users can add formats of their own: an input format implements [`Input`], and an output format implements
//! [`Output`] and [`Writes`].

mod either;
mod error;
mod field;
mod fixed;
mod gzip;
mod input;
mod json;
mod lines;
mod output;
pub mod plan;
mod sequence;
pub mod source;
#[cfg(test)]
mod split_law;
mod text_lines;
mod tsv;
mod utf8_lines;
mod whole;

pub use either::Either;
pub use error::Error;
pub use field::{Field, Row};
pub use fixed::Fixed;
pub use gzip::Gzip;
pub use input::{Input, Last};
pub use json::{Json, JsonLines};
pub use lines::Lines;
pub use output::{Output, Writes};
pub use sequence::{Seq, Sequence};
pub use source::Source;
pub use text_lines::{Raw, TextLines};
pub use tsv::Tsv;
pub use utf8_lines::Utf8Lines;
pub use whole::Whole;
