//! Counters that a job's code increments, summed over successful attempts.

/// A counter, identified by its group and its name. Declare it as a constant and pass it to `count`.
///
/// ```
/// use gristmill::prelude::*;
/// const MALFORMED: Counter = Counter::new("log", "malformed lines");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counter {
    group: &'static str,
    name: &'static str,
}

impl Counter {
    /// Creates a counter in a group; lists show counters by group.
    pub const fn new(group: &'static str, name: &'static str) -> Self {
        Counter { group, name }
    }

    /// Returns the group.
    pub const fn group(&self) -> &'static str {
        self.group
    }

    /// Returns the name within the group.
    pub const fn name(&self) -> &'static str {
        self.name
    }
}

/// The counts of one attempt. Few counters are expected, so a linear search is fast.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts(Vec<(Counter, u64)>);

impl Counts {
    pub(crate) fn add(&mut self, counter: Counter, n: u64) {
        match self.0.iter_mut().find(|(known, _)| *known == counter) {
            Some((_, count)) => *count = count.saturating_add(n),
            None => self.0.push((counter, n)),
        }
    }

    pub(crate) fn into_counters(self) -> crate::model::Counters {
        let mut counters = crate::model::Counters::default();
        for (counter, n) in self.0 {
            counters.add(counter.group, counter.name, n);
        }
        counters
    }
}
