//! Finds types that can be written but not read back, before a value of such a type is emitted.
//!
//! Keys and values are encoded without names, so serde attributes that need names in the data do not work:
//! `untagged`, `tag`, `flatten`, `skip_serializing_if` and others. Serde does not report that a type has them, but
//! the type's behaviour shows them. The type is therefore read once from made-up data (`guess.rs`), and the result is
//! written again (`look.rs`). A type that refuses the made-up data is assumed to be sound; the first real value then
//! decides.

mod guess;
mod look;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display};

use serde::{Deserialize, Serialize};

/// What to do about a type that cannot be read back.
pub const SERDE_HINT: &str = "remove serde attributes such as `untagged`, `tag`, `flatten` and `skip_serializing_if` from it, or use another type";

/// Number of values that are made up: one without optional parts, the others with them. Each uses another variant of
/// enums.
const PASSES: u32 = 8;
/// Maximum number of values in one made-up value, a limit for types that contain themselves several times.
const STEPS_MAX: u32 = 4096;
/// Maximum nesting depth of made-up data.
const DEPTH_MAX: u32 = 24;

/// Error of a type that cannot be read back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{of}` {why}\nhint: {SERDE_HINT}")]
pub struct Misfit {
    /// The type.
    pub of: String,
    /// What is wrong with it.
    pub why: String,
}

/// State while one value is made up and written.
struct State {
    pass: u32,
    steps: Cell<u32>,
    misfit: RefCell<Option<Misfit>>,
    /// The numbers of fields that were read for the structs of each name. Two structs may have the same name.
    fields: RefCell<BTreeMap<&'static str, BTreeSet<usize>>>,
}

impl State {
    fn found(&self, of: &str, why: impl Into<String>) {
        let misfit = Misfit { of: of.into(), why: why.into() };
        self.misfit.borrow_mut().get_or_insert(misfit);
    }
}

/// Checks whether values of this type can be read back.
///
/// # Errors
///
/// If they certainly cannot.
pub fn probe<'de, T: Serialize + Deserialize<'de>>() -> Result<(), Misfit> {
    for pass in 0..PASSES {
        let state = State {
            pass,
            steps: Cell::new(0),
            misfit: RefCell::default(),
            fields: RefCell::default(),
        };
        let guess = guess::Guess { state: &state, of: std::any::type_name::<T>(), depth: 0 };
        if let Ok(value) = T::deserialize(guess) {
            let _written_or_not = value.serialize(look::Look { state: &state });
        }
        if let Some(mut misfit) = state.misfit.take() {
            if misfit.of.is_empty() {
                misfit.of = std::any::type_name::<T>().into();
            }
            return Err(misfit);
        }
    }
    Ok(())
}

/// Error of made-up data that the type refused or that grew too large. Nothing is then known about the type.
#[derive(Debug)]
struct Stop;

impl Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("made-up data was refused")
    }
}

impl std::error::Error for Stop {}

impl serde::ser::Error for Stop {
    fn custom<T: Display>(_: T) -> Self {
        Stop
    }
}

impl serde::de::Error for Stop {
    fn custom<T: Display>(_: T) -> Self {
        Stop
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashSet};
    use std::net::IpAddr;
    use std::num::NonZero;

    use super::*;
    use crate::record::{Text, TextBuf};

