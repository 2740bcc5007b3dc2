//! Whose click it is: an id, hashed.

pub use crate::store::PersonKey;
use sha2::{Digest, Sha256};

/// The two kinds of id that a call can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IdKind {
    /// `anonymousId`: a browser's or a device's.
    Anonymous,
    /// `userId`: the site's own.
    User,
}

/// A longer id is no id: nobody's generator makes them, and they would cost memory.
const ID_BYTES_MAX: usize = 256;

/// What SDKs and sites send where they have no id. They would make one person of many.
const NEVER_LINKED: [&str; 8] =
    ["", "null", "undefined", "anonymous", "guest", "0", "-1", "00000000-0000-0000-0000-000000000000"];

impl PersonKey {
    /// The key of an id; `None` for an id that is never linked. White space around an id does not count; its case does,
    /// except in telling the ids that are never linked.
    pub fn of(space: &str, kind: IdKind, id: &str) -> Option<Self> {
        let id = id.trim();
        if id.len() > ID_BYTES_MAX || NEVER_LINKED.iter().any(|never| id.eq_ignore_ascii_case(never)) {
            return None;
        }
        let kind = match kind {
            IdKind::Anonymous => "anonymous",
            IdKind::User => "user",
        };
        let hash =
            Sha256::new().chain_update(space).chain_update([0]).chain_update(kind).chain_update([0]).chain_update(id);
        Some(Self(hash.finalize().into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_are_never_linked() {
        let of = |id: &str| PersonKey::of("default", IdKind::User, id);
        for never in NEVER_LINKED.into_iter().chain(["  ", "NULL", "Guest", " undefined ", &"x".repeat(257)]) {
            assert_eq!(of(never), None, "{never:?}");
        }
        for id in ["00", "1", "nullable", "-10", "guest@example.com", &"x".repeat(256)] {
            assert!(of(id).is_some(), "{id:?}");
        }
    }

    #[test]
    fn space_kind_and_id_tell_people_apart() {
        let keys = [
            PersonKey::of("a", IdKind::User, "u1"),
            PersonKey::of("b", IdKind::User, "u1"),
            PersonKey::of("a", IdKind::Anonymous, "u1"),
            PersonKey::of("a", IdKind::User, "U1"),
            PersonKey::of("", IdKind::User, "u1"),
        ];
        for (i, one) in keys.iter().enumerate() {
            assert!(keys.iter().skip(i + 1).all(|other| one != other));
        }
        assert_eq!(PersonKey::of("a", IdKind::User, " u1 "), keys[0]);
    }
}
