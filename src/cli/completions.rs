//! `gristmill completions SHELL`: prints a script that has a shell complete what is typed.

use clap::Command;
use clap_complete::{Shell, generate};

use crate::launch::print;

/// What is completed.
const NAME: &str = "gristmill";

pub(super) const AFTER_HELP: &str = "\
For this session: source <(gristmill completions bash)
For all later ones, put what it prints where the shell looks:
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
    // Its words are ours, and ASCII.
    print(&String::from_utf8_lossy(&script))
}
