//! Starts a master with an old copy of its folder. The master must notice that and exit.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::faults::Heal;
use crate::commands::{GRISTMILL, Result};
use crate::fleet::{Fleet, LEASE};
use crate::masters::masters;
use crate::until::until_within;

/// How long a master may take to notice that its folder is an old copy, and to apply what others have.
const NOTICED_WITHIN: u32 = 120;

/// Copies the folder of a stopped follower, lets the follower run on, and starts it from the copy.
pub(crate) fn start_from(fleet: &mut Fleet, follower: usize) -> Result<Heal> {
    let copy = fleet.path(&format!("data/m{follower}-copy"));
    fleet.kill_master_of(follower)?;
    copy_all(&fleet.path(&format!("data/m{follower}")), &copy)?;
    fleet.start_master_of(follower)?;
    let applied =
        |at: usize| Ok::<_, Box<dyn std::error::Error>>(masters(fleet)?[at]["applied"].as_u64());
    let most = (0..3).map(applied).collect::<Result<Vec<_>>>()?.into_iter().max().flatten();
    until_within(NOTICED_WITHIN, "the follower has caught up", || {
        Ok(applied(follower - 1)? >= most)
    })?;
    fleet.kill_master_of(follower)?;
    refuses(fleet, follower, &copy)?;
    fs::remove_dir_all(&copy)?;
    Ok(Heal::StartMaster(follower))
}

fn refuses(fleet: &Fleet, follower: usize, copy: &Path) -> Result {
    let said = fleet.path(&format!("data/m{follower}-copy.txt"));
    let mut master = Command::new(GRISTMILL)
        .args(["master", "--id", &follower.to_string(), "--lease", LEASE])
        .args(["--listen", &fleet.master_of(follower).address, "--data"])
        .arg(copy)
        .args(["--parent", &std::process::id().to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(fs::File::create(&said)?)
        .spawn()?;
    let noticed = until_within(NOTICED_WITHIN, "the old copy is noticed", || {
        Ok(master.try_wait()?.is_some())
    });
    let _ended_or_killed = master.kill();
    let code = master.wait()?.code();
    let text = fs::read_to_string(&said)?;
    fs::remove_file(said)?;
    noticed?;
    if code == Some(0) || !text.contains("older copy") {
        return Err(format!("a master with an old copy exits with {code:?}: {text}").into());
    }
    Ok(())
}

fn copy_all(from: &Path, to: &Path) -> Result {
    let copied = Command::new("cp").arg("-a").args([from, to]).status()?;
    if copied.success() { Ok(()) } else { Err(format!("cp: {copied}").into()) }
}
