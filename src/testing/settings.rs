//! Settings of a check, chosen by its author.

use crate::job::Counter;

/// Settings of a check.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) seed: u64,
    pub(super) cases: usize,
    pub(super) tolerance: Option<f64>,
    pub(super) ordered_values: bool,
    pub(super) varying_counters: Vec<Counter>,
    pub(super) varying_sides: Vec<&'static str>,
}
