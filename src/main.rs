//! The `gristmill` command.

fn main() -> std::process::ExitCode {
    gristmill::cli::main()
}
