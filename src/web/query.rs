//! Parses query strings: a few known names, each at most once, whose values are numbers, ids or words.

use std::str::FromStr;

use super::answer::Fault;
use crate::model::{TEXT_CHARS_MAX, escape};

/// Default number of lines on a page.
pub(super) const LIMIT: usize = 100;
/// Most lines on a page.
pub(super) const LIMIT_MAX: usize = 1_000;

/// The pairs of a query.
#[derive(Debug)]
pub(super) struct Query<'q> {
    pairs: Vec<(&'q str, &'q str)>,
}

impl<'q> Query<'q> {
    /// Reads a query. Names that are not listed are errors.
    pub(super) fn read(text: Option<&'q str>, names: &[&str]) -> Result<Self, Fault> {
        let mut pairs: Vec<(&str, &str)> = Vec::new();
        for pair in text.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            if !names.contains(&name) {
                return Err(wrong(name, "is not a parameter of this address"));
            }
            if pairs.iter().any(|(known, _)| *known == name) {
                return Err(wrong(name, "is given more than once"));
            }
            pairs.push((name, value));
        }
        Ok(Self { pairs })
    }

    /// The value of a name, if given.
    pub(super) fn get<T: FromStr>(&self, name: &str) -> Result<Option<T>, Fault> {
        let Some((_, value)) = self.pairs.iter().find(|(known, _)| *known == name) else {
            return Ok(None);
        };
        value.parse().map(Some).map_err(|_| wrong(value, &format!("is not a value of `{name}`")))
    }

    /// The number of lines to return.
    pub(super) fn limit(&self) -> Result<usize, Fault> {
        let limit = self.get("limit")?.unwrap_or(LIMIT);
        if (1..=LIMIT_MAX).contains(&limit) {
            return Ok(limit);
        }
        Err(Fault::invalid(format!("limit must be 1 to {LIMIT_MAX}, got {limit}")))
    }
}

/// Parses an id or a state. The error names what is accepted.
pub(super) fn id<T: FromStr<Err = impl ToString>>(text: &str) -> Result<T, Fault> {
    text.parse().map_err(|error: T::Err| Fault::invalid(error.to_string()))
}

fn wrong(text: &str, what: &str) -> Fault {
    Fault::invalid(format!("`{}` {what}", escape(text.as_bytes(), TEXT_CHARS_MAX)))
}
