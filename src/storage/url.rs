//! Tells a URL from a path, so that who names one learns that it is not read rather than that it is not there.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The scheme of URLs that are paths of this machine.
const FILE: &[u8] = b"file://";

/// Whether it begins as a URL does: `s3://`, `https://`.
pub(super) fn is_url(path: &Path) -> bool {
    let bytes = path.as_os_str().as_bytes();
    let scheme =
        bytes.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"+.-".contains(byte));
    let scheme = scheme.count();
    bytes.first().is_some_and(u8::is_ascii_alphabetic) && bytes[scheme..].starts_with(b"://")
}

/// What to do instead of naming it.
pub(super) fn way_out(url: &Path) -> &'static str {
    match url.as_os_str().as_bytes().starts_with(FILE) {
        true => "name the path alone, without file://",
        false => "name a path of this machine; what lies elsewhere is copied or mounted first",
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
