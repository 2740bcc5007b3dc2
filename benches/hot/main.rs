//! Micro benchmarks of what every visit, call and delivery costs. `benches/README.md` tells how to read them.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a benchmark that fails may stop, and its functions are named like what they measure"
)]

mod body;
mod links;
mod mapping;
mod outbox;
mod proxy;
mod visit;

/// The program's own allocator: half of what `serde_json::Value` costs is allocation.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    divan::main();
}
