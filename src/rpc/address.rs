//! Addresses of masters and workers. Only loopback addresses are accepted, until traffic is encrypted.

use std::net::{Ipv4Addr, SocketAddr};

use crate::model::{TEXT_CHARS_MAX, escape};

/// Port of a cluster's first master, unless another is named.
pub const PORT: u16 = 7400;

/// Reads `127.0.0.1:7400`, `[::1]:7400` or `localhost:7400`; a port of 0 leaves the choice to the system.
///
/// # Errors
/// Says what is wrong with the address, or why an address on another machine is refused.
pub fn parse(text: &str) -> Result<SocketAddr, String> {
    let shown = || escape(text.as_bytes(), TEXT_CHARS_MAX);
    let numeric = match text.strip_prefix("localhost:") {
        Some(port) => port.parse().ok().map(|port: u16| (Ipv4Addr::LOCALHOST, port).into()),
        None => text.parse::<SocketAddr>().ok(),
    };
    let Some(address) = numeric else {
        return Err(format!("`{}` is not an address\nhint: write it as 127.0.0.1:{PORT}", shown()));
    };
    if !address.ip().is_loopback() {
        return Err(format!(
            "{} is not on this machine; only local addresses are accepted, because traffic is not encrypted or authenticated yet\nhint: use 127.0.0.1:PORT",
            shown()
        ));
    }
    Ok(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_of_this_machine() {
        for (text, address) in [
            ("127.0.0.1:7400", "127.0.0.1:7400"),
            ("127.8.9.1:0", "127.8.9.1:0"),
            ("localhost:7401", "127.0.0.1:7401"),
            ("[::1]:7400", "[::1]:7400"),
        ] {
            assert_eq!(parse(text).unwrap().to_string(), address, "{text}");
        }
        for (text, reason) in [
            ("", "not an address"),
            ("127.0.0.1", "not an address"),
            ("localhost", "not an address"),
            ("localhost:70000", "not an address"),
            ("example.com:7400", "not an address"),
            ("0.0.0.0:7400", "is not on this machine"),
            ("[::]:7400", "is not on this machine"),
            ("192.168.0.1:7400", "is not on this machine"),
        ] {
            let said = parse(text).unwrap_err();
            assert!(said.contains(reason), "{text}: {said}");
        }
    }
}
