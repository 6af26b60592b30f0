//! Turns errors of the command line parser into messages in our error format.

use std::error::Error;
use std::ffi::OsString;
use std::path::Path;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command};

use super::command::ours;
use super::message::Message;
use crate::spec::failure::TEXT_CHARS_MAX;
use crate::spec::{escape, split_hint, with_hint};

/// The command whose own flags stand before a job executable.
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

/// The message of a refused command line: what is wrong, and a hint.
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
                (format!("{flag} is given more than once"), Some("give it once".into()))
            }
            prior => {
                let prior = prior.unwrap_or_else(|| "another flag".into());
                (
                    format!("{flag} and {prior} cannot be used together"),
                    Some("leave one out".into()),
                )
            }
        },
        ErrorKind::MissingRequiredArgument if flag.starts_with("<INPUT>") => {
            let hint = "name files, folders or globs, or - for standard input";
            ("no input is named".into(), Some(hint.into()))
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
            let reason = error.source().map_or_else(|| "it is refused".into(), ToString::to_string);
            let (what, hint) = split_hint(&reason);
            (format!("{}: {flag}", one_line(what)), hint.map(|hint| one_line(&hint)))
        }
        _ => (one_line(first_paragraph(&error.to_string())), None),
    };
    let hint = hint.unwrap_or_else(|| format!("run `{} --help`", typed.name));
    Message::new(with_hint(what, Some(hint)))
}

/// What is wrong with an argument that the command does not have, and what to do.
fn unknown(typed: &Typed, flag: &str, meant: Option<String>) -> (String, Option<String>) {
    if !flag.starts_with('-') {
        return (format!("one argument too many: {flag}"), None);
    }
    let takes_value =
        |arg: &str| option(typed.command, arg).is_some_and(|arg| arg.get_action().takes_values());
    if let Some((name, value)) = dashed_value(typed, takes_value, |value| is_of(value, flag)) {
        let what = format!("{name} needs a value, and `{value}` looks like a flag");
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
        Some(format!("write ./{given} if the file is meant"))
    } else {
        meant
    };
    (format!("unknown flag {flag}"), hint)
}

/// The first option of these whose value, which is one of those, begins with a dash, and that value.
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

/// How an option is given a value that begins with a dash.
fn write_dashed(name: &str, value: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_./:,=+@%".contains(c);
    if value.chars().all(is_plain) {
        return format!("if `{value}` is its value, write {name}={value}");
    }
    format!("if `{value}` is its value, write {name}='{}'", value.replace('\'', r"'\''"))
}

/// Whether this argument is, or begins with, that flag.
fn is_of(arg: &str, flag: &str) -> bool {
    let Some(rest) = arg.strip_prefix(flag) else { return false };
    rest.is_empty() || rest.starts_with('=') || !flag.starts_with("--")
}

/// The flag of a command that is written so.
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
