//! Named counters of user code and the framework, limited in number and size.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{TEXT_CHARS_MAX, escape};

/// Maximum number of counters of one attempt or job. Additions to further counters are dropped, and the drops are
/// counted.
pub const DISTINCT_MAX: usize = 1_000;
/// Group of the counter of dropped additions.
pub const DROPPED_GROUP: &str = "Gristmill";
/// Name of the counter of dropped additions.
pub const DROPPED_NAME: &str = "counters_dropped";

type Groups = BTreeMap<String, BTreeMap<String, u64>>;

/// Counts by group and name, sorted. The JSON form is `{group: {name: n}}`.
///
/// A count that would overflow stays at `u64::MAX`, which therefore means "at least"; see
/// [`Counters::saturated`]. Groups and names are escaped and cut at 200 characters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Groups", into = "Groups")]
pub struct Counters {
    groups: Groups,
}

impl Counters {
    /// Creates an empty set of counters.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds `n` to a counter, creating it if there is room.
    pub fn add(&mut self, group: &str, name: &str, n: u64) {
        if let Some(count) = self.groups.get_mut(group).and_then(|names| names.get_mut(name)) {
            *count = count.saturating_add(n);
            return;
        }
        let group = escape(group.as_bytes(), TEXT_CHARS_MAX);
        let name = escape(name.as_bytes(), TEXT_CHARS_MAX);
        let known = self.groups.get(&group).is_some_and(|names| names.contains_key(&name));
        if known || self.is_dropped(&group, &name) || self.distinct() < DISTINCT_MAX {
            let count = self.groups.entry(group).or_default().entry(name).or_default();
            *count = count.saturating_add(n);
        } else {
            self.add(DROPPED_GROUP, DROPPED_NAME, 1);
        }
    }

    /// Adds all counts of another set.
    pub fn merge(&mut self, other: &Self) {
        for (group, name, n) in other.iter() {
            self.add(group, name, n);
        }
    }

    /// Returns one count, or 0 if the counter does not exist.
    pub fn get(&self, group: &str, name: &str) -> u64 {
        self.groups.get(group).and_then(|names| names.get(name)).copied().unwrap_or(0)
    }

    /// Group, name and count of every counter, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str, u64)> {
        self.groups.iter().flat_map(|(group, names)| {
            names.iter().map(move |(name, &n)| (group.as_str(), name.as_str(), n))
        })
    }

    /// Whether there are no counters.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Whether some count reached `u64::MAX` and is therefore only a lower bound.
    pub fn saturated(&self) -> bool {
        self.iter().any(|(_, _, n)| n == u64::MAX)
    }

    /// Number of additions that were dropped for lack of room.
    pub fn dropped(&self) -> u64 {
        self.get(DROPPED_GROUP, DROPPED_NAME)
    }

    /// Number of counters, except the one that counts dropped additions.
    fn distinct(&self) -> usize {
        let all: usize = self.groups.values().map(BTreeMap::len).sum();
        all - usize::from(self.dropped() > 0)
    }

    fn is_dropped(&self, group: &str, name: &str) -> bool {
        group == DROPPED_GROUP && name == DROPPED_NAME
    }
}

impl From<Groups> for Counters {
    /// Applies the limits to a deserialized value.
    fn from(groups: Groups) -> Self {
        let mut counters = Self::new();
        counters.merge(&Self { groups });
        counters
    }
}

impl From<Counters> for Groups {
    fn from(counters: Counters) -> Self {
        counters.groups
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_written_by_group_and_name() {
        let mut counters = Counters::new();
        counters.add("Words", "short", 2);
        counters.add("Words", "long", 1);
        counters.add("Bad\n", "x", 1);
        let json = serde_json::to_string(&counters).unwrap();
        assert_eq!(json, r#"{"Bad\\n":{"x":1},"Words":{"long":1,"short":2}}"#);
        assert_eq!(serde_json::from_str::<Counters>(&json).unwrap(), counters);
        let bytes = bincode::serialize(&counters).unwrap();
        assert_eq!(bincode::deserialize::<Counters>(&bytes).unwrap(), counters);
    }

    #[test]
    fn a_count_stays_at_its_maximum_and_says_so() {
        let mut counters = Counters::new();
        counters.add("g", "n", u64::MAX - 1);
        assert!(!counters.saturated());
        let other = counters.clone();
        counters.merge(&other);
        assert_eq!(counters.get("g", "n"), u64::MAX);
        assert!(counters.saturated());
    }

    #[test]
    fn counters_beyond_the_limit_are_dropped_and_counted() {
        let mut counters = Counters::new();
        for n in 0..DISTINCT_MAX + 5 {
            counters.add("g", &n.to_string(), 1);
        }
        counters.add("g", "0", 1);
        assert_eq!(counters.get("g", "0"), 2);
        assert_eq!(counters.dropped(), 5);
        assert_eq!(counters.iter().count(), DISTINCT_MAX + 1);
        let bytes = bincode::serialize(&counters).unwrap();
        assert_eq!(bincode::deserialize::<Counters>(&bytes).unwrap(), counters);
    }
}
