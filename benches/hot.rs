//! Micro benchmarks of the hot functions.
fn main() {
    divan::main();
}
