//! Selvedge from the outside: real sockets, real SDKs, scripted neighbours.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test's panic is its report, and what it skips it has to say"
)]

mod harness;
#[path = "../powerloss/shim.rs"]
mod shim;

mod capacity;
mod disk;
mod framing;
mod journey;
mod kills;
mod sdk;
mod site;
mod stop;
mod streams;
