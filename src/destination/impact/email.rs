//! `CustomerEmail`: impact.com never gets an address, only its SHA-1 in hex (the guide's footnote 2).

use super::config::EmailNormalization;
use serde_json::Value;
use sha1::{Digest, Sha1};

/// The parameter that addresses go out in.
pub(super) const PARAMETER: &str = "CustomerEmail";

/// Whether what a custom mapping finds for this parameter is hashed: however the name is spelt, an address never goes out
/// plain in it.
pub(super) fn is_hashed(parameter: &str) -> bool {
    parameter.eq_ignore_ascii_case(PARAMETER)
}

/// The hash of an e-mail address, or `None` where there is none: what is no string, or blank.
///
/// What already is a SHA-1 or SHA-256 in hex goes out as it is.
pub(in crate::destination) fn hashed(value: &Value, normalization: EmailNormalization) -> Option<String> {
    let address = value.as_str()?;
    let address = match normalization {
        EmailNormalization::TrimLower | EmailNormalization::Trim => address.trim(),
        EmailNormalization::None => address,
    };
    if address.is_empty() {
        return None;
    }
    if is_hash(address) {
        return Some(address.to_owned());
    }
    let digest = match normalization {
        EmailNormalization::TrimLower => Sha1::digest(address.to_lowercase()),
        EmailNormalization::Trim | EmailNormalization::None => Sha1::digest(address),
    };
    Some(hex::encode(digest))
}

fn is_hash(text: &str) -> bool {
    const SHA1_HEX: usize = 40;
    const SHA256_HEX: usize = 64;
    matches!(text.len(), SHA1_HEX | SHA256_HEX) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// SHA-1 of `user123@email.com`.
    const HASH: &str = "0c57fe03e81357df3acc1340bc9e353688e8f69e";

    #[test]
    fn addresses_are_normalised_and_hashed() {
        use EmailNormalization::{None as AsItIs, Trim, TrimLower};
        // SHA-1 of `User123@Email.com`, and of ` user123@email.com` with its space.
        let (capital, spaced) =
            ("bc34c65d8412c8897029b7ff768b3aabfba6abbb", "cbedfc1b7b5f823f9dcec85c6f5e8a05c7cd16d2");
        for (address, normalization, expected) in [
            (" user123@email.com", Trim, HASH),
            (" user123@email.com", TrimLower, HASH),
            (" user123@email.com", AsItIs, spaced),
            ("\tUser123@Email.com\u{a0}", TrimLower, HASH),
            ("User123@Email.com", Trim, capital),
            ("User123@Email.com", AsItIs, capital),
            (HASH, TrimLower, HASH),
        ] {
            assert_eq!(
                hashed(&json!(address), normalization).as_deref(),
                Some(expected),
                "{address:?} {normalization:?}"
            );
        }
    }

    #[test]
    fn hashes_pass_as_they_are() {
        let sha256 = "AB".repeat(32);
        for hash in [HASH, &HASH.to_uppercase(), &sha256] {
            assert_eq!(hashed(&json!(hash), EmailNormalization::TrimLower).as_deref(), Some(hash));
        }
        let one_short = HASH.trim_start_matches('0');
        assert_ne!(hashed(&json!(one_short), EmailNormalization::TrimLower).as_deref(), Some(one_short));
    }

    #[test]
    fn what_is_no_address_is_absent() {
        for none in [json!(null), json!(""), json!("  "), json!(7), json!(true), json!(["a@b.c"]), json!({})] {
            assert_eq!(hashed(&none, EmailNormalization::TrimLower), None, "{none}");
        }
    }
}
