use std::fmt;
use std::sync::Arc;

/// impact.com's click ID: opaque, case-sensitive, 1 to 64 visible ASCII bytes that a cookie can hold.
///
/// Its `Debug` shows only the first characters, so that no log holds a whole one.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClickId(Arc<str>);

/// The longest click ID that impact.com documents (`ClickId`, string 64).
pub(super) const CLICK_ID_BYTES_MAX: usize = 64;

/// Why a value is no click ID. The visit or call that carried it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadClickId {
    /// No bytes at all.
    Empty,
    /// More than 64 bytes.
    TooLong,
    /// A byte that is not visible ASCII, or a quote, `;`, `,` or `\`.
    BadByte,
    /// A placeholder such as `{clickid}` that nobody filled in.
    Unexpanded,
    /// A value that starts with `~`: made up by impact.com's tag where there was no click.
    Generated,
}

impl ClickId {
    /// Reads a value that has been percent-decoded exactly once.
    pub fn parse(value: &[u8]) -> Result<Self, BadClickId> {
        let text = std::str::from_utf8(value).map_err(|_| BadClickId::BadByte)?;
        match value {
            [] => Err(BadClickId::Empty),
            _ if value.len() > CLICK_ID_BYTES_MAX => Err(BadClickId::TooLong),
            _ if !value.iter().copied().all(is_allowed) => Err(BadClickId::BadByte),
            [b'{', .., b'}'] => Err(BadClickId::Unexpanded),
            [b'~', ..] => Err(BadClickId::Generated),
            _ => Ok(Self(text.into())),
        }
    }

    /// The ID, to the letter.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_allowed(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b';' | b',' | b'\\')
}

impl fmt::Debug for ClickId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: String = self.0.chars().take(6).collect();
        write!(f, "ClickId({shown}…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_click_id_and_what_is_not() {
        for good in ["x", "impacttest", "2uz3sQWFlxyJRcq:wUx0Mo-9", "a{b}", "100%25", "a~", &"k".repeat(64)] {
            assert_eq!(ClickId::parse(good.as_bytes()).unwrap().as_str(), good);
        }
        for (bad, why) in [
            ("", BadClickId::Empty),
            (&"k".repeat(65), BadClickId::TooLong),
            ("a b", BadClickId::BadByte),
            ("a;b", BadClickId::BadByte),
            ("a,b", BadClickId::BadByte),
            ("a\"b", BadClickId::BadByte),
            ("a'b", BadClickId::BadByte),
            ("a\\b", BadClickId::BadByte),
            ("a\r\nSet-Cookie: x", BadClickId::BadByte),
            ("a\0", BadClickId::BadByte),
            ("klick·", BadClickId::BadByte),
            ("{clickid}", BadClickId::Unexpanded),
            ("~made-up", BadClickId::Generated),
        ] {
            assert_eq!(ClickId::parse(bad.as_bytes()), Err(why), "{bad:?}");
        }
    }

    #[test]
    fn debug_never_shows_a_whole_id() {
        let id = ClickId::parse(b"2uz3sQWFlxyJRcqwUx").unwrap();
        assert_eq!(format!("{id:?}"), "ClickId(2uz3sQ…)");
    }
}
