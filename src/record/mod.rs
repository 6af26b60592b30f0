//! Encodes keys and values, and stores both in checksummed blocks. Encoded keys sort like the keys.

pub mod block;
pub mod grouped;
pub mod hash;
pub mod key;
pub mod probe;
pub mod reverse;
pub mod short;
pub mod text;
pub mod value;
mod words;

pub use grouped::{Grouped, Key};
pub use probe::{Misfit, SERDE_HINT};
pub use reverse::Reverse;
pub use text::{Text, TextBuf};
pub use words::{Words, is_space};
