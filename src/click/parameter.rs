//! Click parameters in a query string.

use super::id::CLICK_ID_BYTES_MAX;
use super::{BadClickId, ClickId};
use memchr::memchr;
use percent_encoding::percent_decode;
use std::borrow::Cow;

/// What a query string says about clicks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Landed {
    /// The click ID that wins: the first configured name with a valid value, its last valid occurrence.
    pub id: Option<ClickId>,
    /// Why the last of the values that are no click IDs is none.
    pub bad: Option<BadClickId>,
}

/// Finds the click in a raw query string (without its `?`).
///
/// Names are matched case-sensitively and values read after one percent-decoding; `+` is literal. `names` come
/// strongest first. A query in which no name occurs costs one pass over its bytes and no allocation.
pub fn find(query: impl AsRef<[u8]>, names: &[impl AsRef<str>]) -> Landed {
    let mut landed = Landed::default();
    let mut rank_won = usize::MAX;
    let mut rest = query.as_ref();
    while !rest.is_empty() {
        let pair;
        (pair, rest) = split(rest, b'&');
        let (name, value) = split(pair, b'=');
        let Some(rank) = names.iter().position(|n| is_named(name, n.as_ref().as_bytes())) else { continue };
        match read(value) {
            Ok(id) if rank <= rank_won => (rank_won, landed.id) = (rank, Some(id)),
            Ok(_) => {}
            Err(why) => landed.bad = Some(why),
        }
    }
    landed
}

/// Finds the click in the text of a whole URL: in what stands between its first `?` and its `#`.
pub fn find_in_url(url: impl AsRef<[u8]>, names: &[impl AsRef<str>]) -> Landed {
    let (before_fragment, _) = split(url.as_ref(), b'#');
    let (_, query) = split(before_fragment, b'?');
    find(query, names)
}

/// What stands before the first `at`, and what after it; without one, all and nothing.
fn split(bytes: &[u8], at: u8) -> (&[u8], &[u8]) {
    let cut = memchr(at, bytes).and_then(|i| Some((bytes.get(..i)?, bytes.get(i + 1..)?)));
    cut.unwrap_or((bytes, &[]))
}

fn is_named(raw: &[u8], name: &[u8]) -> bool {
    // An escaped name is longer than the plain one: three bytes for one.
    raw == name
        || (raw.len() > name.len() && memchr(b'%', raw).is_some() && percent_decode(raw).eq(name.iter().copied()))
}

fn read(raw: &[u8]) -> Result<ClickId, BadClickId> {
    // Three bytes decode to at least one: a longer value is too long without being decoded.
    if raw.len() > 3 * CLICK_ID_BYTES_MAX {
        return Err(BadClickId::TooLong);
    }
    ClickId::parse(&Cow::from(percent_decode(raw)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(query: &str, names: &[&str]) -> (Option<String>, Option<BadClickId>) {
        let Landed { id, bad } = find(query, names);
        (id.map(|id| id.as_str().to_owned()), bad)
    }

    #[test]
    fn the_last_valid_value_of_the_first_name_wins() {
        let two = &["im_ref", "irclickid"];
        for (query, id) in [
            ("im_ref=abc", Some("abc")),
            ("a=1&im_ref=abc&b=2", Some("abc")),
            ("im_ref=one&im_ref=two", Some("two")),
            ("im_ref=one&im_ref=", Some("one")),
            ("im_ref=one&im_ref={clickid}", Some("one")),
            ("irclickid=x&im_ref=y", Some("y")),
            ("im_ref=y&irclickid=x", Some("y")),
            ("im_ref=~y&irclickid=x", Some("x")),
            ("irclickid=x&irclickid=z", Some("z")),
            ("im%5Fref=abc", Some("abc")),
            ("%69%6d_ref=abc", Some("abc")),
            ("im%255Fref=abc", None),
            ("im_ref=a%3Ab", Some("a:b")),
            ("im_ref=a%253Ab", Some("a%3Ab")),
            ("im_ref=a+b", Some("a+b")),
            ("im_ref=a=b", Some("a=b")),
            ("IM_REF=abc", None),
            ("xim_ref=abc", None),
            ("im_ref_=abc", None),
            ("im_ref", None),
            ("", None),
            ("&&&", None),
        ] {
            assert_eq!(found(query, two).0.as_deref(), id, "{query}");
        }
    }

    #[test]
    fn a_bad_value_is_told_and_ignored() {
        let long = format!("im_ref={}", "a".repeat(100_000));
        let escaped = format!("im_ref={}", "%61".repeat(65));
        for (query, bad) in [
            ("im_ref=", BadClickId::Empty),
            ("im_ref", BadClickId::Empty),
            ("im_ref={clickid}", BadClickId::Unexpanded),
            ("im_ref=%7Bclickid%7D", BadClickId::Unexpanded),
            ("im_ref=~abc", BadClickId::Generated),
            ("im_ref=a%0D%0ASet-Cookie:x", BadClickId::BadByte),
            ("im_ref=a%00b", BadClickId::BadByte),
            ("im_ref=%22", BadClickId::BadByte),
            ("im_ref=%C3%A4", BadClickId::BadByte),
            (&long, BadClickId::TooLong),
            (&escaped, BadClickId::TooLong),
        ] {
            assert_eq!(found(query, &["im_ref"]), (None, Some(bad)), "{query:.40}");
        }
        assert_eq!(found("im_ref=%61%61", &["im_ref"]), (Some("aa".into()), None));
        assert_eq!(found(&format!("im_ref={}", "%61".repeat(64)), &["im_ref"]).1, None);
    }

    #[test]
    fn a_urls_query_ends_at_its_fragment() {
        for (url, id) in [
            ("https://shop.example/?im_ref=abc", Some("abc")),
            ("https://shop.example/p?a=1&im_ref=abc#im_ref=def", Some("abc")),
            ("https://shop.example/p#/route?im_ref=abc", None),
            ("https://shop.example/p?x=?&im_ref=abc", Some("abc")),
            ("?im_ref=abc", Some("abc")),
            ("https://shop.example/im_ref=abc", None),
        ] {
            let landed = find_in_url(url, &["im_ref"]);
            assert_eq!(landed.id.as_ref().map(ClickId::as_str), id, "{url}");
        }
    }
}
