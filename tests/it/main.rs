//! Selvedge from the outside: real sockets, real SDKs, scripted neighbours.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test's panic is its report, and what it skips it has to say"
)]

mod sdk;
