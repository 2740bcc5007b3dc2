use super::read::cookies;
use crate::click::ClickId;
use http::HeaderMap;
use percent_encoding::percent_decode_str;
use std::borrow::Cow;

/// Cookies of a vendor's own tag that name a click where ours is missing. Their names are the vendor's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fallbacks {
    /// Cookies whose percent-decoded value is the click ID.
    pub plain: Vec<String>,
    /// Cookies whose percent-decoded value has `|` between its fields, the click ID being the fourth.
    pub session: Vec<String>,
}

/// The place of the click ID among the fields of a session cookie, counted from nought.
const SESSION_FIELD: usize = 3;

impl Fallbacks {
    /// The first valid click ID: plain cookies before session cookies.
    pub(super) fn find(&self, headers: &HeaderMap) -> Option<ClickId> {
        let plain = || values(headers, &self.plain).find_map(|value| ClickId::parse(value.as_bytes()).ok());
        let session = || values(headers, &self.session).find_map(|value| session_click(&value));
        plain().or_else(session)
    }
}

fn values<'a>(headers: &'a HeaderMap, names: &'a [String]) -> impl Iterator<Item = Cow<'a, str>> {
    let named = cookies(headers).filter(|(name, _)| names.iter().any(|n| n == name));
    named.filter_map(|(_, value)| percent_decode_str(value).decode_utf8().ok())
}

fn session_click(value: &str) -> Option<ClickId> {
    ClickId::parse(value.split('|').nth(SESSION_FIELD)?.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::COOKIE;

    #[test]
    fn reads_the_clicks_of_foreign_cookies() {
        let fallbacks = Fallbacks { plain: vec!["plain".into()], session: vec!["S_1000".into(), "S_2000".into()] };
        for (field, id) in [
            ("plain=abc", Some("abc")),
            ("plain=a%3Ab", Some("a:b")),
            ("plain=%22; plain=def", Some("def")),
            ("S_1000=1|c|2|abc|x", Some("abc")),
            ("S_1000=1%7Cc%7C2%7Cabc%7C", Some("abc")),
            ("S_1000=1|c|2||x; S_2000=1||2|def", Some("def")),
            ("S_1000=1|c|2|def; plain=abc", Some("abc")),
            ("S_1000=1|c|2", None),
            ("S_3000=1|c|2|abc", None),
            ("plain=%ff", None),
            ("other=abc", None),
        ] {
            let headers = HeaderMap::from_iter([(COOKIE, field.parse().unwrap())]);
            assert_eq!(fallbacks.find(&headers).as_ref().map(ClickId::as_str), id, "{field}");
        }
    }
}
