//! Looks for a smaller input that breaks the same law, so that the message is readable.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::inputs::Piece;
use super::workbench::{Step, Workbench};
use super::{Breach, Law, inputs};
use crate::job::Job;
use crate::model::TaskKind;

/// Maximum number of smaller inputs to try.
const ATTEMPTS_MAX: usize = 200;

/// Returns the smallest input found that breaks the same law, and how it does. `examine` checks a law with an input.
pub(super) fn shrink<J: Job>(
    bench: &mut Workbench<J>,
    pieces: Vec<Piece>,
    breach: Breach,
    examine: impl Fn(&mut Workbench<J>, &[Piece], Law) -> Option<Breach>,
) -> (Vec<Piece>, Breach) {
    // Whether flags clash does not depend on the input.
    if breach.law() == Some(Law::FlagsDoNotClash) {
        return (Vec::new(), breach);
    }
    // The job value under test has been used up. For this law, it matters little which record shows the difference.
    let Some(law) = breach.law().filter(|law| *law != Law::JobSurvives) else {
        return (pieces, breach);
    };
    let mut found = (pieces, breach);
    let mut records = records(bench, &found.0);
    let mut attempts = 0;
    let mut window = records.len() / 2;
    while window > 0 {
        let mut at = 0;
        while at < records.len() && attempts < ATTEMPTS_MAX {
            attempts += 1;
            let mut fewer = records.clone();
            fewer.drain(at..(at + window).min(records.len()));
            let pieces = pieces_of(&found.0, &fewer);
            match broken(bench, &pieces, law, &examine) {
                Some(breach) => (found, records) = ((pieces, breach), fewer),
                None => at += window,
            }
        }
        window /= 2;
    }
    found
}

/// Returns how the law is broken with this input, if it is.
fn broken<J: Job>(
    bench: &mut Workbench<J>,
    pieces: &[Piece],
    law: Law,
    examine: impl Fn(&mut Workbench<J>, &[Piece], Law) -> Option<Breach>,
) -> Option<Breach> {
    let examined = catch_unwind(AssertUnwindSafe(|| examine(bench, pieces, law)));
    // A panic on an input other than the author's is not the breach to look for.
    let examined = examined.inspect_err(|_| bench.recover());
    examined.ok()?.filter(|breach| breach.law() == Some(law))
}

/// A record, with the bytes that separate it from the next one.
#[derive(Clone)]
struct Record {
    piece: usize,
    bytes: Vec<u8>,
}

/// Returns the records of the pieces, or none if they do not simply follow each other, as in compressed files.
fn records<J: Job>(bench: &mut Workbench<J>, pieces: &[Piece]) -> Vec<Record> {
    let Ok(files) = inputs::write(pieces, bench.folder()) else { return Vec::new() };
    let Ok(job) = bench.task(TaskKind::Map, 0, 1) else { return Vec::new() };
    let mut records = Vec::new();
    for (piece, file) in files.iter().enumerate() {
        let Ok(steps) = bench.map(&job, std::slice::from_ref(file)) else { return Vec::new() };
        records.extend(records_of(piece, &pieces[piece].bytes, &steps));
    }
    records
}

fn records_of(piece: usize, bytes: &[u8], steps: &[Step]) -> Vec<Record> {
    let mut starts: Vec<usize> = steps
        .iter()
        .filter_map(|step| step.record.as_ref())
        .map(|place| place.offset as usize)
        .collect();
    // Anything before the first record stays with it.
    if let Some(first) = starts.first_mut() {
        *first = 0;
    }
    starts.push(bytes.len());
    starts
        .windows(2)
        .filter_map(|ends| bytes.get(ends[0]..ends[1]))
        .map(|bytes| Record { piece, bytes: bytes.to_vec() })
        .collect()
}

fn pieces_of(pieces: &[Piece], records: &[Record]) -> Vec<Piece> {
    let piece = |(index, piece): (usize, &Piece)| {
        let own = records.iter().filter(|record| record.piece == index);
        Piece {
            bytes: own.flat_map(|record| record.bytes.iter().copied()).collect(),
            ..piece.clone()
        }
    };
    pieces.iter().enumerate().map(piece).collect()
}
