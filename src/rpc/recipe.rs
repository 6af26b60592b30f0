//! How an attempt was started, so that it can be replayed.

use serde::{Deserialize, Serialize};

use super::artifacts::Digest;
use super::jobs::State;
use crate::spec::{AttemptId, Nonce, TaskId};

/// Asks what an attempt was made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecipeRequest {
    /// The task.
    pub task: TaskId,
    /// The attempt's number; without one, the last that failed and is remembered, or else the last.
    pub number: Option<u32>,
}

/// What an attempt was made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipe {
    /// Which.
    pub attempt: AttemptId,
    /// Where its job stands: map outputs are there as long as it goes on.
    pub state: State,
    /// The job's nonce.
    pub nonce: Nonce,
    /// The job's executable.
    pub executable: Digest,
    /// The job's spec: an artifact that holds a [`crate::spec::JobSpec`] in bincode.
    pub spec: Digest,
    /// The plan; none of a plan.
    pub plan: Option<Digest>,
    /// Maps of the job.
    pub maps: u32,
    /// Maps that had joined the attempt when it failed, in order.
    pub joined: Vec<u32>,
}
