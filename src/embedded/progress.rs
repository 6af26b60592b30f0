//! A run's progress, for display.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};

use crate::shuffle::ReadProgress;

/// Phases of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Listing and cutting the input.
    Planning,
    /// Reading the input.
    Mapping,
    /// Writing the output.
    Reducing,
    /// Making the output visible.
    Committing,
    /// The run has ended.
    Done,
}

impl Phase {
    const ALL: [Phase; 5] =
        [Phase::Planning, Phase::Mapping, Phase::Reducing, Phase::Committing, Phase::Done];

    /// The phase's name.
    pub fn name(self) -> &'static str {
        match self {
            Phase::Planning => "plan",
            Phase::Mapping => "map",
            Phase::Reducing => "reduce",
            Phase::Committing => "commit",
            Phase::Done => "done",
        }
    }
}

/// A run's progress: written by the run, read by other threads.
#[derive(Debug, Default)]
pub struct Progress {
    phase: AtomicU8,
    bytes_total: AtomicU64,
    bytes_read: Arc<AtomicU64>,
    shuffled: ReadProgress,
    maps: [AtomicU32; 2],
    reduces: [AtomicU32; 2],
}

impl Progress {
    /// The current phase.
    pub fn phase(&self) -> Phase {
        Phase::ALL[usize::from(self.phase.load(Ordering::Relaxed)).min(Phase::ALL.len() - 1)]
    }

    /// Bytes of input read so far, and in total; the total is 0 if unknown.
    pub fn bytes(&self) -> (u64, u64) {
        (self.bytes_read.load(Ordering::Relaxed), self.bytes_total.load(Ordering::Relaxed))
    }

    /// Bytes of map output that merges and reduces have read, and in total; the total is 0 before the maps are done.
    pub fn shuffled(&self) -> (u64, u64) {
        (self.shuffled.bytes.load(Ordering::Relaxed), self.shuffled.total.load(Ordering::Relaxed))
    }

    /// Finished map tasks, and their total.
    pub fn maps(&self) -> (u32, u32) {
        (self.maps[0].load(Ordering::Relaxed), self.maps[1].load(Ordering::Relaxed))
    }

    /// Finished reduce tasks, and their total.
    pub fn reduces(&self) -> (u32, u32) {
        (self.reduces[0].load(Ordering::Relaxed), self.reduces[1].load(Ordering::Relaxed))
    }

    pub(super) fn bytes_read(&self) -> Arc<AtomicU64> {
        self.bytes_read.clone()
    }

    pub(crate) fn shuffling(&self) -> &ReadProgress {
        &self.shuffled
    }

    pub(crate) fn set_phase(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Relaxed);
    }

    pub(super) fn set_bytes_total(&self, bytes: u64) {
        self.bytes_total.store(bytes, Ordering::Relaxed);
    }

    pub(super) fn set_maps(&self, done: u32, total: u32) {
        self.maps[0].store(done, Ordering::Relaxed);
        self.maps[1].store(total, Ordering::Relaxed);
    }

    pub(super) fn set_reduces(&self, done: u32, total: u32) {
        self.reduces[0].store(done, Ordering::Relaxed);
        self.reduces[1].store(total, Ordering::Relaxed);
    }
}
