//! Serializes a path as raw bytes, because a path need not be UTF-8.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Serializes a path, for `#[serde(with = "path_bytes")]`.
///
/// # Errors
/// The serializer's errors.
pub fn serialize<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    path.as_os_str().as_bytes().serialize(serializer)
}

/// Deserializes a path, for `#[serde(with = "path_bytes")]`.
///
/// # Errors
/// The deserializer's errors.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
    Ok(OsString::from_vec(Vec::deserialize(deserializer)?).into())
}

/// Serialization of a path that may be absent.
pub mod option {
    use super::{
        Deserialize, Deserializer, OsStrExt, OsString, OsStringExt, PathBuf, Serialize, Serializer,
    };

    /// Serializes an optional path, for `#[serde(with = "path_bytes::option")]`.
    ///
    /// # Errors
    /// The serializer's errors.
    pub fn serialize<S: Serializer>(
        path: &Option<PathBuf>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        path.as_ref().map(|path| path.as_os_str().as_bytes()).serialize(serializer)
    }

    /// Deserializes an optional path, for `#[serde(with = "path_bytes::option")]`.
    ///
    /// # Errors
    /// The deserializer's errors.
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<PathBuf>, D::Error> {
        let bytes: Option<Vec<u8>> = Option::deserialize(deserializer)?;
        Ok(bytes.map(|bytes| OsString::from_vec(bytes).into()))
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;

    #[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
    struct Paths {
        #[serde(with = "super")]
        one: PathBuf,
        #[serde(with = "super::option")]
        other: Option<PathBuf>,
    }

    #[test]
    fn paths_that_are_not_utf8_survive() {
        let path = PathBuf::from(OsStr::from_bytes(b"/data/\xff"));
        for other in [None, Some(path.clone())] {
            let paths = Paths { one: path.clone(), other };
            let bytes = bincode::serialize(&paths).expect("it is written");
            assert_eq!(bincode::deserialize::<Paths>(&bytes).expect("it is read"), paths);
        }
    }
}
