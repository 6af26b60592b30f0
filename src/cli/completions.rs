//! `gristmill completions SHELL`: prints a script that has a shell complete what is typed.

use clap::Command;
use clap_complete::{Shell, generate};

use crate::launch::print;

/// What is completed.
const NAME: &str = "gristmill";

pub(super) const AFTER_HELP: &str = "\
For this session:      source <(gristmill completions bash)
For all later ones:    bash        gristmill completions bash > ~/.local/share/bash-completion/completions/gristmill
                       zsh         gristmill completions zsh > _gristmill, in a folder of $fpath
                       fish        gristmill completions fish > ~/.config/fish/completions/gristmill.fish
                       elvish      gristmill completions elvish >> ~/.config/elvish/rc.elv
                       powershell  gristmill completions powershell >> $PROFILE";

/// Prints the script for this shell.
pub(super) fn completions(shell: Shell, mut command: Command) -> u8 {
    let mut script = Vec::new();
    generate(shell, &mut command, NAME, &mut script);
    // Its words are ours, and ASCII.
    print(&String::from_utf8_lossy(&script))
}
