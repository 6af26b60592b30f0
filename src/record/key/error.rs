//! Why a key could not be encoded or decoded.

use std::fmt::Display;

use super::DEPTH_MAX;

/// Error of encoding or decoding a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The type's own `Serialize` or `Deserialize` failed.
    #[error("{message}")]
    Refused {
        /// Its message.
        message: String,
    },
    /// The bytes end before the key does.
    #[error("the key ends too early")]
    Truncated,
    /// The key ends before the bytes do.
    #[error("unexpected data after the key ({bytes} bytes)")]
    Trailing {
        /// The number of bytes that are left.
        bytes: usize,
    },
    /// A byte or number is not valid at its position.
    #[error("{found:#x} is not a valid {wanted}")]
    Unexpected {
        /// What should be there.
        wanted: &'static str,
        /// What is there.
        found: u32,
    },
    /// The bytes of a `str` or `String` are not UTF-8.
    #[error(
        "text in a key is not UTF-8 at byte {valid_bytes}\nhint: use a key of type Text, which may hold any bytes"
    )]
    NotUtf8 {
        /// The number of valid bytes before the first invalid one.
        valid_bytes: usize,
    },
    /// A sequence or map has more elements than its type accepts.
    #[error("the key has more elements than its type accepts")]
    ElementsLeft,
    /// The key is nested too deeply, possibly because its bytes are damaged.
    #[error("the key is nested deeper than {DEPTH_MAX} levels")]
    TooDeep,
    /// The type depends on information that key bytes do not hold.
    #[error(
        "encoded keys contain no names or types, so a key type cannot have the serde attributes \
         `untagged`, `flatten` and others that need them"
    )]
    SelfDescribing,
    /// The key's `Serialize` skips a field.
    #[error(
        "field `{field}` of a key cannot be skipped, because the encoded key would not show that"
    )]
    SkippedField {
        /// The field.
        field: &'static str,
    },
    /// The group of a grouped key is too long for its length to be stored.
    #[error("the group of a key has {bytes} bytes; the limit is {} bytes", u32::MAX)]
    GroupTooLong {
        /// Its length.
        bytes: usize,
    },
}

impl serde::ser::Error for Error {
    #[cold]
    fn custom<T: Display>(message: T) -> Self {
        Self::Refused { message: message.to_string() }
    }
}

impl serde::de::Error for Error {
    #[cold]
    fn custom<T: Display>(message: T) -> Self {
        Self::Refused { message: message.to_string() }
    }
}
