//! `gristmill why JOB`: explains why a job failed and what to do about it, or what it waits for.

use super::cluster::Cluster;
use super::refused::Refused;
use super::table::{Format, json};
use crate::launch::print;
use crate::model::{JobId, escape_text};
use crate::rpc::jobs::Jobs;
use crate::rpc::why::Why;

pub(super) const AFTER_HELP: &str = "\
For a failed job, shows the first failure that the job did not recover from:
the line of code, the record, the attempts, the last lines that the code
printed, what to do next, and the command that runs the task again. Failures
that were later recovered are left out. For a waiting job, shows what it waits
for, and which job or worker holds it.

Example: gristmill why j7";

/// Runs `gristmill why JOB`.
pub(super) fn why(cluster: &Cluster, job: JobId, format: Format) -> Result<u8, Refused> {
    let why = cluster.ask(async |master| Ok(master.why(job).await?))?;
    Ok(match format {
        Format::Json => print(&json(&why)?),
        Format::Table => print(&escape_text(told(&why, &cluster.flag()).as_bytes())),
    })
}

/// Renders the explanation and the details below it. Foreign text is escaped again here, although the master has
/// escaped it. `flag` is inserted into the suggested commands.
fn told(why: &Why, flag: &str) -> String {
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
        let replay = replay.replacen("gristmill replay", &format!("gristmill replay{flag}"), 1);
        text += &format!("to run the task again here: {replay}\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::JobState;
    use crate::rpc::why::Kind;

    #[test]
    fn the_paragraph_comes_first_and_the_command_last() {
        let mut why = Why {
            id: JobId(7),
            name: "odd".into(),
            state: JobState::Failed,
            kind: Kind::Exit,
            summary: "j7 odd failed.".into(),
            at: None,
            record: None,
            task: None,
            attempts: Vec::new(),
            details: vec!["because: x".into()],
            log: vec!["a".into(), "b".into()],
            suggestion: "fix it".into(),
            replay: Some("gristmill replay j7/m0#1".into()),
        };
        let wanted = "j7 odd failed.\n  because: x\nprinted last:\n  a\n  b\nto do: fix it\n\
                      to run the task again here: gristmill replay j7/m0#1\n";
        assert_eq!(told(&why, ""), wanted);
        assert!(told(&why, " --cluster a:1").ends_with("gristmill replay --cluster a:1 j7/m0#1\n"));
        (why.details, why.log, why.suggestion, why.replay) =
            (Vec::new(), Vec::new(), String::new(), None);
        assert_eq!(told(&why, ""), "j7 odd failed.\n");
    }
}
