//! Turns errors of the command line parser into messages in our error format.

use std::error::Error;
use std::ffi::OsString;
use std::num::{ParseFloatError, ParseIntError};
use std::path::Path;
use std::str::ParseBoolError;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command};

use super::flags::ours;
use super::message::Message;
use crate::model::{TEXT_CHARS_MAX, escape, split_hint, with_hint};

/// The command that takes its own flags before a job executable.
const SUBMIT: &str = "gristmill submit";

/// Flags of `gristmill submit`, which a job executable does not have.
pub(crate) const SUBMIT_FLAGS: [&str; 8] = [
    "--cluster",
    "--id",
    "--name",
    "--detach",
    "--priority",
    "--max-attempts",
    "--task-timeout",
    "--no-backups",
];

/// A command line that was refused.
pub(crate) struct Typed<'t> {
    /// The command whose `--help` applies.
    pub(crate) name: &'t str,
    /// Its flags.
    pub(crate) command: &'t Command,
    /// What was typed.
    pub(crate) args: &'t [OsString],
}

/// Returns the message of a refused command line: what is wrong, and a hint.
pub(crate) fn refusal(typed: &Typed, error: &clap::Error) -> Message {
    let at = |kind| text(error, kind);
    let flag = at(ContextKind::InvalidArg).unwrap_or_else(|| "an argument".into());
    let value = at(ContextKind::InvalidValue).unwrap_or_default();
    let (what, hint) = match error.kind() {
        ErrorKind::UnknownArgument => {
            let meant = at(ContextKind::SuggestedArg);
            unknown(typed, &flag, meant)
        }
        ErrorKind::InvalidSubcommand => {
            let verb = at(ContextKind::InvalidSubcommand).unwrap_or_default();
            let meant = at(ContextKind::SuggestedSubcommand);
            (format!("unknown command `{verb}`"), meant.map(|it| format!("did you mean {it}?")))
        }
        ErrorKind::TooManyValues => (format!("{flag} takes no value, but got `{value}`"), None),
        ErrorKind::ArgumentConflict => match at(ContextKind::PriorArg) {
            Some(prior) if prior == flag => {
                (format!("{flag} is given more than once"), Some("give it only once".into()))
            }
            prior => {
                let prior = prior.unwrap_or_else(|| "another flag".into());
                (
                    format!("{flag} and {prior} cannot be used together"),
                    Some("leave out one of them".into()),
                )
            }
        },
        ErrorKind::MissingRequiredArgument if flag.starts_with("<INPUT>") => {
            let hint = "give files, folders or globs, or - for standard input";
            ("no input was given".into(), Some(hint.into()))
        }
        ErrorKind::MissingRequiredArgument => {
            let verb = if flag.contains(", ") { "are" } else { "is" };
            (format!("{flag} {verb} missing"), None)
        }
        ErrorKind::InvalidValue if value.is_empty() => {
            let name = flag.split(' ').next().unwrap_or(&flag);
            let id = |arg: &str| option(typed.command, arg).map(Arg::get_id);
            let dashed = dashed_value(
                typed,
                |arg| arg == name || id(arg).is_some_and(|it| Some(it) == id(name)),
                |_| true,
            );
            (
                format!("{flag} needs a value"),
                dashed.map(|(name, value)| write_dashed(&name, &value)),
            )
        }
        ErrorKind::InvalidValue => {
            let known = at(ContextKind::ValidValue).map(|values| format!("use one of {values}"));
            (format!("`{value}` is not a value of {flag}"), known)
        }
        ErrorKind::ValueValidation => {
            let reason = error
                .source()
                .map_or_else(|| "the value is not valid".into(), |it| plain(&value, it));
            let (what, hint) = split_hint(&reason);
            (format!("{}: {flag}", one_line(what)), hint.map(|hint| one_line(&hint)))
        }
        _ => (one_line(first_paragraph(&error.to_string())), None),
    };
    let hint = hint.unwrap_or_else(|| format!("run `{} --help`", typed.name));
    Message::new(with_hint(what, Some(hint)))
}

