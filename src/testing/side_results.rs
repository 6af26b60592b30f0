//! Compares what a job produces besides its result: counters, and records in side outputs.

use std::collections::BTreeMap;

use super::settings::Settings;
use super::show;
use crate::model::Counters;
use crate::task;

/// Totals of counters, and all records of each side output.
#[derive(Clone, Debug, Default)]
pub(super) struct SideResults {
    counters: BTreeMap<(String, String), u64>,
    /// The lines of each side output, because the order across its parts is not fixed. Parts of formats without lines
    /// are cut at newlines too.
    sides: BTreeMap<&'static str, Vec<Vec<u8>>>,
}

/// A description of what differs, and both values.
pub(super) type Difference = (String, String, String);

impl SideResults {
    /// Adds the counters and side output of one call of the job's code.
    pub(super) fn add(&mut self, counters: &Counters, sides: &[(&'static str, Vec<u8>)]) {
        // The framework's own counters are left out: they describe how the work was done.
        for (group, name, n) in counters.iter().filter(|(group, ..)| *group != task::GROUP) {
            let total = self.counters.entry((group.into(), name.into())).or_default();
            *total = total.saturating_add(n);
        }
        for (name, bytes) in sides {
            let lines = bytes.split_inclusive(|&byte| byte == b'\n').map(<[u8]>::to_vec);
            self.sides.entry(name).or_default().extend(lines);
        }
    }

    /// Returns the first counter or side output that differs, except for those that may vary.
    pub(super) fn difference(
        &self,
        other: &Self,
        settings: &Settings,
        same: impl Fn(&[u8], &[u8]) -> bool,
    ) -> Option<Difference> {
        self.counts_differ(other, settings).or_else(|| self.sides_differ(other, settings, same))
    }

    /// Returns the first counter that differs, except for those that may vary.
    pub(super) fn counts_differ(&self, other: &Self, settings: &Settings) -> Option<Difference> {
        let count = |side_results: &Self, key| side_results.counters.get(key).copied().unwrap_or(0);
        let varies = |(group, name): &(String, String)| {
            let varying = &settings.varying_counters;
            varying.iter().any(|counter| counter.group() == group && counter.name() == name)
        };
        let mut keys = self.counters.keys().chain(other.counters.keys());
        let key = keys.find(|key| !varies(key) && count(self, key) != count(other, key))?;
        let what = format!("the counter {} in group {}", quoted(&key.1), quoted(&key.0));
        Some((what, count(self, key).to_string(), count(other, key).to_string()))
    }

    fn sides_differ(
        &self,
        other: &Self,
        settings: &Settings,
        same: impl Fn(&[u8], &[u8]) -> bool,
    ) -> Option<Difference> {
        let sorted = |side_results: &Self, name| {
            let mut lines = side_results.sides.get(name).cloned().unwrap_or_default();
            lines.sort_unstable();
            lines.concat()
        };
        let names = self.sides.keys().chain(other.sides.keys());
        names.filter(|name| !settings.varying_sides.contains(name)).find_map(|name| {
            let (left, right) = (sorted(self, name), sorted(other, name));
            if same(&left, &right) {
                return None;
            }
            let (left, right) = show::results(&left, &right);
            Some((format!("the side output {}", quoted(name)), left, right))
        })
    }
}

fn quoted(name: &str) -> String {
    show::bytes(name.as_bytes())
}
