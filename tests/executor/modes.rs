//! Outputs have the access rights that their submitter wants, whatever the umask of the process that writes them.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use gristmill::frame::Description;

use crate::worker::{Executor, Job, Result, describe_under};

fn mode(path: &Path) -> Result<u32> {
    Ok(fs::metadata(path)?.permissions().mode() & 0o7777)
}

/// Runs `find-lines`, with its side output, for a submitter with this umask.
fn run(umask: &str, folder: &Path, flags: &[&str]) -> Result {
    fs::write(folder.join("in"), "a whale\nno\n".repeat(100))?;
    let args = ["in", "-e", "whale", "--counts", "--split-size", "1KiB", "-o", "out"];
    let found = describe_under(umask, "find-lines", &[&args[..], flags].concat(), folder)?;
    let Description::Job { spec, .. } = found else { return Err(format!("{found:?}").into()) };
    assert_eq!(spec.umask, u32::from_str_radix(umask, 8)?);
    let mut executor = Executor::of("find-lines")?;
    Job::new(*spec)?.whole(&mut executor).map(drop)
}

#[test]
fn submitters_umask_is_kept() -> Result {
    for umask in ["0027", "0077", "0002", "0000", "0222"] {
        let folder = tempfile::tempdir()?;
        run(umask, folder.path(), &[])?;
        let withheld = u32::from_str_radix(umask, 8)?;
        let out = folder.path().join("out");
        assert_eq!(mode(&out)?, 0o777 & !withheld, "{umask}");
        let mut files = 0;
        for entry in fs::read_dir(&out)? {
            let path = entry?.path();
            let all = if path.is_dir() { 0o777 } else { 0o666 };
            assert_eq!(mode(&path)?, all & !withheld, "{umask}: {}", path.display());
            files += 1;
        }
        assert!(files > 3, "parts, the manifest and the mark");
    }
    Ok(())
}

#[test]
fn prepared_and_replaced_folders_keep_their_mode() -> Result {
    for kept in [0o700, 0o750, 0o2770, 0o1777] {
        let folder = tempfile::tempdir()?;
        let out = folder.path().join("out");
        fs::create_dir(&out)?;
        fs::set_permissions(&out, Permissions::from_mode(kept))?;
        for flags in [&[][..], &["--overwrite"], &["--overwrite"]] {
            run("0022", folder.path(), flags)?;
            assert_eq!(mode(&out)?, kept, "{flags:?}");
            assert_eq!(mode(&out.join("_SUCCESS"))?, 0o644);
        }
    }
    Ok(())
}
