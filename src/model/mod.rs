//! Jobs, tasks, attempts, failures, counters and manifests, as plain data.
//!
//! This is the lowest module (floor 0 in ARCHITECTURE.md), and every other module uses its types.
//! So nothing here does I/O, reads a clock or makes scheduling decisions. Ids have one written form
//! (`j7`, `j7/m12`, `j7/m12#2`, `w4`), which is also their serialized form.

pub mod counters;
mod digest;
mod error;
mod escape;
mod failure;
mod hint;
pub mod id;
pub mod input_notes;
pub mod job;
pub mod limits;
mod local_path;
pub mod manifest;
pub mod options;
mod segment;
pub mod size;
pub mod split;
pub mod state;
pub mod volume;
mod work;
mod worker;

pub use counters::Counters;
pub use digest::Digest;
pub use error::Error;
pub use escape::{TEXT_CHARS_MAX, escape, escape_text, is_unsafe};
pub use failure::{About, Cause, Failure, RecordRef};
pub use hint::{add_place, escape_hint, escape_message, escape_what, split_hint, with_hint};
pub use id::{AttemptId, JobId, MasterId, Nonce, TaskId, TaskKind, WorkerId};
pub use input_notes::{InputNotes, Repeat};
pub use job::{InputSpec, Invocation, JobSpec, SideFileSpec};
pub use local_path::LocalPath;
pub use manifest::{Manifest, Part};
pub use options::JobOptions;
pub use segment::{SegmentInfo, SegmentPlace, SegmentRef};
pub use split::{FileIdentity, FileRange, Location, Split};
pub use state::{AttemptState, JobState, TaskState, WorkerState};
pub use volume::{HotKey, Hottest, Usage, Volume};
pub use work::{Done, Work};
pub use worker::{Room, UNLIMITED, WorkerFacts};
