//! Every target over its corpus, and over the same few thousand mutations of it on every machine. See `README.md`.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that fails may panic")]

mod mutate;
mod targets;

use fastrand::Rng;
use std::ops::Range;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::{env, fs, thread};
use targets::{ALL, Target};

/// How many mutations each target gets.
const MUTATIONS: u64 = 20_000;

/// What is longer is tried as it is, but not mutated: it would take most of the time, and teach nothing new.
const MUTATED_BYTES_MAX: usize = 2 * 1024;

/// Names one target, or one of its seeds, to run nothing else: `envelope`, `envelope:17`.
const ONLY: &str = "SELVEDGE_FUZZ";

#[test]
fn every_target_keeps_its_promises() {
    let only = env::var(ONLY).unwrap_or_default();
    let (only, seed) = only.split_once(':').map_or((only.as_str(), None), |(name, seed)| (name, Some(seed)));
    let seeds = seed.map_or(0..MUTATIONS, |seed| seed.parse().map(|seed| seed..seed + 1).unwrap());
    let chosen = ALL.into_iter().filter(|(name, _)| only.is_empty() || *name == only);
    let walk = |(name, target)| walk(name, target, seeds.clone());
    let broken: Vec<&str> = thread::scope(|scope| {
        // Threads of their own, with the stack that the program's have.
        let walks: Vec<_> = chosen.map(|one| (one.0, scope.spawn(move || walk(one)))).collect();
        walks.into_iter().filter_map(|(name, walk)| walk.join().err().map(|_| name)).collect()
    });
    assert!(broken.is_empty(), "broken, see above: {broken:?}");
}

#[test]
fn every_target_has_its_fuzzer() {
    let manifest = fs::read_to_string(root().join("libfuzzer/Cargo.toml")).unwrap();
    for (name, _) in ALL {
        let program = fs::read_to_string(root().join(format!("libfuzzer/fuzz_targets/{name}.rs"))).unwrap();
        assert!(program.contains(&format!("targets::{name}::target")), "{name}");
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "{name}");
    }
}

fn walk(name: &str, target: Target, seeds: Range<u64>) {
    let corpus = corpus(name);
    for (file, bytes) in &corpus {
        attempt(target, bytes, || format!("{name} breaks on {}", file.display()));
    }
    let short = corpus.into_iter().map(|(_, bytes)| bytes).filter(|bytes| bytes.len() <= MUTATED_BYTES_MAX);
    let short: Vec<Vec<u8>> = short.collect();
    for seed in seeds {
        let bytes = mutate::mutated(&short, &mut Rng::with_seed(seed));
        attempt(target, &bytes, || {
            let file = env::temp_dir().join(format!("selvedge-fuzz-{name}-{seed}"));
            fs::write(&file, &bytes).unwrap();
            format!("{name} breaks on {} (again: {ONLY}={name}:{seed} cargo test --test fuzz)", file.display())
        });
    }
}

fn attempt(target: Target, bytes: &[u8], said: impl FnOnce() -> String) {
    assert!(catch_unwind(|| target(bytes)).is_ok(), "{}", said());
}

/// The files of a target's corpus, in the order of their names. Envelopes have one already.
fn corpus(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let mut folders = vec![root().join("corpus").join(name)];
    if matches!(name, "envelope" | "mapping") {
        folders.push(root().join("../fixtures/bodies"));
    }
    let entries = folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| !file.to_string_lossy().ends_with(".expect.json"));
    files.sort();
    assert!(files.len() >= 3, "{name} has only {} files", files.len());
    files.into_iter().map(|file| (file.clone(), fs::read(file).unwrap())).collect()
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fuzz"))
}
