//! What the two accounts say: reading Segment's Public API and impact.com's, and making a configuration of it.
//!
//! `ask` fetches, bounded in everything; `workspace` and `programs` know what to fetch; `import` turns a destination of
//! Segment's into the settings of a program, `plan` decides what the file needs, and `write` writes it. `online` tells
//! whether what a configuration names is there.
//!
//! **Invariant:** nothing here sends an event, changes anything in an account, or writes a secret down.

mod ask;
pub mod import;
pub mod online;
pub mod plan;
pub mod programs;
pub mod workspace;
mod write;

pub use ask::Trouble;
pub use write::one_line;
