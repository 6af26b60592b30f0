//! Recognises URLs among paths, so that the error can say that URLs are not supported.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The scheme of URLs for local paths.
const FILE: &[u8] = b"file://";

/// Whether `path` begins like a URL: `s3://`, `https://`.
pub(super) fn is_url(path: &Path) -> bool {
    let bytes = path.as_os_str().as_bytes();
    let scheme =
        bytes.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"+.-".contains(byte));
    let scheme = scheme.count();
    bytes.first().is_some_and(u8::is_ascii_alphabetic) && bytes[scheme..].starts_with(b"://")
}

/// Returns the hint for a URL.
pub(super) fn hint(url: &Path) -> &'static str {
    match url.as_os_str().as_bytes().starts_with(FILE) {
        true => "write only the path, without file://",
        false => "use a local path; copy or mount remote files first",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_begins_with_a_scheme() {
        for (path, expected) in [
            ("s3://bucket/key", true),
            ("https://x/y", true),
            ("file:///tmp/x", true),
            ("git+ssh://x", true),
            ("a/b://c", false),
            ("://x", false),
            ("1a://x", false),
            ("c:/x", false),
            ("a b://x", false),
            ("", false),
        ] {
            assert_eq!(is_url(Path::new(path)), expected, "{path}");
        }
    }
}
