//! Turns errors of the command line parser into messages in our error format.

use std::error::Error;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::message::Message;
use crate::spec::escape;
use crate::spec::failure::TEXT_CHARS_MAX;

/// The message of a refused command line: what is wrong, and a hint.
pub(crate) fn refusal(name: &str, error: &clap::Error) -> Message {
    let help = format!("see `{name} --help`");
    let at = |kind| text(error, kind);
    let flag = at(ContextKind::InvalidArg).unwrap_or_else(|| "an argument".into());
    let value = at(ContextKind::InvalidValue).unwrap_or_default();
    let (what, place, way_out) = match error.kind() {
        ErrorKind::UnknownArgument => {
            let meant = at(ContextKind::SuggestedArg).map(|flag| format!("did you mean {flag}?"));
            let kind =
                if flag.starts_with('-') { "unknown flag" } else { "one argument too many:" };
            (format!("{kind} {flag}"), None, meant)
        }
        ErrorKind::InvalidSubcommand => {
            let verb = at(ContextKind::InvalidSubcommand).unwrap_or_default();
            let meant = at(ContextKind::SuggestedSubcommand);
            (
                format!("unknown command `{verb}`"),
                None,
                meant.map(|it| format!("did you mean {it}?")),
            )
        }
        ErrorKind::TooManyValues => {
            (format!("{flag} takes no value, but has `{value}`"), None, None)
        }
        ErrorKind::ArgumentConflict => match at(ContextKind::PriorArg) {
            Some(prior) if prior == flag => {
                (format!("{flag} is given twice"), None, Some("give it once".into()))
            }
            prior => {
                let prior = prior.unwrap_or_else(|| "another flag".into());
                (
                    format!("{flag} and {prior} contradict each other"),
                    None,
                    Some("leave one out".into()),
                )
            }
        },
        ErrorKind::MissingRequiredArgument if flag.starts_with("<INPUT>") => {
            let way_out = "name files, folders or globs, or - for standard input";
            ("no input is named".into(), None, Some(way_out.into()))
        }
        ErrorKind::MissingRequiredArgument => {
            let verb = if flag.contains(", ") { "are" } else { "is" };
            (format!("{flag} {verb} missing"), None, None)
        }
        ErrorKind::InvalidValue if value.is_empty() => (format!("{flag} has no value"), None, None),
        ErrorKind::InvalidValue => {
            let known = at(ContextKind::ValidValue).map(|values| format!("use one of {values}"));
            (format!("`{value}` is not a value of {flag}"), None, known)
        }
        ErrorKind::ValueValidation => {
            let reason = error.source().map_or_else(|| "it is refused".into(), ToString::to_string);
            let reason = one_line(&reason);
            match reason.rsplit_once("; ") {
                Some((what, way_out)) => (what.into(), Some(flag), Some(way_out.into())),
                None => (reason, Some(flag), None),
            }
        }
        _ => (one_line(first_paragraph(&error.to_string())), None, None),
    };
    let place = place.unwrap_or_else(|| "command line".into());
    Message::new(format!("{what}; {place}; {}", way_out.unwrap_or(help)))
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
