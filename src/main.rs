//! The `gristmill` command: looks at and checks what jobs have written.

fn main() {}