    #[derive(PartialEq, Serialize, Deserialize)]
    struct Sound<'a> {
        #[serde(borrow)]
        text: &'a Text,
        owned: Option<TextBuf>,
        nested: Vec<(u8, Result<i64, String>)>,
        map: BTreeMap<String, f64>,
        set: HashSet<char>,
        address: IpAddr,
        positive: NonZero<u32>,
        #[serde(skip)]
        cache: Vec<u8>,
        list: List,
    }

    #[derive(PartialEq, Serialize, Deserialize)]
    enum List {
        End,
        More { item: u128, rest: Box<List>, other: Option<Box<List>> },
    }

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum Untagged {
        Number(u64),
        Text(String),
    }

    #[derive(Serialize, Deserialize)]
    #[serde(tag = "kind")]
    enum Tagged {
        A { x: u8 },
        B,
    }

    #[derive(PartialEq, Serialize, Deserialize)]
    struct Inner {
        x: u8,
    }

    #[derive(Serialize, Deserialize)]
    struct Flat {
        #[serde(flatten)]
        inner: Inner,
    }

    #[derive(Serialize, Deserialize)]
    struct Skips {
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        notes: Vec<u8>,
        flag: Option<u8>,
    }

    #[derive(PartialEq, Serialize, Deserialize)]
    struct Drops {
        #[serde(default, skip_serializing)]
        note: u8,
        flag: u8,
    }

    /// A struct with the same name as another one that it holds, but a different number of fields.
    mod namesake {
        use super::{Deserialize, Serialize};

        #[derive(PartialEq, Serialize, Deserialize)]
        pub(super) struct Inner {
            x: u8,
            inner: super::Inner,
            y: u8,
        }
    }

    /// Has attributes that change only names, which are not in the data.
    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields, default)]
    struct Renamed {
        #[serde(rename = "n", alias = "number", alias = "count")]
        number: u8,
        #[serde(alias = "inner")]
        next: Option<Box<Renamed>>,
    }

    impl Default for Renamed {
        fn default() -> Self {
            Self { number: 1, next: None }
        }
    }

    #[derive(Serialize, Deserialize)]
    enum Named {
        #[serde(alias = "One", alias = "Only")]
        First(u8),
        #[serde(other)]
        Rest,
    }

    #[derive(Serialize, Deserialize)]
    struct Unread {
        #[serde(skip_deserializing)]
        note: u8,
        flag: u8,
    }

    #[derive(Serialize, Deserialize)]
    #[serde(tag = "kind", content = "of")]
    enum Adjacent {
        A(u8),
        B,
    }

    #[derive(Serialize, Deserialize)]
    enum Late {
        Fine(u8),
        Also { x: Option<(u8, Untagged)> },
    }

    fn said<T: Serialize + for<'de> Deserialize<'de>>() -> String {
        probe::<T>().expect_err("cannot be read back").to_string()
    }

    #[test]
    fn types_that_can_be_read_back_pass() {
        assert_eq!(probe::<Sound<'static>>(), Ok(()));
        assert_eq!(probe::<(u64, Option<List>, [f32; 3], ())>(), Ok(()));
        assert_eq!(probe::<&Text>(), Ok(()));
        assert_eq!(probe::<namesake::Inner>(), Ok(()));
        assert_eq!(probe::<Renamed>(), Ok(()));
        assert_eq!(probe::<(Vec<Named>, Option<Renamed>)>(), Ok(()));
    }

    #[test]
    fn attributes_that_need_names_are_found_and_named() {
        let table = [
            (said::<Untagged>(), "Untagged`", "`#[serde(untagged)]`"),
            (said::<Option<Vec<Untagged>>>(), "Untagged`", "`#[serde(untagged)]`"),
            (said::<Tagged>(), "Tagged`", "`#[serde(tag = …)]`"),
            (said::<Late>(), "Untagged", "`#[serde(untagged)]`"),
            (said::<Flat>(), "Flat`", "`#[serde(flatten)]`"),
            (said::<(u8, Skips)>(), "`Skips`", "`notes`"),
            (
                said::<Drops>(),
                "`Drops`",
                "writes 1 of its fields but reads 2, for example because of `#[serde(skip_serializing)]`",
            ),
            (
                said::<Unread>(),
                "`Unread`",
                "writes 2 of its fields but reads 1, for example because of `#[serde(skip_deserializing)]`",
            ),
            (said::<Vec<Adjacent>>(), "Adjacent", "names of fields"),
            (said::<serde_json::Value>(), "Value`", "from a self-describing format"),
        ];
        for (said, of, why) in table {
            assert!(said.contains(of) && said.contains(why), "{said}");
        }
    }
}
