//! Decides which attempt runs where: commands in, effects out.
