//! What the compiler says to an author who makes one of the usual mistakes: each error says what to do.

#[path = "compiler/mistakes.rs"]
mod mistakes;
#[path = "compiler/rustc.rs"]
mod rustc;
