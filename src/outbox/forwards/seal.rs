//! Encryption at rest: AES-256-GCM with a random nonce for each record.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};

/// The key that seals records.
pub(super) struct Key(RandomizedNonceKey);

/// The first byte of a record says how it is written.
const PLAIN: u8 = 0;
const SEALED: u8 = 1;

/// Why a record cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unopened {
    /// It was sealed with another key, or, which nobody can tell apart, the disk has changed it since.
    Locked,
    /// No key opens it.
    Damaged,
}

impl Key {
    /// From 64 hexadecimal digits; `None` if it is anything else.
    pub(super) fn from_hex(digits: &str) -> Option<Self> {
        RandomizedNonceKey::new(&AES_256_GCM, &hex::decode(digits).ok()?).ok().map(Self)
    }
}

/// Seals `plain`, or marks it as plain where there is no key; `None` when the system gives no random numbers.
pub(super) fn seal(plain: Vec<u8>, key: Option<&Key>) -> Option<Vec<u8>> {
    let Some(Key(key)) = key else {
        let mut record = plain;
        record.insert(0, PLAIN);
        return Some(record);
    };
    let mut sealed = plain;
    let nonce = key.seal_in_place_append_tag(Aad::empty(), &mut sealed).ok()?;
    let mut record = Vec::with_capacity(1 + NONCE_LEN + sealed.len());
    record.push(SEALED);
    record.extend_from_slice(nonce.as_ref());
    record.extend_from_slice(&sealed);
    Some(record)
}

/// What [`seal`] sealed.
pub(super) fn open(record: &[u8], key: Option<&Key>) -> Result<Vec<u8>, Unopened> {
    match record.split_first() {
        Some((&PLAIN, plain)) => Ok(plain.to_vec()),
        Some((&SEALED, rest)) => {
            let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>().ok_or(Unopened::Damaged)?;
            let Key(key) = key.ok_or(Unopened::Locked)?;
            let mut sealed = sealed.to_vec();
            let plain = key.open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::empty(), &mut sealed);
            plain.map(|plain| plain.to_vec()).map_err(|_| Unopened::Locked)
        }
        _ => Err(Unopened::Damaged),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_key_opens_what_it_sealed() {
        let (key, other) = (Key::from_hex(&"0f".repeat(32)).unwrap(), Key::from_hex(&"f0".repeat(32)).unwrap());
        let sealed = seal(b"a plain text".to_vec(), Some(&key)).unwrap();
        assert!(!sealed.windows(5).any(|part| part == b"plain"));
        assert_ne!(seal(b"a plain text".to_vec(), Some(&key)).unwrap(), sealed, "each record has a nonce of its own");
        assert_eq!(open(&sealed, Some(&key)).as_deref(), Ok(&b"a plain text"[..]));
        assert_eq!(open(&sealed, Some(&other)), Err(Unopened::Locked));
        assert_eq!(open(&sealed, None), Err(Unopened::Locked));
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_ne!(open(&changed, Some(&key)).as_deref(), Ok(&b"a plain text"[..]), "byte {at}");
        }
        let plain = seal(b"a plain text".to_vec(), None).unwrap();
        assert_eq!(open(&plain, Some(&key)).as_deref(), Ok(&b"a plain text"[..]), "a key that came later");
        for damaged in [&b""[..], b"\x07", b"\x01short"] {
            assert_eq!(open(damaged, Some(&key)), Err(Unopened::Damaged));
        }
        assert!(Key::from_hex("00").is_none() && Key::from_hex(&"g".repeat(64)).is_none());
    }
}