/// Describes why a value is refused. The messages of Rust's and clap's own parsers describe the code rather than the
/// value.
fn plain(value: &str, reason: &(dyn Error + 'static)) -> String {
    if reason.is::<ParseIntError>() {
        return format!("`{value}` is not a whole number");
    }
    if reason.is::<ParseFloatError>() {
        return format!("`{value}` is not a number");
    }
    if reason.is::<ParseBoolError>() {
        return format!("`{value}` is neither true nor false");
    }
    let text = reason.to_string();
    let bounds = text.strip_prefix(value).and_then(|rest| rest.strip_prefix(" is not in "));
    match bounds.and_then(|bounds| bounds.split_once("..=")) {
        Some((least, most)) => format!("`{value}` is not a number from {least} to {most}"),
        None => text,
    }
}

/// Returns what is wrong with an argument that the command does not have, and what to do.
fn unknown(typed: &Typed, flag: &str, meant: Option<String>) -> (String, Option<String>) {
    if !flag.starts_with('-') {
        return (format!("unexpected additional argument: {flag}"), None);
    }
    let takes_value =
        |arg: &str| option(typed.command, arg).is_some_and(|arg| arg.get_action().takes_values());
    if let Some((name, value)) = dashed_value(typed, takes_value, |value| is_of(value, flag)) {
        let what = format!("{name} needs a value, but `{value}` looks like a flag");
        return (what, Some(write_dashed(&name, &value)));
    }
    let given = typed.args.iter().map(shown).find(|arg| is_of(arg, flag)).unwrap_or_default();
    let meant = meant.map(|flag| format!("did you mean {flag}?"));
    let hint = if typed.name == SUBMIT && option(&ours(), flag).is_some() {
        Some("it is a flag of the job: write it after the executable".into())
    } else if typed.name == SUBMIT {
        meant.or_else(|| Some("if it is a flag of the job, write it after the executable".into()))
    } else if SUBMIT_FLAGS.contains(&flag) {
        Some(format!("it is a flag of `{SUBMIT}`: write it before the executable"))
    } else if Path::new(&given).symlink_metadata().is_ok() {
        Some(format!("if you mean the file of that name, write ./{given}"))
    } else {
        meant
    };
    (format!("unknown flag {flag}"), hint)
}

/// Returns the first option, one for which `is_option` holds, that is followed by an argument that begins with a dash
/// and for which `is_value` holds; and that argument.
fn dashed_value(
    typed: &Typed,
    is_option: impl Fn(&str) -> bool,
    is_value: impl Fn(&str) -> bool,
) -> Option<(String, String)> {
    let args: Vec<String> = typed.args.iter().map(shown).take_while(|arg| arg != "--").collect();
    let dashed = args
        .windows(2)
        .find(|pair| pair[1].starts_with('-') && is_option(&pair[0]) && is_value(&pair[1]))?;
    Some((dashed[0].clone(), dashed[1].clone()))
}

/// Returns the hint on how to give an option a value that begins with a dash.
fn write_dashed(name: &str, value: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_./:,=+@%".contains(c);
    if value.chars().all(is_plain) {
        return format!("if `{value}` is the value of {name}, write {name}={value}");
    }
    format!("if `{value}` is the value of {name}, write {name}='{}'", value.replace('\'', r"'\''"))
}

/// Whether this argument is the flag, or the flag with its value.
fn is_of(arg: &str, flag: &str) -> bool {
    let Some(rest) = arg.strip_prefix(flag) else { return false };
    rest.is_empty() || rest.starts_with('=') || !flag.starts_with("--")
}

/// Finds the flag of a command by its written form.
fn option<'c>(command: &'c Command, flag: &str) -> Option<&'c Arg> {
    command.get_arguments().find(|arg| match flag.strip_prefix("--") {
        Some(long) => arg.get_long() == Some(long),
        None => arg.get_short().is_some_and(|short| flag == format!("-{short}")),
    })
}

fn shown(arg: &OsString) -> String {
    escape(arg.as_encoded_bytes(), TEXT_CHARS_MAX)
}

fn text(error: &clap::Error, kind: ContextKind) -> Option<String> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(one_line(text)),
        ContextValue::Strings(texts) => Some(one_line(&texts.join(", "))),
        _ => None,
    }
}

fn one_line(text: &str) -> String {
    escape(text.trim().as_bytes(), TEXT_CHARS_MAX)
}

fn first_paragraph(text: &str) -> &str {
    let text = text.strip_prefix("error: ").unwrap_or(text);
    text.split("\n\n").next().unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use clap::value_parser;

    use super::*;

    /// Returns the message about a value of `--n` for this type of field.
    fn refused(
        parser: impl clap::builder::IntoResettable<clap::builder::ValueParser>,
        value: &str,
    ) -> String {
        let command = Command::new("job").arg(Arg::new("n").long("n").value_parser(parser));
        let args: Vec<OsString> = ["job".into(), format!("--n={value}").into()].into();
        let error = command.clone().try_get_matches_from(&args).unwrap_err();
        refusal(&Typed { name: "job", command: &command, args: &args }, &error).line
    }

    #[test]
    fn bad_numbers_are_refused_in_plain_words() {
        let hint = "--n <n>\nhint: run `job --help`";
        for (said, expected) in [
            (refused(value_parser!(u8), "high"), "`high` is not a whole number"),
            (refused(value_parser!(u8), "300"), "`300` is not a number from 0 to 255"),
            (refused(value_parser!(i64).range(1..=5), "0"), "`0` is not a number from 1 to 5"),
            (refused(value_parser!(u64), ""), "`` is not a whole number"),
            (refused(value_parser!(f64), "1,5"), "`1,5` is not a number"),
        ] {
            assert_eq!(said, format!("{expected}: {hint}"));
        }
    }
}
