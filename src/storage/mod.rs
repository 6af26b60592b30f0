//! Lists, opens, creates, seals and publishes objects at a location, synchronously.
//!
//! A location is a path of the local file system (or of a mounted one). Other stores can be added
//! later: readers use only [`ReadAt`], and the output side needs only two operations, which every
//! store has. One completes or moves objects whose names contain the job's nonce; the other makes
//! all of them visible in one step.
//!
//! **Reading.** [`list()`] expands the named inputs into files, each once and always in the same order. [`open`] opens
//! one of them, and refuses it if it has changed since it was listed. [`refuse_overlap`] refuses jobs that would read
//! what they write.
//!
//! **Writing** is all or nothing. Each run has its own hidden folder beside the output:
//!
//! ```text
//! .out.gristmill-<nonce>/            Staging: mode 0700, swept by later runs once its lock is free
//!   lock                             held by flock(2) for as long as the process lives
//!   attempts/<attempt>/<part>        AttemptFolder, PartWriter: every attempt writes under its own name
//!   output/<part>                    the winners' sealed parts, moved here by Staging::accept
//!   output/_MANIFEST.json            written by Staging::publish
//!   output/_SUCCESS                  written last, holds the checksum of _MANIFEST.json
//! ```
//!
//! A job that runs in several processes has one folder that all of them share, called
//! `.out.gristmill-<nonce>.job`; see [`SharedStaging`].
//!
//! [`Staging::publish`] then turns `output/` into `out` by one rename. Before the rename no part is
//! visible, and after it all parts are. A [`Scratch`] folder holds the spills of a run. Both
//! folders are removed when they are dropped, when their [`Cleanup`] is run from another thread,
//! or, after `kill -9`, by a later run. [`verify()`] checks an output against its manifest.

mod access;
mod attempt;
mod contents;
mod entry;
mod errno;
mod error;
mod glob;
mod list;
mod marks;
mod nonce;
mod output;
mod overlap;
mod owned;
mod part;
mod private;
mod publish;
mod read;
mod regular;
mod scratch;
mod shared;
mod space;
mod staging;
mod url;
mod verify;
mod visited;
mod walk;

#[cfg(test)]
mod tests;

pub use attempt::{AttemptFolder, Attempts};
pub use entry::FileEntry;
pub use errno::{executable_hint, hint, is_noexec, is_shortage};
pub use error::{Error, Held, Room};
pub use list::{Listing, OPENED_AHEAD_MAX, list, list_groups};
pub use marks::{MANIFEST_BYTES_MAX, MANIFEST_NAME, SUCCESS_NAME};
pub(crate) use nonce::draw_nonce;
pub use overlap::refuse_overlap;
pub use owned::Cleanup;
pub use part::{PartWriter, SealedPart};
pub use private::{create_new_private, create_private, make_private_folder, make_private_folders};
pub use publish::StagingOptions;
pub use read::{LocalFile, ReadAt, open};
pub use regular::open_regular;
pub use scratch::{Scratch, ScratchPlaces};
pub use shared::SharedStaging;
pub use space::{Lack, free_bytes};
pub use staging::Staging;
pub use verify::{Finding, Verified, verify};
