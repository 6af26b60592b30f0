//! `gristmill completions SHELL`: prints a completion script for a shell.

use clap::Command;
use clap_complete::{Shell, generate};

use crate::launch::print;

/// Name of the command that the script completes.
const NAME: &str = "gristmill";

pub(super) const AFTER_HELP: &str = "\
For this session: source <(gristmill completions bash)
For all later sessions, save the script where the shell looks for it:
  bash        ~/.local/share/bash-completion/completions/gristmill
  zsh         _gristmill, in a folder of $fpath
  fish        ~/.config/fish/completions/gristmill.fish
  elvish      at the end of ~/.config/elvish/rc.elv
  powershell  at the end of $PROFILE

Example: gristmill completions fish > ~/.config/fish/completions/gristmill.fish";

/// Prints the script for this shell.
pub(super) fn completions(shell: Shell, mut command: Command) -> u8 {
    let mut script = Vec::new();
    generate(shell, &mut command, NAME, &mut script);
    // The script contains ASCII text of ours only.
    print(&String::from_utf8_lossy(&script))
}
