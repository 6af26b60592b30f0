//! Counts how often each word occurs.

fn main() {}
