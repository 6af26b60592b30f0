//! Describes how an attempt was started, so that it can be replayed.

use serde::{Deserialize, Serialize};

use super::artifacts::Digest;
use crate::model::{AttemptId, JobState, Nonce, TaskId};

/// Asks how an attempt was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecipeRequest {
    /// The task.
    pub task: TaskId,
    /// The attempt's number. Without a number: the last attempt that failed and is remembered, or else the last one.
    pub number: Option<u32>,
}

/// How an attempt was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipe {
    /// The attempt.
    pub attempt: AttemptId,
    /// The state of its job. Map outputs exist until the job ends.
    pub state: JobState,
    /// The job's nonce.
    pub nonce: Nonce,
    /// The job's executable.
    pub executable: Digest,
    /// The job's spec: an artifact that holds a [`crate::model::JobSpec`] in bincode.
    pub spec: Digest,
    /// The plan; `None` for a plan attempt.
    pub plan: Option<Digest>,
    /// Maps of the job.
    pub maps: u32,
    /// Maps that had joined the attempt when it failed, in order.
    pub joined: Vec<u32>,
}
