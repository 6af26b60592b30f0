//! The exit codes that scripts can rely on, as far as a job executable and the command have them today.

/// All went well.
pub const OK: u8 = 0;
/// The job failed.
pub const FAILED: u8 = 1;
/// The command line, the input or the job's spec cannot be; nothing was begun.
pub const USAGE: u8 = 2;
/// An output is not what its manifest says.
pub const NOT_WHOLE: u8 = 6;
/// Ctrl-C, SIGTERM or SIGHUP.
pub const INTERRUPTED: u8 = 130;
