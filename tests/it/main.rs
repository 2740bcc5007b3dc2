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

mod attribution;
mod away;
mod bench;
mod calls;
mod capacity;
mod cors;
mod delivery;
mod disk;
mod envelopes;
mod evidence;
mod floods;
mod frames;
mod framing;
mod handshakes;
mod journey;
mod kills;
mod limits;
mod mobile;
mod operations;
mod origins;
mod outage;
mod paths;
mod pixel;
mod programs;
mod protocols;
mod proxied;
mod refunds;
mod regions;
mod sdk;
mod site;
mod stop;
mod store;
mod streams;
mod suppression;
mod tls;
mod trust;
mod verdicts;
mod websocket;
