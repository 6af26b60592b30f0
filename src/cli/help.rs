//! Texts below the flags in `--help`: what to know before you run a command, its exit codes, and an example.

/// End of `gristmill --help`.
pub(super) const GRISTMILL: &str = "\
A job is an executable of its own. It runs without a cluster
(`./wordcount in.txt -o out`), or on a cluster:
  gristmill dev                                start a cluster on this machine;
                                               Ctrl-C ends it
  gristmill submit ./wordcount in.txt -o out   run a job, in a second terminal
  gristmill why j1                             see why it failed or waits
  gristmill cat out                            print the result

--cluster or GRISTMILL_CLUSTER names the cluster; the default is
127.0.0.1:7400. A job is called j7, its map task j7/m12, its reduce task
j7/r3, an attempt j7/m12#2, a worker w4, a master m1. Results go to standard
output, everything else to standard error. Use --format json, where
available, in scripts. Set NO_COLOR=1 to turn colours off.

Exit codes: 0 success, 1 job failed, 2 wrong usage, input or job, 3 no such
job, task or worker, 4 no cluster or no majority of its masters, 5 refused
because of a limit or the current state, 6 verification failed, 7 cancelled, 8
outcome unknown (repeat with the same --id), 130 interrupted.";

pub(super) const DEV: &str = "\
Prints a line for each master, worker and web address. When all are ready,
prints the commands to type next. Masters and workers end when this process
ends: on Ctrl-C, or when it is killed.

Example: gristmill dev --masters 3 --workers 4";

pub(super) const MASTER: &str = "\
Masters accept jobs and assign their tasks to workers. Start with one master.
With three masters, any one may fail without the loss of a job. Masters and
workers listen on this machine only (127.0.0.1 or ::1). Each master needs a
data folder of its own. To restart a master, use the same folder, without
--init or --join.

Example, the first of a new cluster: gristmill master --id 1 --listen 127.0.0.1:7400 --data m1 --init
Example, another master:             gristmill master --id 2 --listen 127.0.0.1:7401 --data m2 --join 127.0.0.1:7400";

pub(super) const WORKER: &str = "\
A worker runs attempts in child processes, one attempt per process at a time.
Sizes have units, such as 512MiB or 4GB. Without --data, the worker's map
outputs are removed when it ends. Other workers then repeat the maps whose
output is still needed.

Example: gristmill worker --cluster 127.0.0.1:7400 --slots 4 --memory 8GB";

