//! Converts the pieces of an answer to a fetch, between two workers, to and from protobuf.

use super::required;
use crate::rpc::pb;
use crate::rpc::pb::fetch_piece::Piece;
use crate::rpc::refusal::Refusal;
use crate::rpc::shuffle::FetchPiece;

impl From<FetchPiece> for pb::FetchPiece {
    fn from(piece: FetchPiece) -> Self {
        let piece = match piece {
            // Not in bincode, which would copy the bytes once more.
            FetchPiece::Bytes(chunk) => Piece::Chunk(chunk),
            other => Piece::Other(pb::Packed::of(&other)),
        };
        Self { piece: Some(piece) }
    }
}

impl TryFrom<pb::FetchPiece> for FetchPiece {
    type Error = Refusal;

    fn try_from(wire: pb::FetchPiece) -> Result<Self, Refusal> {
        match required("piece", wire.piece)? {
            Piece::Chunk(chunk) => Ok(Self::Bytes(chunk)),
            Piece::Other(other) => other.open("a piece of map output"),
        }
    }
}
