//! The `gristmill` command: looks at outputs and checks them.

mod cat;
mod verify;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};

use crate::launch::{Message, exit, refusal, say};

/// Looks at the outputs of jobs, and checks them.
#[derive(Debug, Parser)]
#[command(name = "gristmill", version, after_help = AFTER_HELP)]
struct Command {
    #[command(subcommand)]
    verb: Verb,
}

const AFTER_HELP: &str = "\
A job is an executable of its own: see the README for how to write and run one.
Exit codes: 0 ok, 1 failed, 2 usage or input, 6 verification failed.";

#[derive(Debug, Subcommand)]
enum Verb {
    /// Check an output: every part's size and checksum, nothing missing, nothing strange
    Verify {
        /// Folder of the output
        dir: PathBuf,
    },
    /// Print an output's parts, in order, uncompressed
    Cat {
        /// Folder of the output
        dir: PathBuf,
    },
}

/// Reads the command line and carries it out.
pub fn main() -> ExitCode {
    let done = match Command::try_parse() {
        Ok(Command { verb: Verb::Verify { dir } }) => verify::verify(&dir),
        Ok(Command { verb: Verb::Cat { dir } }) => cat::cat(&dir),
        // Without a verb there is nothing wrong to name: the help says what there is.
        Err(text) if text.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            say(&text.to_string());
            Ok(exit::USAGE)
        }
        Err(text) if !text.use_stderr() => Ok(crate::launch::print(&text.to_string())),
        Err(error) => Err(refusal("gristmill", &error)),
    };
    ExitCode::from(done.unwrap_or_else(|message: Message| {
        message.say();
        exit::USAGE
    }))
}
