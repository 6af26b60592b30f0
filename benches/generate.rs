//! Generates input files for the benchmarks. The same arguments always give the same bytes.
//!
//! ```text
//! cargo bench --bench generate -- words FILE BYTES       ten words a line, Zipf(1) over a million words
//! cargo bench --bench generate -- records FILE BYTES     100 bytes each: ten random printable ones, then filler
//! cargo bench --bench generate -- access-log FILE BYTES  a few hosts ask often, many ask seldom
//! ```

use std::fs::File;
use std::io::{BufWriter, Write};
use std::process::ExitCode;

type Done = Result<(), Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let done = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["words", file, bytes] => generate(file, bytes, words),
        ["records", file, bytes] => generate(file, bytes, record),
        ["access-log", file, bytes] => generate(file, bytes, access),
        // `cargo bench` and `cargo test --benches` run this without arguments, and expect success.
        _ => {
            println!("usage: cargo bench --bench generate -- words|records|access-log FILE BYTES");
            return ExitCode::SUCCESS;
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

/// Writes whole lines until the file has at least `bytes` bytes.
fn generate(file: &str, bytes: &str, line: fn(&mut Random, &mut Vec<u8>)) -> Done {
    let bytes: u64 = bytes.parse()?;
    let mut out = BufWriter::with_capacity(1 << 20, File::create(file)?);
    let (mut random, mut written, mut buffer) = (Random(7), 0, Vec::new());
    while written < bytes {
        buffer.clear();
        line(&mut random, &mut buffer);
        written += buffer.len() as u64;
        out.write_all(&buffer)?;
    }
    Ok(out.flush()?)
}

/// splitmix64 (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ z >> 31
    }

    /// Returns a number from 0 to just below 1.
    fn uniform(&mut self) -> f64 {
        (self.next() >> 40) as f64 / (1u64 << 24) as f64
    }
}

fn words(random: &mut Random, line: &mut Vec<u8>) {
    const VOCABULARY: f64 = 1e6;
    for i in 0..10 {
        // Log-uniform ranks: the continuous form of Zipf's law with exponent one.
        let rank = VOCABULARY.powf(random.uniform()) as u64;
        let mut letters = Random(rank);
        for _ in 0..3 + letters.next() % 8 {
            line.push(b'a' + (letters.next() % 26) as u8);
        }
        line.push(if i == 9 { b'\n' } else { b' ' });
    }
}

fn record(random: &mut Random, line: &mut Vec<u8>) {
    for _ in 0..10 {
        line.push(b' ' + (random.next() % 95) as u8);
    }
    line.extend_from_slice(format!("{:032x}", random.next()).as_bytes());
    line.resize(99, b'A' + (random.next() % 26) as u8);
    line.push(b'\n');
}

fn access(random: &mut Random, line: &mut Vec<u8>) {
    const HOSTS: f64 = 200_000.0;
    let host = (random.uniform().powi(8) * HOSTS) as u64;
    let n = random.next();
    let status = [200, 200, 200, 200, 200, 304, 404, 301, 500, 206][(n % 10) as usize];
    let (page, second, size) = (n % 5000, n >> 13 & 0xFFFF, n >> 29 & 0xFFFF);
    let (h, m, s) = (second / 3600 % 24, second / 60 % 60, second % 60);
    let entry = format!(
        "host-{host}.example.net - - [23/Nov/2026:{h:02}:{m:02}:{s:02} +0000] \"GET /page/{page} HTTP/1.1\" {status} {size}\n"
    );
    line.extend_from_slice(entry.as_bytes());
}
