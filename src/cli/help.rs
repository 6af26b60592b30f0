//! What stands below the flags in the helps of the commands: what is to be known before one is typed, and an example.

/// Of the command as a whole.
pub(super) const GRISTMILL: &str = "\
A job is an executable of its own, which also runs without a cluster:
`./wordcount in.txt -o out`. To run it on one:
  gristmill dev                                a cluster on this machine, until
                                               Ctrl-C; and in another terminal:
  gristmill submit ./wordcount in.txt -o out   run a job on it, and watch
  gristmill why j1                             what j1 failed of, or waits for
  gristmill cat out                            print the result

The cluster is named by --cluster or GRISTMILL_CLUSTER, else it is the one at
127.0.0.1:7400. Jobs are called j7, their tasks j7/m12 (a map) and j7/r3 (a
reduce), attempts at one j7/m12#2, workers w4, masters m1. What was asked for
goes to standard output, all else to standard error; --format json, where
there is it, is for programs.
Colours are for terminals; NO_COLOR=1 turns them off.
Exit codes: 0 ok, 1 job failed, 2 usage, input or spec, 3 no such job, task or
worker, 4 no cluster or no quorum, 5 refused by a limit, 6 verification
failed, 7 cancelled, 8 outcome unknown (repeat with the same --id), 130
interrupted.";

pub(super) const DEV: &str = "\
Prints a line for each process, where it listens, and, once all are up, what
to type next. Ctrl-C ends all of it, and so does the end of this process,
however it comes.

Example: gristmill dev --masters 3 --workers 4";

pub(super) const MASTER: &str = "\
Masters decide who does what; jobs run on workers. One is enough to begin; of
three, any one may die without a job being lost. Everything listens on this
machine only (127.0.0.1 or ::1). A folder belongs to one master for ever.
Started again with the same folder and neither --init nor --join, it goes on.

Example, the first of a new cluster: gristmill master --id 1 --listen 127.0.0.1:7400 --data m1 --init
Example, one more:                   gristmill master --id 2 --listen 127.0.0.1:7401 --data m2 --join 127.0.0.1:7400";

pub(super) const WORKER: &str = "\
A worker runs attempts at tasks, each in a process of its own. Sizes carry
units, as in 512MiB or 4GB. Without --data, what it held is gone when it ends;
the maps that it had done are then done again by others.

Example: gristmill worker --cluster 127.0.0.1:7400 --slots 4 --memory 8GB";

pub(super) const SUBMIT: &str = "\
All that stands behind EXECUTABLE is the job's: `gristmill submit ./wordcount
--help` prints what it takes. Its own --progress, --quiet and --summary say
what is said here while it runs; a cluster always needs --output DIR. Paths
mean the same file to every worker. Results are in DIR once the job has
succeeded, all of them or none.

On a terminal, a bar shows each phase (plan, map, reduce, commit): tasks that
are done and all, those that run, bytes a second, the time that is left as
soon as there is ground for one, and below, who is waited for.
Exit codes: 0 it succeeded (with --detach: it was accepted), 1 it failed, 2
usage or input, 4 no cluster, 5 refused by a limit, 7 it was cancelled, 8 it
is not known whether it was accepted (repeat with the same --id), 130 Ctrl-C:
it goes on.

Example: gristmill submit --name nightly ./wordcount logs/*.txt -o counts";

pub(super) const JOBS: &str = "\
The newest first. States: waiting, planning, mapping, reducing, committing,
succeeded, failed, cancelled; REASON says what a job waits for or why it failed.
Times are in UTC. Long names and reasons are cut on a terminal, but not in a
pipe or with --format json.";

pub(super) const STATUS: &str = "\
Exits with 0 however the job stands; `watch` is what waits for its end.

Example, for a script: gristmill status --format json j7";

pub(super) const WATCH: &str = "\
Shows what `submit` shows. --progress: auto (bars on a terminal, now and then
a line elsewhere), always (bars, whatever it is), never, hadoop (` map 83%
reduce 0%`, a line for every change).
Exit codes: 0 it succeeded, 1 it failed, 3 no such job, 4 no cluster, 7 it was
cancelled, 130 Ctrl-C: it goes on.

Example: gristmill watch j7";

pub(super) const TASKS: &str = "\
A line for each attempt; a task that was not started has one too. Tasks: p0 is
the plan, m0, m1, … are maps, r0, … reduces, c0 is the commit. CAUSE is why an
attempt did not succeed: user_error, panic, exit, signal, memory, timeout,
worker_lost, fetch_failed, backup_won, killed, disk (of its worker),
worker_error (it could not start it), master_error (the masters did not hand
out what it needs), or none. Times are in UTC.

Example: gristmill tasks j7";

pub(super) const COUNTERS: &str = "\
Only attempts that count are counted, each record once, whatever ran twice;
but for the group `Job Counters`, which has all attempts. While a job runs,
tasks that run are not in it yet.

Example: gristmill counters j7";

pub(super) const KILL: &str = "\
What it has written is removed. Too late once its output is being published:
it is refused then (exit 5).

Example: gristmill kill j7";

pub(super) const WORKERS: &str = "\
States: alive, draining (takes nothing new), drained (may go), excluded (gets
nothing for a while; EXCLUDED says why and until when), left (it was asked to
end), lost. SEEN is the time since its last poll; a worker that is silent for a
lease (3 s, unless masters were told otherwise) is lost. Workers that left or
were lost are listed for 10 minutes, with --all for longer.";

pub(super) const DRAIN: &str = "\
Returns at once; `gristmill workers` shows when it has left. Nothing runs
again because of it.

Example: gristmill workers drain w4";

pub(super) const MASTERS: &str = "\
ROLE: leader, follower or unreachable. TERM is the number of its leadership,
APPLIED how much of the log it has carried out, BEHIND how much less than the
one that is furthest, WEB where a browser finds it.";

pub(super) const ADD: &str = "\
Changes nothing by itself. Of 3 masters any one may die, of 5 any two; an even
number bears no more than one less.";

pub(super) const REMOVE: &str = "\
Example: gristmill masters remove m2";

pub(super) const TRANSFER: &str = "\
For instance before the machine of the one that leads is taken away.

Example: gristmill masters transfer m2";

pub(super) const VERIFY: &str = "\
Reads every byte, and needs no cluster. Exit codes: 0 all is as it was
published, 6 it is not: a line for each finding, 2 there is no such folder.

Example: gristmill verify out";

pub(super) const CAT: &str = "\
Needs no cluster. Bytes go to a pipe or a file as they are; on a terminal,
control characters are shown as \\x1b and the like. Exit code 6: a part is
missing or has another size.

Example: gristmill cat out | sort -k2 -n | tail";

#[cfg(test)]
mod tests {
    use clap::{Command, CommandFactory, Parser};

    use crate::cli;

    /// Columns of a terminal that nobody has made wider; lines of flags and whole examples may need more.
    const COLUMNS: usize = 80;
    const FLAGS_COLUMNS: usize = 116;

    /// The command and all below it, by what is typed.
    fn all(command: &Command, typed: &str) -> Vec<(String, Command)> {
        let typed = format!("{typed}{}", command.get_name());
        let below = command.get_subcommands().filter(|it| it.get_name() != "help");
        let mut found: Vec<_> = below.flat_map(|it| all(it, &format!("{typed} "))).collect();
        found.push((typed, command.clone()));
        found
    }

    #[test]
    fn every_command_and_every_flag_says_what_it_is_for() {
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
