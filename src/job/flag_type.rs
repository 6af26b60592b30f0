//! What the compiler says about a field of a job that cannot be a flag because clap cannot read its type.
//!
//! `#[derive(Args)]` looks for a parser of each field's type by a method call, `value_parser`, on a value of clap's
//! `_infer_ValueParser_for<T>`, through traits for the kinds of types that it knows. If none applies, the compiler
//! lists all of them. The trait here is in scope of every job by the prelude and has a method of that name for every
//! `T`, which is chosen last, as it takes `self` by value. It demands [`FlagType`], which no type has, and that trait
//! says what to do.

use clap::builder::{_infer_ValueParser_for, ValueParser};

/// A type that clap can read from text, if clap did not know it by itself. No type is one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the type of a flag: clap does not know how to read it from text",
    label = "a field with this attribute, or without any, is a flag of the job",
    note = "a field that is not a flag has `#[arg(skip)]`, and `#[serde(skip)]` too unless tasks need its value",
    note = "a flag's type implements `FromStr`, `From<String>` or `clap::ValueEnum`, or the field has \
            `#[arg(value_parser = f)]` with a function `fn f(text: &str) -> Result<{Self}, String>`"
)]
pub trait FlagType {}

/// Gives [`FlagType`] to the compiler where clap knows no parser.
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
