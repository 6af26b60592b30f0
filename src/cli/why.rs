//! `gristmill why JOB`: what a job failed of and what to do about it, or what it waits for.

use super::cluster::Cluster;
use super::refused::Refused;
use super::table::{Format, json};
use crate::launch::print;
use crate::rpc::jobs::Jobs;
use crate::rpc::why::Why;
use crate::spec::{JobId, escape_text};

pub(super) const AFTER_HELP: &str = "\
Of a job that failed: its first failure that was not made good, with the line
of code, the record, the attempts, the last that was printed, one thing to do,
and the command that does the task once more. Failures after which a task was
done all the same are no cause, and are left out.

Example: gristmill why j7";

/// `gristmill why JOB`.
pub(super) fn why(cluster: &Cluster, job: JobId, format: Format) -> Result<u8, Refused> {
    let why = cluster.ask(async |master| Ok(master.why(job).await?))?;
    Ok(match format {
        Format::Json => print(&json(&why)?),
        Format::Table => print(&escape_text(told(&why).as_bytes())),
    })
}

/// The paragraph, and below it what does not fit into one. The master has escaped all that is foreign; so
/// does this command, whoever it speaks to.
fn told(why: &Why) -> String {
    let mut text = format!("{}\n", why.summary);
    for detail in &why.details {
        text += &format!("  {detail}\n");
    }
    if !why.log.is_empty() {
        text += "printed last:\n";
        why.log.iter().for_each(|line| text += &format!("  {line}\n"));
    }
    if !why.suggestion.is_empty() {
        text += &format!("to do: {}\n", why.suggestion);
    }
    if let Some(replay) = &why.replay {
        text += &format!("once more, here: {replay}\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rpc::jobs::State;
    use crate::rpc::why::Kind;

    #[test]
    fn the_paragraph_comes_first_and_the_command_last() {
        let mut why = Why {
            id: JobId(7),
            name: "odd".into(),
            state: State::Failed,
            kind: Kind::Exit,
            summary: "j7 odd failed.".into(),
            at: None,
            record: None,
            task: None,
            attempts: Vec::new(),
            details: vec!["because: x".into()],
            log: vec!["a".into(), "b".into()],
            suggestion: "mend it".into(),
            replay: Some("gristmill replay j7/m0#1".into()),
        };
        let wanted = "j7 odd failed.\n  because: x\nprinted last:\n  a\n  b\nto do: mend it\n\
                      once more, here: gristmill replay j7/m0#1\n";
        assert_eq!(told(&why), wanted);
        (why.details, why.log, why.suggestion, why.replay) =
            (Vec::new(), Vec::new(), String::new(), None);
        assert_eq!(told(&why), "j7 odd failed.\n");
    }
}
