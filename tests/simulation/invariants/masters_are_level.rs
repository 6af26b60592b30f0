//! Checks that, some time after the last fault, every master is a voter, and has applied everything that any master
//! has applied.

use gristmill::rpc::masters::MasterLine;

pub(crate) fn check(masters: u64, lines: &[(MasterLine, (u64, u64))]) -> Result<(), String> {
    let applied = lines.iter().map(|(line, _)| line.applied).max();
    let is_level =
        |(line, _): &(MasterLine, (u64, u64))| line.votes && Some(line.applied) == applied;
    if lines.len() as u64 == masters && lines.iter().all(is_level) {
        return Ok(());
    }
    Err(format!("masters_are_level: {lines:?}"))
}
