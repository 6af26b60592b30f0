//! Checks that the answer to a fetch covers every requested map output once, in the requested order, and has exactly
//! the announced number of bytes.

use std::slice::Iter;

use super::refusal::Refusal;
use super::shuffle::FetchPiece;

/// Which pieces may arrive next.
#[derive(Debug)]
pub(super) struct Pieces<'a> {
    maps: Iter<'a, (u32, u32)>,
    /// The map whose segment has begun, and how many of its bytes are still missing.
    open: Option<(u32, u64)>,
}

impl<'a> Pieces<'a> {
    /// No segment of these maps has begun.
    pub(super) fn of(maps: &'a [(u32, u32)]) -> Self {
        Self { maps: maps.iter(), open: None }
    }

    /// Accepts the next piece, or returns why it cannot be the next one.
    pub(super) fn next(&mut self, piece: &FetchPiece) -> Result<(), String> {
        match piece {
            FetchPiece::Segment(header) => {
                self.whole()?;
                match self.maps.next() {
                    Some(&wanted) if wanted == (header.map, header.attempt) => {}
                    other => {
                        let (map, attempt) = (header.map, header.attempt);
                        return Err(format!("m{map}#{attempt} arrived, but {}", expected(other)));
                    }
                }
                self.open = Some((header.map, header.info.stored_bytes));
            }
            FetchPiece::Bytes(bytes) => {
                let Some((map, left)) = &mut self.open else {
                    return Err("bytes arrived before a segment's header".into());
                };
                *left = left
                    .checked_sub(bytes.len() as u64)
                    .ok_or_else(|| format!("more bytes arrived for m{map} than announced"))?;
            }
            FetchPiece::Place { map, .. } => {
                self.whole()?;
                match self.maps.next() {
                    Some((wanted, _)) if wanted == map => {}
                    other => {
                        return Err(format!("a path for m{map} arrived, but {}", expected(other)));
                    }
                }
            }
            FetchPiece::Missing { map, .. } => match self.open.take() {
                // A segment that cannot be read to its end.
                Some((open, left)) if open == *map && left > 0 => {}
                Some((open, left)) if left > 0 => return Err(short(open, left)),
                _ => match self.maps.next() {
                    Some((wanted, _)) if wanted == map => {}
                    other => {
                        return Err(format!(
                            "m{map} was reported missing, but {}",
                            expected(other)
                        ));
                    }
                },
            },
        }
        Ok(())
    }

    /// The stream has ended.
    pub(super) fn end(mut self) -> Result<(), Refusal> {
        let missing = match (self.whole(), self.maps.next()) {
            (Ok(()), None) => return Ok(()),
            (Err(short), _) => short,
            (Ok(()), Some((map, _))) => format!("m{map} did not arrive"),
        };
        Err(Refusal::Unavailable { message: format!("the answer ended early: {missing}") })
    }

    fn whole(&mut self) -> Result<(), String> {
        match self.open.take() {
            Some((map, left)) if left > 0 => Err(short(map, left)),
            _ => Ok(()),
        }
    }
}

fn short(map: u32, left: u64) -> String {
    format!("m{map} lacks {left} bytes")
}

/// What was expected instead of a piece.
fn expected(next: Option<&(u32, u32)>) -> String {
    next.map_or("no further map was expected".into(), |(map, attempt)| {
        format!("m{map}#{attempt} was expected")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SegmentInfo;
    use crate::rpc::shuffle::SegmentHeader;

    fn segment(map: u32, stored_bytes: u64) -> FetchPiece {
        let info = SegmentInfo { stored_bytes, ..SegmentInfo::default() };
        FetchPiece::Segment(SegmentHeader { map, attempt: 1, crc32c: 0, info })
    }

    fn bytes(count: usize) -> FetchPiece {
        FetchPiece::Bytes(vec![0; count])
    }

    fn missing(map: u32) -> FetchPiece {
        FetchPiece::Missing { map, is_corrupt: false, message: String::new() }
    }

    fn place(map: u32) -> FetchPiece {
        FetchPiece::Place { map, path: std::path::Path::new("/data/m").into() }
    }

    #[test]
    fn only_requested_segments_come_in_order_and_whole() {
        let table: [(&[FetchPiece], &str); 15] = [
            (&[segment(4, 3), bytes(1), bytes(2), missing(7)], ""),
            (&[missing(4), segment(7, 0)], ""),
            (&[segment(4, 3), bytes(1), missing(4), segment(7, 0)], ""),
            (&[place(4), place(7)], ""),
            (&[place(7)], "a path for m7 arrived, but m4#1 was expected"),
            (&[segment(4, 3), place(7)], "m4 lacks 3 bytes"),
            (&[], "m4 did not arrive"),
            (&[segment(4, 3), bytes(3)], "m7 did not arrive"),
            (&[missing(4), segment(7, 3), bytes(2)], "m7 lacks 1 bytes"),
            (&[segment(4, 3), segment(7, 0)], "m4 lacks 3 bytes"),
            (&[segment(4, 3), missing(7)], "m4 lacks 3 bytes"),
            (&[segment(4, 3), bytes(4)], "more bytes arrived for m4 than announced"),
            (&[bytes(4)], "bytes arrived before a segment's header"),
            (&[segment(7, 0)], "m7#1 arrived, but m4#1 was expected"),
            (
                &[missing(4), missing(7), missing(4)],
                "m4 was reported missing, but no further map was expected",
            ),
        ];
        for (pieces, wrong) in table {
            let mut expected = Pieces::of(&[(4, 1), (7, 1)]);
            let taken = pieces.iter().try_for_each(|piece| expected.next(piece));
            let ended = match taken {
                Ok(()) => expected.end().map_err(|refusal| refusal.to_string()),
                Err(said) => Err(said),
            };
            let said = ended.err().unwrap_or_default();
            assert!(
                said.ends_with(wrong) && said.is_empty() == wrong.is_empty(),
                "{said}: {wrong}"
            );
        }
    }
}
