//! Preserves an output folder's mode, group, owner and access lists when a new folder replaces it.

use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, lchown};
use std::path::Path;

use rustix::fs::{XattrFlags, getxattr, listxattr_query, setxattr};

/// Permissions that the owner needs while the folder is moved.
const OWNER_BITS: u32 = 0o700;
const SETGID_BIT: u32 = 0o2000;
/// The bits of a mode that `chmod` sets.
const MODE_BITS: u32 = 0o7777;
/// Extended attributes of access lists (POSIX ACLs), and the longest list that is kept.
const ACLS: [&str; 2] = ["system.posix_acl_access", "system.posix_acl_default"];
const ACL_BYTES_MAX: usize = 4096;

/// Access rights of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Access {
    mode: u32,
    uid: u32,
    gid: u32,
    acls: Vec<(&'static str, Vec<u8>)>,
}

impl Access {
    /// Reads the rights of the folder at `path`; `None` if there is no folder.
    pub(super) fn of(path: &Path) -> io::Result<Option<Self>> {
        let facts = match fs::symlink_metadata(path) {
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            facts => facts?,
        };
        if !facts.is_dir() {
            return Ok(None);
        }
        let mode = facts.mode() & MODE_BITS;
        Ok(Some(Self { mode, uid: facts.uid(), gid: facts.gid(), acls: acls(path) }))
    }

    /// Applies the rights to our new `folder`, if it exists, as far as this user is permitted to. The owner can still move the folder
    /// afterwards. Files in it get the group that they would have if they had been created there.
    pub(super) fn give(&mut self, folder: &Path) -> io::Result<()> {
        let own = match fs::symlink_metadata(folder) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
            facts => facts?,
        };
        if own.uid() != self.uid {
            // Only a privileged user may give files away; for other users the new folder stays their own.
            let _given_or_own = chown(folder, Some(self.uid), None);
        }
        if own.gid() != self.gid && chown(folder, None, Some(self.gid)).is_err() {
            // Rights of one group must not pass to another group.
            self.mode = self.mode & !(SETGID_BIT | 0o070) | (self.mode & 0o007) << 3;
            self.acls.clear();
        }
        if self.mode & SETGID_BIT != 0 {
            give_group(folder, self.gid)?;
        }
        // A change of owner or group may have cleared bits of the mode.
        let is_moved = (own.uid(), own.gid()) != (self.uid, self.gid);
        if is_moved || own.mode() & MODE_BITS != self.mode | OWNER_BITS {
            fs::set_permissions(folder, Permissions::from_mode(self.mode | OWNER_BITS))?;
        }
        for (name, acl) in &self.acls {
            setxattr(folder, *name, acl, XattrFlags::empty())?;
        }
        Ok(())
    }

    /// Completes [`Access::give`] after the folder was moved to its place.
    pub(super) fn complete(&self, folder: &Path) -> io::Result<()> {
        if self.mode & OWNER_BITS == OWNER_BITS {
            return Ok(());
        }
        fs::set_permissions(folder, Permissions::from_mode(self.mode))
    }
}

fn acls(path: &Path) -> Vec<(&'static str, Vec<u8>)> {
    // Most folders have no attributes, and one call shows that.
    if listxattr_query(path) == Ok(0) {
        return Vec::new();
    }
    ACLS.into_iter().filter_map(|name| acl(path, name).map(|acl| (name, acl))).collect()
}

fn acl(path: &Path, name: &str) -> Option<Vec<u8>> {
    let mut bytes = vec![0; ACL_BYTES_MAX];
    let length = getxattr(path, name, &mut bytes[..]).ok()?;
    bytes.truncate(length);
    Some(bytes)
}

/// Gives everything in a folder the group that its setgid bit implies.
fn give_group(folder: &Path, gid: u32) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let facts = fs::symlink_metadata(&path)?;
        if facts.gid() != gid && lchown(&path, None, Some(gid)).is_err() {
            continue;
        }
        if facts.is_dir() {
            let mode = facts.mode() & MODE_BITS | SETGID_BIT;
            fs::set_permissions(&path, Permissions::from_mode(mode))?;
            give_group(&path, gid)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & MODE_BITS
    }

    #[test]
    fn any_mode_is_kept() {
        for kept in [0o700, 0o750, 0o1777, 0o2770, 0o555, 0o2000] {
            let root = tempfile::tempdir().unwrap();
            let (old, new) = (root.path().join("old"), root.path().join("new"));
            fs::create_dir(&old).unwrap();
            fs::create_dir_all(new.join("_bad")).unwrap();
            fs::set_permissions(&old, Permissions::from_mode(kept)).unwrap();
            let mut access = Access::of(&old).unwrap().unwrap();
            access.give(&new).unwrap();
            assert_eq!(mode(&new), kept | OWNER_BITS);
            access.complete(&new).unwrap();
            assert_eq!(mode(&new), kept);
            fs::set_permissions(&new, Permissions::from_mode(0o700)).unwrap();
            assert_eq!(mode(&new.join("_bad")) & SETGID_BIT, kept & SETGID_BIT);
            let (old, new) = (fs::metadata(&old).unwrap(), fs::metadata(&new).unwrap());
            assert_eq!((old.uid(), old.gid()), (new.uid(), new.gid()));
        }
    }

    #[test]
    fn only_folders_have_access_rights() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("file"), "").unwrap();
        assert_eq!(Access::of(&root.path().join("file")).unwrap(), None);
        assert_eq!(Access::of(&root.path().join("none")).unwrap(), None);
    }
}
