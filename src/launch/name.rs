//! Names a job after its executable.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::model::job::NAME_BYTES;

/// The name of a job whose executable has no usable name.
const NAMELESS: &str = "job";

/// Returns the job's name: the executable's file name in lower case, with `-` for characters that job names do not
/// allow.
pub(super) fn job_name(executable: Option<&OsStr>) -> String {
    let file = executable.and_then(|path| Path::new(path).file_name()).unwrap_or_default();
    let fit = |byte: &u8| match byte.to_ascii_lowercase() {
        byte @ (b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-') => char::from(byte),
        _ => '-',
    };
    let name: String = file.as_bytes().iter().map(fit).collect();
    let edges = ['.', '_', '-'];
    let name = name.trim_matches(edges);
    let name = name[..name.len().min(*NAME_BYTES.end())].trim_end_matches(edges);
    if name.is_empty() { NAMELESS.into() } else { name.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::job::check_name;

    #[test]
    fn every_executable_has_a_name_that_fits() {
        let table: [(&[u8], &str); 8] = [
            (b"target/release/wordcount", "wordcount"),
            (b"inverted-index", "inverted-index"),
            (b"/x/Word Count.exe", "word-count.exe"),
            (b"..hidden_", "hidden"),
            (b"\xff\xfea", "a"),
            (b"", "job"),
            (b"/", "job"),
            (&[b'a'; 100], &"a".repeat(63)),
        ];
        for (path, expected) in table {
            let name = job_name(Some(OsStr::from_bytes(path)));
            assert_eq!(name, expected);
            assert_eq!(check_name(&name), Ok(()));
        }
        assert_eq!(job_name(None), "job");
    }
}
