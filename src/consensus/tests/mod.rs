//! Nodes on real folders: openraft's own suite, restarts, refusals, torn tails, damage.

mod counting;
mod damage;
mod refusals;
mod restarts;
mod suite;
mod tails;
