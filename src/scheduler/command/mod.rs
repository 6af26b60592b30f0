//! Everything that can happen to the scheduler, one file for each.

mod cancel;
mod complete;
mod fail;
mod lose_worker;
mod plan_done;
mod register_worker;
mod submit;

use serde::{Deserialize, Serialize};

pub use cancel::Cancel;
pub use complete::Complete;
pub use fail::Fail;
pub use lose_worker::LoseWorker;
pub use plan_done::{PlanDone, SPLITS_MAX};
pub use register_worker::RegisterWorker;
pub use submit::Submit;

/// Something that happened, to be applied; each is described at the struct of its name.
///
/// A command may be lost or repeated on its way here. None does harm when repeated: the second
/// one is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// A worker lends its slots.
    RegisterWorker(RegisterWorker),
    /// A worker is believed dead.
    LoseWorker(LoseWorker),
    /// A user wants a job to be run.
    Submit(Submit),
    /// A plan attempt has cut the input.
    PlanDone(PlanDone),
    /// A map, reduce or commit attempt has done its work.
    Complete(Complete),
    /// An attempt has failed.
    Fail(Fail),
    /// A user no longer wants a job.
    Cancel(Cancel),
}

/// Lets a command be given as the struct that it is.
macro_rules! from_structs {
    ($($name:ident)*) => {$(
        impl From<$name> for Command {
            fn from(command: $name) -> Self {
                Self::$name(command)
            }
        }
    )*};
}

from_structs! { RegisterWorker LoseWorker Submit PlanDone Complete Fail Cancel }
