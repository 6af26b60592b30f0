//! What a job author imports: `use gristmill::prelude::*`.

pub use std::process::ExitCode;

pub use clap::Args;
pub use serde::{Deserialize, Serialize};

pub use crate::format::{
    Either, Fixed, Gzip, Input, Json, JsonLines, Lines, Output, Raw, Seq, Sequence, TextLines, Tsv,
    Utf8Lines, Whole, Writes,
};
#[doc(hidden)]
pub use crate::job::NoParser as _;
pub use crate::job::{
    ByHash, Combine, Counter, Emitter, Error, Job, MapJob, MapOnly, Max, Min, NoCombiner, Number,
    Partition, Result, Side, SideFile, Sum, Task, TotalOrder, Values, Writer,
};
pub use crate::record::{Grouped, Reverse, Text, TextBuf};
