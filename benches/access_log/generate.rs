//! Makes an access log: a few hosts ask often, many ask seldom, as in real ones. The same bytes every time.

use std::fs::File;
use std::io::{BufWriter, Write};

const HOSTS: u64 = 200_000;

/// Writes about so many bytes.
pub(crate) fn generate(file: &str, bytes: &str) -> Result<(), Box<dyn std::error::Error>> {
    let bytes: u64 = bytes.parse()?;
    let mut out = BufWriter::new(File::create(file)?);
    let (mut state, mut written, mut second) = (7u64, 0, 0u64);
    while written < bytes {
        // splitmix64 (Steele, Lea, Flood 2014).
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut random = state;
        random = (random ^ random >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        random = (random ^ random >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        random ^= random >> 31;
        // Squaring a uniform number thrice favours small ones.
        let uniform = (random >> 40) as f64 / (1u64 << 24) as f64;
        let host = (uniform.powi(8) * HOSTS as f64) as u64;
        let status = [200, 200, 200, 200, 200, 304, 404, 301, 500, 206][(random % 10) as usize];
        let size = random >> 8 & 0xFFFF;
        second += random & 1;
        let (h, m, s) = (second / 3600 % 24, second / 60 % 60, second % 60);
        let line = format!(
            "host-{host}.example.net - - [23/Nov/2026:{h:02}:{m:02}:{s:02} +0000] \"GET /page/{} HTTP/1.1\" {status} {size}\n",
            random % 5000
        );
        written += line.len() as u64;
        out.write_all(line.as_bytes())?;
    }
    Ok(out.flush()?)
}
