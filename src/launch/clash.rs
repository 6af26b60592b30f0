//! Finds a job's flags whose names are already used, by a flag that every job has or by another field of the job.

use clap::Arg;

use super::command::own;
use super::flags::ours;
use crate::job::Job;

/// Returns a sentence for each flag of the job that clashes with a flag of every job, or with another flag of the job.
///
/// A job with such a flag does not run. A test of the job can find it first:
///
/// ```
/// use gristmill::prelude::*;
/// # #[derive(Args, Serialize, Deserialize)] struct Count {}
/// # impl Job for Count {
/// #     type Input = Lines; type Key<'a> = &'a Text; type Value<'a> = u64; type Output = Tsv;
/// #     fn map(&self, line: &Text, out: &mut Emitter<Self>) -> Result { out.emit(line, 1) }
/// #     fn reduce(&self, line: &Text, n: Values<Self>, out: &mut Writer<Tsv>) -> Result { out.write((line, n.sum()?)) }
/// # }
/// assert_eq!(gristmill::launch::clashes::<Count>(), [""; 0]);
/// ```
pub fn clashes<J: Job>() -> Vec<String> {
    let (ours, own) = (ours(), own::<J>());
    let mut found = Vec::new();
    if own.has_subcommands() {
        found.push("the job has subcommands, which are not supported; make them flags".into());
    }
    let mut known: Vec<(&Arg, &str)> = ours.get_arguments().map(|arg| (arg, "every job")).collect();
    for arg in own.get_arguments() {
        let field = arg.get_id();
        if arg.is_positional() {
            found.push(format!(
                "the field `{field}` is a positional argument, but only inputs can be positional; add #[arg(long)]"
            ));
        }
        for (other, owner) in &known {
            found.extend(shared(arg, other).map(|flag| {
                format!(
                    "{flag} of the field `{field}` is already used by {owner}; rename the field"
                )
            }));
        }
        known.push((arg, "another field"));
    }
    found
}

/// Returns a flag that both arguments have, or the name of the field if only that is the same.
fn shared(arg: &Arg, other: &Arg) -> Option<String> {
    let (others, other_shorts) = (longs(other), shorts(other));
    let long = longs(arg).into_iter().find(|long| others.contains(long));
    let short = || shorts(arg).into_iter().find(|short| other_shorts.contains(short));
    let named = || (arg.get_id() == other.get_id()).then(|| "the name".to_string());
    let long = long.map(|long| format!("--{long}"));
    long.or_else(|| short().map(|short| format!("-{short}"))).or_else(named)
}

fn longs(arg: &Arg) -> Vec<&str> {
    arg.get_long().into_iter().chain(arg.get_all_aliases().unwrap_or_default()).collect()
}

fn shorts(arg: &Arg) -> Vec<char> {
    arg.get_short().into_iter().chain(arg.get_all_short_aliases().unwrap_or_default()).collect()
}
