//! Errors of parsing or checking the shared types: ids, states, sizes, specs.

/// Error of a text or value that is not accepted, with a description of what is accepted.
///
/// In the fields, text from outside is already escaped and cut.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text is not an id of the expected kind.
    #[error("not a {what}: `{text}`; expected a form like `{example}`")]
    Id {
        /// The expected kind, such as `task id`.
        what: &'static str,
        /// What was found.
        text: String,
        /// A well-formed id of that kind.
        example: &'static str,
    },
    /// The text is not the name of a state.
    #[error("`{text}` is not the state of {of}; expected one of: {names}")]
    State {
        /// What was found.
        text: String,
        /// What has such a state, such as `a task`.
        of: &'static str,
        /// The names of all its states.
        names: String,
    },
    /// A number in a job spec is out of range.
    #[error("{field} must be {range}, got {value}")]
    Range {
        /// The field of the spec.
        field: &'static str,
        /// What was found.
        value: u64,
        /// The accepted range, such as `1 to 10000`.
        range: String,
    },
    /// A name breaks the grammar of job names.
    #[error(
        "job name `{name}` has {problem}\nhint: use 1 to 63 characters from a-z 0-9 . _ -, and \
         begin and end with a letter or digit"
    )]
    Name {
        /// What was found.
        name: String,
        /// The first problem, with its position counted from 1.
        problem: String,
    },
    /// A field of a job spec is invalid for a reason other than its range.
    #[error("{field} {problem}")]
    Field {
        /// The field of the spec.
        field: &'static str,
        /// What is wrong with it, including the value.
        problem: String,
    },
    /// The text is not a size.
    #[error("size `{text}` {problem}")]
    Size {
        /// What was found.
        text: String,
        /// Why it is not a size, and what to write instead.
        problem: &'static str,
    },
}
