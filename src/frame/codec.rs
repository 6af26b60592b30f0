//! Encodes messages as frames: a length as little-endian `u32`, followed by the message in bincode.

use bincode::Options;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Error, FRAME_BYTES_MAX};

/// Bytes of the length before each message.
pub const LENGTH_BYTES: usize = 4;

/// Encodes a message as a frame, including its length.
///
/// # Errors
/// [`Error::TooLong`], or a message that bincode cannot write.
pub fn encode<M: Serialize>(message: &M) -> Result<Vec<u8>, Error> {
    let mut frame = vec![0; LENGTH_BYTES];
    options().serialize_into(&mut frame, message).map_err(|cause| Error::Unwritable { cause })?;
    let bytes = (frame.len() - LENGTH_BYTES) as u64;
    let length = u32::try_from(bytes).ok().filter(|&bytes| bytes <= FRAME_BYTES_MAX);
    let too_long = || Error::TooLong { bytes, max: FRAME_BYTES_MAX.into() };
    frame[..LENGTH_BYTES].copy_from_slice(&length.ok_or_else(too_long)?.to_le_bytes());
    Ok(frame)
}

/// Returns how many bytes of message follow this length.
///
/// # Errors
/// [`Error::TooLong`], before any memory is allocated for the message.
pub fn message_bytes(length: [u8; LENGTH_BYTES]) -> Result<usize, Error> {
    let bytes = u32::from_le_bytes(length);
    if bytes > FRAME_BYTES_MAX {
        return Err(Error::TooLong { bytes: bytes.into(), max: FRAME_BYTES_MAX.into() });
    }
    Ok(bytes as usize)
}

/// Decodes the message of a frame; `message` is everything after the length.
///
/// # Errors
/// [`Error::Unknown`], also if bytes are left over.
pub fn decode<M: DeserializeOwned>(message: &[u8]) -> Result<M, Error> {
    let unknown = |cause| Error::Unknown { bytes: message.len(), cause };
    options().deserialize(message).map_err(unknown)
}

fn options() -> impl Options {
    bincode::DefaultOptions::new().with_fixint_encoding().with_limit(2 * u64::from(FRAME_BYTES_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::ToExecutor;

    #[test]
    fn a_frame_is_a_length_and_bincode() {
        let frame = encode(&ToExecutor::Hello { version: 0x0102 }).unwrap();
        assert_eq!(frame, [8, 0, 0, 0, 0, 0, 0, 0, 2, 1, 0, 0]);
        assert_eq!(message_bytes([8, 0, 0, 0]).unwrap(), 8);
        let back: ToExecutor = decode(&frame[LENGTH_BYTES..]).unwrap();
        assert_eq!(back, ToExecutor::Hello { version: 0x0102 });
    }

    #[test]
    fn frames_that_are_too_long_or_hold_something_else_are_refused() {
        let error = message_bytes([0xff; 4]).unwrap_err().to_string();
        assert_eq!(error, "a frame of 4294967295 bytes exceeds the limit of 268435456 bytes");
        let long = vec![0_u8; FRAME_BYTES_MAX as usize];
        let error = encode(&long).unwrap_err().to_string();
        assert_eq!(error, "a frame of 268435464 bytes exceeds the limit of 268435456 bytes");

        let unknown = decode::<ToExecutor>(&[9, 0, 0, 0]).unwrap_err();
        assert!(matches!(unknown, Error::Unknown { bytes: 4, .. }), "{unknown}");
        let left_over = decode::<ToExecutor>(&[0; 9]).unwrap_err();
        assert!(matches!(left_over, Error::Unknown { bytes: 9, .. }), "{left_over}");
        // A list that claims to be longer than the frame.
        let claims = decode::<Vec<u64>>(&[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]).unwrap_err();
        assert!(matches!(claims, Error::Unknown { .. }), "{claims}");
    }
}
