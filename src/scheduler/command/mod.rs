//! The commands of the scheduler, one file for each.

mod back_up;
mod cancel;
mod complete;
mod drain;
mod fail;
mod forget;
mod join;
mod leave;
mod lose_output;
mod lose_worker;
mod plan_done;
mod readmit;
mod register_worker;
mod restore_outputs;
mod retry;
mod submit;
mod time_out;

use serde::{Deserialize, Serialize};

use super::{Effect, Rejection, Scheduler};

pub use back_up::BackUp;
pub use cancel::Cancel;
pub use complete::Complete;
pub use drain::Drain;
pub use fail::Fail;
pub use forget::Forget;
pub use join::Join;
pub use leave::Leave;
pub use lose_output::LoseOutput;
pub use lose_worker::LoseWorker;
pub use plan_done::{PlanDone, SPLITS_MAX};
pub use readmit::Readmit;
pub use register_worker::RegisterWorker;
pub use restore_outputs::{HeldOutput, RestoreOutputs};
pub use retry::Retry;
pub use submit::Submit;
pub use time_out::TimeOut;

/// Declares [`Command`] from the structs of the same names, and lets each be given for it.
macro_rules! commands {
    ($($(#[$doc:meta])* $name:ident)*) => {
        /// Something that happened, to be applied; each is described at the struct of its name.
        ///
        /// A command may be lost or repeated on its way here. None does harm when repeated: the
        /// second one is refused, or changes nothing.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        pub enum Command {
            $($(#[$doc])* $name($name),)*
        }

        impl Command {
            pub(super) fn apply(
                self,
                scheduler: &mut Scheduler,
                effects: &mut Vec<Effect>,
            ) -> Result<(), Rejection> {
                match self {
                    $(Self::$name(command) => command.apply(scheduler, effects),)*
                }
            }
        }

        $(impl From<$name> for Command {
            fn from(command: $name) -> Self {
                Self::$name(command)
            }
        })*
    };
}

commands! {
    /// A worker lends its slots.
    RegisterWorker
    /// A worker is believed dead.
    LoseWorker
    /// A worker ends because it was asked to, and says so.
    Leave
    /// A worker that was lost is back and still has map outputs.
    RestoreOutputs
    /// A worker will leave, and takes no new attempts.
    Drain
    /// A worker's exclusion is over.
    Readmit
    /// A user wants a job to be run.
    Submit
    /// A plan attempt has cut the input.
    PlanDone
    /// A map attempt has room for more maps.
    Join
    /// A map, reduce or commit attempt has done its work.
    Complete
    /// An attempt has failed.
    Fail
    /// An attempt has shown no progress for too long.
    TimeOut
    /// A task that rests after failures may be started again.
    Retry
    /// A slow attempt gets a second one beside it.
    BackUp
    /// One map output is lost or corrupt, on a worker that lives.
    LoseOutput
    /// A user no longer wants a job.
    Cancel
    /// A job that has ended goes out of the history.
    Forget
}
