//! Turns keys and values into bytes that sort as their keys do, in checksummed blocks.

pub mod block;
