//! Computes digests, which identify artifacts such as a job's executable.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use xxhash_rust::xxh3::Xxh3;

use super::artifacts::{ARTIFACT_BYTES_MAX, Digest};

/// Bytes read from a file at once.
const READ_BYTES: usize = 256 << 10;

impl Digest {
    /// The digest of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(xxhash_rust::xxh3::xxh3_128(bytes))
    }
}

/// Computes the digest of bytes that arrive in pieces.
#[derive(Clone, Default)]
pub struct Digester {
    hash: Xxh3,
    bytes: u64,
}

impl Digester {
    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
    }

    /// Number of bytes so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The digest of all bytes so far.
    pub fn digest(&self) -> Digest {
        Digest(self.hash.digest128())
    }
}

/// The digest of a file's bytes, which are to become an artifact.
///
/// # Errors
/// What the operating system says; [`io::ErrorKind::FileTooLarge`] if they are too many for an artifact.
pub fn digest_of_file(path: &Path) -> io::Result<Digest> {
    let mut file = File::open(path)?;
    let (mut digester, mut buffer) = (Digester::default(), vec![0; READ_BYTES]);
    // The size of a regular file is known before it is read. Something without a size, such as a device, may never
    // end.
    let mut bytes = file.metadata()?.len();
    loop {
        if bytes > ARTIFACT_BYTES_MAX {
            let message =
                format!("the file is larger than the limit of {ARTIFACT_BYTES_MAX} bytes");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
        }
        match file.read(&mut buffer)? {
            0 => return Ok(digester.digest()),
            read => digester.update(&buffer[..read]),
        }
        bytes = digester.bytes();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_of_pieces_equals_that_of_the_whole_and_is_fixed() {
        let mut digester = Digester::default();
        digester.update(b"grist");
        digester.update(b"mill");
        assert_eq!((digester.digest(), digester.bytes()), (Digest::of(b"gristmill"), 9));
        assert_eq!(Digest::of(b"").to_string(), "99aa06d3014798d86001c324468d497f");
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"gristmill").unwrap();
        assert_eq!(digest_of_file(file.path()).unwrap(), Digest::of(b"gristmill"));
    }

    #[test]
    fn file_too_large_for_an_artifact_is_not_read() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(ARTIFACT_BYTES_MAX + 1).unwrap();
        let refused = digest_of_file(file.path()).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::FileTooLarge, "{refused}");
    }
}
