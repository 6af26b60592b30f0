//! The inputs of a command line: paths, or `NAME=PATH` if a job reads several kinds.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::message::Message;
use crate::model::{InputSpec, Location, TEXT_CHARS_MAX, escape};

/// Parses the inputs. `names` are the job's kinds of input, if it has several.
pub(super) fn inputs(names: &[&str], paths: &[PathBuf]) -> Result<Vec<InputSpec>, Message> {
    if names.len() < 2 {
        return Ok(paths
            .iter()
            .map(|path| InputSpec { source: 0, location: path.into() })
            .collect());
    }
    let inputs: Vec<InputSpec> =
        paths.iter().map(|path| named(names, path)).collect::<Result<_, _>>()?;
    for (source, name) in (0..).zip(names) {
        if !inputs.iter().any(|input| input.source == source) {
            return Err(Message::new(format!(
                "no input is given for `{name}`\nhint: add {name}=PATH"
            )));
        }
    }
    Ok(inputs)
}

fn named(names: &[&str], given: &Path) -> Result<InputSpec, Message> {
    let bytes = given.as_os_str().as_bytes();
    let shown = escape(bytes, TEXT_CHARS_MAX);
    let forms: Vec<String> = names.iter().map(|name| format!("{name}=PATH")).collect();
    let forms = forms.join(" or ");
    let refuse = |what: String| Err(Message::new(format!("{what}\nhint: write {forms}")));
    let Some(cut) = bytes.iter().position(|byte| *byte == b'=') else {
        return refuse(format!("input `{shown}` has no name"));
    };
    let (name, path) = (&bytes[..cut], &bytes[cut + 1..]);
    let source = (0..).zip(names).find(|(_, known)| known.as_bytes() == name);
    match source {
        None => refuse(format!("the job has no input named `{}`", escape(name, TEXT_CHARS_MAX))),
        Some(_) if path.is_empty() => refuse(format!("input `{shown}` has no path")),
        Some((source, _)) => {
            Ok(InputSpec { source, location: Location::from(OsStr::from_bytes(path)) })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(names: &[&str], given: &[&str]) -> Result<Vec<(u32, String)>, String> {
        let paths: Vec<PathBuf> = given.iter().map(PathBuf::from).collect();
        let inputs = inputs(names, &paths).map_err(|message| message.line)?;
        Ok(inputs.iter().map(|input| (input.source, input.location.to_string())).collect())
    }

    #[test]
    fn a_job_with_one_kind_of_input_takes_paths_as_they_are() {
        let given = read(&[], &["a=b", "c"]).unwrap();
        assert_eq!(given, [(0, "a=b".into()), (0, "c".into())]);
    }

    #[test]
    fn named_inputs_are_found_by_their_names() {
        let given = read(&["users", "orders"], &["orders=o=1", "users=u", "users=v"]).unwrap();
        assert_eq!(given, [(1, "o=1".into()), (0, "u".into()), (0, "v".into())]);
    }

    #[test]
    fn inputs_without_a_known_name_and_names_without_input_are_refused() {
        let table = [
            (&["users=u"][..], "no input is given for `orders`\nhint: add orders=PATH"),
            (&["u"], "input `u` has no name\nhint: write users=PATH or orders=PATH"),
            (
                &["user=u"],
                "the job has no input named `user`\nhint: write users=PATH or orders=PATH",
            ),
            (&["users="], "input `users=` has no path"),
        ];
        for (given, expected) in table {
            let error = read(&["users", "orders"], given).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
