//! Sums the bytes and requests of an access log per host and status. The executable holds two versions of this task: a
//! Gristmill job and a hand-written program.
//!
//! ```text
//! cargo bench --bench generate -- access-log access.log 1000000000
//! cargo bench --bench access_log -- by-hand access.log by-hand.tsv 2
//! cargo bench --bench access_log -- job access.log -o out
//! ```
//!
//! To run the job, pass `job` as the first argument. The other arguments are those of any job executable.

mod by_hand;
mod job;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    args.retain(|arg| arg != "--bench");
    let done = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["by-hand", input, output, threads] => by_hand::run(input, output, threads),
        ["job", ..] => return gristmill::launch_from::<job::AccessLog>(args),
        _ => Err("usage: by-hand IN OUT THREADS | job IN... [OPTIONS]".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}
