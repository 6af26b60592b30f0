//! Keys must be unchanged after they are written and read.

use super::super::subject::{Subject, Unchecked};
use super::super::{Breach, show};
use crate::job::Job;
use crate::record::Key;

/// Checks that every key has the same bytes after it is read and written again.
pub(crate) fn keys_round_trip<J: Job>(subject: &mut Subject<'_, J>) -> Result<Unchecked, Breach> {
    let (mut read, mut written) = (Vec::new(), Vec::new());
    for member in subject.groups.iter().flat_map(|keyed| &keyed.members) {
        let key = J::Key::decode_key(&member.key, &mut read);
        let same = key.and_then(|key| {
            key.encode_key(&mut written, |bytes, _| (bytes == member.key, show::key::<J>(bytes)))
        });
        let again = match same {
            Ok((true, _)) => continue,
            Ok((false, again)) => again,
            Err(error) => format!("unreadable ({error})"),
        };
        return Err(Breach::KeyChanges { key: show::key::<J>(&member.key), again });
    }
    Ok(None)
}
