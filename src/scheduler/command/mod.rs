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

/// Declares [`Command`] from the structs of the same names, with conversions from each.
macro_rules! commands {
    ($($(#[$doc:meta])* $name:ident)*) => {
        /// A command to apply. Each is described at the struct of the same name.
        ///
        /// A command may be lost or repeated on its way here. Repeating one is harmless: the second one is refused, or
        /// changes nothing.
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
    /// Registers a worker with its slots.
    RegisterWorker
    /// A worker is considered lost.
    LoseWorker
    /// A worker ends because it was asked to.
    Leave
    /// A lost worker has returned and still has map outputs.
    RestoreOutputs
    /// Drains a worker.
    Drain
    /// Ends a worker's exclusion.
    Readmit
    /// Submits a job.
    Submit
    /// A plan attempt has finished.
    PlanDone
    /// A map attempt has room for more maps.
    Join
    /// A map, reduce or commit attempt has finished.
    Complete
    /// An attempt has failed.
    Fail
    /// An attempt has shown no progress for too long.
    TimeOut
    /// Ends a task's pause after failures.
    Retry
    /// Starts a backup of a slow attempt.
    BackUp
    /// One map output of a live worker is lost or corrupt.
    LoseOutput
    /// Cancels a job.
    Cancel
    /// Removes a finished job from the history.
    Forget
}
