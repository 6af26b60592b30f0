//! Converts the messages of a fetch, between two workers, to and from protobuf.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use super::field::{bytes, decode, encode};
use super::{id, required, wide};
use crate::rpc::check::invalid;
use crate::rpc::pb;
use crate::rpc::pb::fetch_piece::Piece;
use crate::rpc::refusal::Refusal;
use crate::rpc::shuffle::{FetchPiece, FetchRequest};
use crate::spec::Nonce;

impl From<FetchRequest> for pb::FetchRequest {
    fn from(request: FetchRequest) -> Self {
        let (maps, numbers) = request.maps.into_iter().unzip();
        Self {
            job: request.job.to_string(),
            nonce: bytes(request.nonce.0),
            partition: request.partition,
            maps,
            numbers,
            machine: request.machine,
        }
    }
}

impl TryFrom<pb::FetchRequest> for FetchRequest {
    type Error = Refusal;

    fn try_from(wire: pb::FetchRequest) -> Result<Self, Refusal> {
        let (maps, numbers) = (wire.maps.len(), wire.numbers.len());
        if maps != numbers {
            return Err(invalid(format!(
                "the lists of maps and of attempt numbers must have the same length, got {maps} and {numbers}"
            )));
        }
        Ok(Self {
            job: id(&wire.job)?,
            nonce: Nonce(wide("nonce", &wire.nonce)?),
            partition: wire.partition,
            maps: wire.maps.into_iter().zip(wire.numbers).collect(),
            machine: wire.machine,
        })
    }
}

impl From<FetchPiece> for pb::FetchPiece {
    fn from(piece: FetchPiece) -> Self {
        let piece = match piece {
            FetchPiece::Segment(header) => Piece::SegmentBincode(encode(&header)),
            FetchPiece::Bytes(chunk) => Piece::Chunk(chunk),
            FetchPiece::Missing { map, is_corrupt, message } => {
                Piece::Missing(pb::Missing { map, is_corrupt, message })
            }
            FetchPiece::Place { map, path } => {
                Piece::Place(pb::Place { map, path: path.into_os_string().into_vec() })
            }
        };
        Self { piece: Some(piece) }
    }
}

impl TryFrom<pb::FetchPiece> for FetchPiece {
    type Error = Refusal;

    fn try_from(wire: pb::FetchPiece) -> Result<Self, Refusal> {
        Ok(match required("piece", wire.piece)? {
            Piece::SegmentBincode(header) => Self::Segment(decode("segment header", &header)?),
            Piece::Chunk(chunk) => Self::Bytes(chunk),
            Piece::Missing(pb::Missing { map, is_corrupt, message }) => {
                Self::Missing { map, is_corrupt, message }
            }
            Piece::Place(pb::Place { map, path }) => {
                Self::Place { map, path: OsString::from_vec(path).into() }
            }
        })
    }
}
