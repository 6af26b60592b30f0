//! Messages between two processes of one cluster: plain data in bincode, and the version of the protocol.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::field::{decode, encode};
use crate::rpc::check::invalid;
use crate::rpc::pb::Packed;
use crate::rpc::refusal::Refusal;

/// The version of these messages, raised whenever one of their types changes.
pub(super) const PROTOCOL: u32 = 1;

/// Refuses a message of another version.
pub(super) fn check_version(what: &str, version: u32) -> Result<(), Refusal> {
    if version == PROTOCOL {
        return Ok(());
    }
    Err(invalid(format!(
        "{what} has version {version} of the protocol, but this process speaks version {PROTOCOL}\nhint: run the \
         same version of gristmill on all machines of the cluster"
    )))
}

impl Packed {
    /// Packs a message.
    pub(in crate::rpc) fn of<M: Serialize>(message: &M) -> Self {
        Self { protocol: PROTOCOL, bincode: encode(message) }
    }

    /// Unpacks a message. `what` names it for errors.
    pub(in crate::rpc) fn open<M: DeserializeOwned>(&self, what: &str) -> Result<M, Refusal> {
        check_version(what, self.protocol)?;
        decode(what, &self.bincode)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_versions_and_damaged_messages_are_refused() {
        let packed = Packed::of(&(7_u32, "w4".to_string()));
        assert_eq!(packed.open("a poll"), Ok((7_u32, "w4".to_string())));
        let newer = Packed { protocol: PROTOCOL + 1, ..packed.clone() };
        let refused = newer.open::<(u32, String)>("a poll").unwrap_err().to_string();
        assert!(
            refused.starts_with(
                "a poll has version 2 of the protocol, but this process speaks version 1\nhint: "
            ),
            "{refused}"
        );
        for bincode in [packed.bincode[..9].to_vec(), [&packed.bincode[..], b"x"].concat()] {
            let damaged = Packed { bincode, ..packed.clone() };
            let refused = damaged.open::<(u32, String)>("a poll").unwrap_err().to_string();
            assert!(refused.starts_with("a poll cannot be decoded: "), "{refused}");
        }
    }
}
