//! The access-log task without Gristmill: reads the whole file into memory, and computes the sums in fast hash maps on
//! all threads.

use std::collections::HashMap;
use std::fs::File;
use std::hash::{BuildHasherDefault, Hasher};
use std::io::{BufWriter, Write};
use std::os::unix::fs::FileExt;

use rayon::prelude::*;

type Key<'a> = (&'a [u8], u16);
type Map<'a> = HashMap<Key<'a>, (u64, u64), BuildHasherDefault<FastHasher>>;

/// Hashes eight bytes at a time with a rotation and a multiplication, as rustc's own hasher does.
#[derive(Default)]
struct FastHasher(u64);

impl Hasher for FastHasher {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.write_u64(u64::from_le_bytes(*word));
        }
        for byte in rest {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u16(&mut self, n: u16) {
        self.write_u64(u64::from(n));
    }

    fn write_usize(&mut self, n: usize) {
        self.write_u64(n as u64);
    }

    fn write_u64(&mut self, n: u64) {
        self.0 = (self.0.rotate_left(5) ^ n).wrapping_mul(0x517C_C1B7_2722_0A95);
    }

    fn finish(&self) -> u64 {
        self.0 ^ self.0 >> 32
    }
}

/// Reads `input`, writes `host<TAB>status<TAB>bytes<TAB>requests` sorted by host and status.
pub(crate) fn run(
    input: &str,
    output: &str,
    threads: &str,
) -> Result<(), Box<dyn std::error::Error>> {
    let threads: usize = threads.parse()?;
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;
    let data = read(&File::open(input)?, threads)?;
    let cut = |i: usize| {
        let at = data.len() * i / threads;
        if i == 0 || i == threads {
            at
        } else {
            at + memchr::memchr(b'\n', &data[at..]).map_or(0, |n| n + 1)
        }
    };
    // Each thread fills one map per partition of the hosts, so that the partitions can be merged in parallel.
    let maps: Vec<Vec<Map<'_>>> = (0..threads)
        .into_par_iter()
        .map(|i| count_lines(&data[cut(i)..cut(i + 1)], threads))
        .collect();
    let merged = (0..threads).into_par_iter().flat_map_iter(|part| {
        let mut all = Map::default();
        for (key, (bytes, requests)) in maps.iter().flat_map(|maps| &maps[part]) {
            let sum = all.entry(*key).or_default();
            sum.0 += bytes;
            sum.1 += requests;
        }
        all
    });
    let mut rows: Vec<_> = merged.collect();
    rows.par_sort_unstable();
    let mut out = BufWriter::with_capacity(1 << 20, File::create(output)?);
    for ((host, status), (bytes, requests)) in rows {
        out.write_all(host)?;
        writeln!(out, "\t{status}\t{bytes}\t{requests}")?;
    }
    Ok(out.flush()?)
}

/// Reads the whole file with all threads.
fn read(file: &File, threads: usize) -> std::io::Result<Vec<u8>> {
    let mut data = vec![0; file.metadata()?.len() as usize];
    let piece = data.len().div_ceil(threads).max(1);
    let pieces = data.par_chunks_mut(piece).enumerate();
    pieces.try_for_each(|(i, bytes)| file.read_exact_at(bytes, (i * piece) as u64))?;
    Ok(data)
}

fn count_lines(part: &[u8], parts: usize) -> Vec<Map<'_>> {
    let mut maps = vec![Map::default(); parts];
    let mut rest = part;
    while let Some(end) = memchr::memchr(b'\n', rest) {
        let line = &rest[..end];
        rest = &rest[end + 1..];
        let Some((key, bytes)) = parse(line) else { continue };
        let part = key.0.iter().map(|byte| usize::from(*byte)).sum::<usize>() % parts;
        let sum = maps[part].entry(key).or_default();
        sum.0 += bytes;
        sum.1 += 1;
    }
    maps
}

/// Returns the host, status and bytes of a line.
fn parse(line: &[u8]) -> Option<(Key<'_>, u64)> {
    let host = &line[..memchr::memchr(b' ', line)?];
    let mut fields = line.rsplitn(3, |byte| *byte == b' ');
    let number =
        |digits: &[u8]| digits.iter().fold(0u64, |n, d| n * 10 + u64::from(d.wrapping_sub(b'0')));
    let bytes = number(fields.next()?);
    let status = number(fields.next()?);
    Some(((host, status as u16), bytes))
}
