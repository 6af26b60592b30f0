//! Compiler errors for the usual mistakes of a job's author: each error says what to do.

#[path = "compiler/mistakes.rs"]
mod mistakes;
#[path = "compiler/rustc.rs"]
mod rustc;
