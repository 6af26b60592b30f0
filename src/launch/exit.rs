//! The exit codes of job executables and of the `gristmill` command. Scripts can rely on them.

/// Success.
pub const OK: u8 = 0;
/// The job failed.
pub const FAILED: u8 = 1;
/// The command line, the input or the job's spec is invalid; nothing was started.
pub const USAGE: u8 = 2;
/// An output does not match its manifest.
pub const NOT_WHOLE: u8 = 6;
/// Ctrl-C, SIGTERM or SIGHUP.
pub const INTERRUPTED: u8 = 130;
