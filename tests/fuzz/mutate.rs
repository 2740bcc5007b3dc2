//! Mutations of an input: always the same ones for the same seed.

use fastrand::Rng;

/// The longest input that a mutation makes.
const BYTES_MAX: usize = 8 * 1024;

/// Bytes that mean something to the formats that are read.
const TELLING: &[u8] = b"\0\t\n\r \"%&'()*+,-./019:;=?@AZ[\\]_az{|}~\x7f\x80\xc3\xed\xff";

/// One of `corpus`, with one to four changes; some of them take pieces of the others.
pub(crate) fn mutated(corpus: &[Vec<u8>], rng: &mut Rng) -> Vec<u8> {
    let mut bytes = rng.choice(corpus).cloned().unwrap_or_default();
    for _ in 0..rng.usize(1..=4) {
        change(&mut bytes, corpus, rng);
    }
    bytes.truncate(BYTES_MAX);
    bytes
}

fn change(bytes: &mut Vec<u8>, corpus: &[Vec<u8>], rng: &mut Rng) {
    let at = rng.usize(..=bytes.len());
    let range = at..rng.usize(at..=bytes.len().min(at + 64));
    match rng.u8(..8) {
        0 if at < bytes.len() => bytes[at] ^= 1 << rng.u8(..8),
        1 if at < bytes.len() => bytes[at] = telling(rng),
        0..=2 => bytes.insert(at, telling(rng)),
        3 => drop(bytes.drain(range)),
        4 => bytes.truncate(at),
        5 => {
            let again = bytes[range].repeat(rng.usize(1..=16));
            bytes.splice(at..at, again);
        }
        6 => bytes.insert(at, rng.u8(..)),
        _ => {
            let other = rng.choice(corpus).map(Vec::as_slice).unwrap_or_default();
            let from = rng.usize(..=other.len());
            let piece = &other[from..rng.usize(from..=other.len().min(from + 64))];
            bytes.splice(range, piece.iter().copied());
        }
    }
}

fn telling(rng: &mut Rng) -> u8 {
    rng.choice(TELLING).copied().unwrap_or_default()
}
