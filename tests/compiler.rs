//! Compiler errors for the usual mistakes of job authors: each error says what to do.

#[path = "compiler/mistakes.rs"]
mod mistakes;
#[path = "compiler/rustc.rs"]
mod rustc;
