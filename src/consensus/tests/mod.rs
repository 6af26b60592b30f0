//! Tests of nodes with real folders: openraft's own suite, restarts, refusals, torn tails, damage, groups and more.

mod copies;
mod counting;
mod damage;
mod group;
mod handover;
mod plausible;
mod refusals;
mod removal;
mod restarts;
mod suite;
mod tails;
mod votes;
