//! A compiler message for job fields that cannot be flags because clap cannot parse their type.
//!
//! `#[derive(Args)]` finds a parser for each field's type by calling the method `value_parser` on a value of clap's
//! type `_infer_ValueParser_for<T>`. Several traits in clap have that method, each for one kind of type. If none of
//! them applies, the compiler lists them all. The prelude therefore imports [`NoParser`], which has the method for
//! every `T`. The compiler chooses this method last, because it takes `self` by value. The method requires
//! [`FlagType`], which no type implements, so the compiler shows the error message of [`FlagType`].

use clap::builder::{_infer_ValueParser_for, ValueParser};

/// A type that clap can parse through this trait alone. No type implements it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the type of a flag: clap does not know how to read it from text",
    label = "a field with this attribute, or without any attribute, is a flag of the job",
    note = "mark a field that is not a flag with `#[arg(skip)]`; if tasks do not need its value, add `#[serde(skip)]` too",
    note = "a flag's type must implement `FromStr`, `From<String>` or `clap::ValueEnum`, or its field must have `#[arg(value_parser = f)]` with a function `fn f(text: &str) -> Result<{Self}, String>`"
)]
pub trait FlagType {}

/// Leads the compiler to [`FlagType`] if clap has no parser for a type.
#[doc(hidden)]
pub trait NoParser<T>: Sized {
    /// Never called: no type is a [`FlagType`].
    #[doc(hidden)]
    fn value_parser(self) -> ValueParser
    where
        T: FlagType;
}

impl<T> NoParser<T> for _infer_ValueParser_for<T> {
    fn value_parser(self) -> ValueParser
    where
        T: FlagType,
    {
        ValueParser::string()
    }
}