pub(super) const SUBMIT: &str = "\
Everything after EXECUTABLE belongs to the job: `gristmill submit ./wordcount
--help` prints its flags. The job's --progress, --quiet and --summary control
what this command prints. On a cluster, --output DIR is required, and every
worker must see inputs and outputs under the same paths. DIR appears, complete,
when the job has succeeded.

On a terminal, a bar shows each phase (plan, map, reduce, commit): the tasks
done, running and in total, bytes per second, and an estimate of the time left.
The line below the bars names the attempt that the job waits for.

Exit codes: 0 the job succeeded (with --detach: was accepted), 1 it failed, 2
wrong usage or input, 4 no cluster, 5 refused by a limit, 7 it was cancelled, 8
unknown whether it was accepted (repeat with the same --id), 130 Ctrl-C: the
job continues.

Example: gristmill submit --name nightly ./wordcount logs/*.txt -o counts";

pub(super) const JOBS: &str = "\
Lists the newest job first. States: waiting, planning, mapping, reducing,
committing, succeeded, failed, cancelled. REASON is what the job waits for or
why it failed. Times are UTC. A terminal cuts long names and reasons; a pipe
and --format json show them in full.";

pub(super) const STATUS: &str = "\
Exits with 0 whatever the job's state. Use `watch` to wait for its end.

Example, in a script: gristmill status --format json j7";

pub(super) const WATCH: &str = "\
Shows what `submit` shows. --progress is auto (bars on a terminal, occasional
lines elsewhere), always (bars everywhere), never, or hadoop (a line such as
` map 83% reduce 0%` for every change).

Exit codes: 0 the job succeeded, 1 it failed, 3 no such job, 4 no cluster, 7 it
was cancelled, 130 Ctrl-C: the job continues.

Example: gristmill watch j7";

pub(super) const TASKS: &str = "\
Prints a line for each attempt, and one for each task that has not started.
Tasks: p0 is the plan, m0, m1, … are maps, r0, r1, … are reduces, c0 is the
commit. CAUSE is why an attempt did not succeed: user_error, panic, exit,
signal, memory, timeout, worker_lost, fetch_failed, backup_won, killed, disk
(of its worker), worker_error (its worker could not start it), master_error
(the masters did not send what it needs), or none. Times are UTC.

Example: gristmill tasks j7";

pub(super) const COUNTERS: &str = "\
Counters come from successful attempts only, so each record counts once
however often a task ran. Tasks that are still running are not included. Only
the group `Job Counters` counts all attempts.

Example: gristmill counters j7";

pub(super) const KILL: &str = "\
Removes what the job has written. A job that is publishing its output is
cancelled unless the output becomes visible first. Refused (exit 5) if the job
has already succeeded or failed.

Example: gristmill kill j7";

pub(super) const WORKERS: &str = "\
States: alive, draining (takes no new attempts), drained (may leave), excluded
(gets no attempts for a while; EXCLUDED shows why and until when), left (was
asked to end) and lost. SEEN is the time since the worker's last message. A
worker that is silent for a lease (3 s by default, see `master --lease`) is
lost. Workers that left or were lost are listed for 10 minutes, with --all for
longer.";

pub(super) const DRAIN: &str = "\
Returns at once; `gristmill workers` shows when the worker has left. Draining
does not make any task run again.

Example: gristmill workers drain w4";

pub(super) const MASTERS: &str = "\
ROLE is leader, follower or unreachable. TERM counts elections. APPLIED is the
number of log entries that the master has applied, BEHIND is how many it still
has to apply, and WEB is the address of its pages.";

pub(super) const ADD: &str = "\
Prints the command to run, and changes nothing itself. Three masters tolerate
one failure, five tolerate two. An even number of masters tolerates no more
failures than the odd number below it.";

pub(super) const REMOVE: &str = "\
Example: gristmill masters remove m2";

pub(super) const TRANSFER: &str = "\
Use it before you shut down the leader's machine.

Example: gristmill masters transfer m2";

pub(super) const VERIFY: &str = "\
Reads every byte. Needs no cluster. Exit codes: 0 the output is as it was
published, 6 it is not (prints a line for each finding), 2 the folder does not
exist.

Example: gristmill verify out";

pub(super) const CAT: &str = "\
Needs no cluster. A pipe or a file receives the bytes unchanged; a terminal
shows control characters as \\x1b and the like. Exit code 6: a part is missing
or has another size.

Example: gristmill cat out | sort -k2 -n | tail";

#[cfg(test)]
mod tests {
    use clap::{Command, CommandFactory, Parser};

    use crate::cli;

    /// Columns of a standard terminal. Lines with flags and examples may be longer.
    const COLUMNS: usize = 80;
    const FLAGS_COLUMNS: usize = 116;

    /// Returns the command and its subcommands, each with the words that the user types.
    fn all(command: &Command, typed: &str) -> Vec<(String, Command)> {
        let typed = format!("{typed}{}", command.get_name());
        let below = command.get_subcommands().filter(|it| it.get_name() != "help");
        let mut found: Vec<_> = below.flat_map(|it| all(it, &format!("{typed} "))).collect();
        found.push((typed, command.clone()));
        found
    }

    #[test]
    fn every_command_and_every_flag_has_a_help_text() {
        let mut root = cli::Command::command();
        root.build();
        let commands = all(&root, "");
        assert!(commands.len() > 20, "{}", commands.len());
        for (typed, mut command) in commands {
            assert!(command.get_about().is_some(), "{typed}");
            assert!(command.get_after_help().is_some(), "{typed}");
            for arg in command.get_arguments().filter(|arg| !arg.is_hide_set()) {
                assert!(arg.get_help().is_some(), "{typed} {}", arg.get_id());
            }
            let help = command.render_help().to_string();
            let longer = |line: &&str, than| line.chars().count() > than;
            assert_eq!(help.lines().find(|line| longer(line, FLAGS_COLUMNS)), None, "{typed}");
            let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let text = after.lines().filter(|line| !line.starts_with("Example"));
            assert_eq!(text.clone().find(|line| longer(line, COLUMNS)), None, "{typed}");
        }
    }

    #[test]
    fn every_example_can_be_typed() {
        let mut root = cli::Command::command();
        root.build();
        let mut seen = 0;
        for (typed, command) in all(&root, "") {
            let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            for line in after.lines().filter(|line| line.starts_with("Example")) {
                let (_, example) = line.split_once(": ").expect("an example behind a colon");
                let example = example.split(['|', '>']).next().unwrap_or_default().trim();
                assert!(example.starts_with(&typed), "{typed}: {example}");
                let parsed = cli::Command::try_parse_from(example.split_whitespace());
                assert!(parsed.is_ok(), "{typed}: {example}: {:?}", parsed.err());
                seen += 1;
            }
        }
        assert!(seen > 12, "{seen}");
    }
}
