//! Who is no visitor: sub-resources, prefetches, bots.

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use http::header::{ACCEPT, HeaderName};
use http::{HeaderMap, HeaderValue, Method};
use memchr::memmem;
use std::sync::LazyLock;

/// Whether a request loads a document: a GET with `Sec-Fetch-Dest: document` or, from a browser that does not send
/// that field, with an `Accept` that names `text/html`.
pub fn is_document(method: &Method, headers: &HeaderMap) -> bool {
    if method != Method::GET {
        return false;
    }
    match headers.get(SEC_FETCH_DEST) {
        Some(destination) => destination == "document",
        None => headers.get_all(ACCEPT).iter().any(|accept| names(accept, &["text/html"])),
    }
}

/// Whether a browser fetches this before anybody asked to see it.
pub fn is_prefetch(headers: &HeaderMap) -> bool {
    // One walk over the few fields there are is cheaper than to look for each name.
    let mut purposes = headers.iter().filter(|(field, _)| PURPOSES.contains(field));
    purposes.any(|(_, purpose)| names(purpose, &["prefetch", "prerender", "preview"]))
}

/// Whether a User-Agent is that of a program that no person sits in front of: a crawler, a link previewer or a
/// monitor. HTTP libraries and headless browsers are not: whoever tries a site out with them wants to see what a person
/// gets, and without a cookie jar it comes to nothing. An empty one is not: privacy tools send that. `more` are further substrings, compared without
/// regard to case.
pub fn is_bot(user_agent: &[u8], more: &[String]) -> bool {
    let read = user_agent.get(..USER_AGENT_BYTES_READ).unwrap_or(user_agent);
    let lower = read.to_ascii_lowercase();
    let has = |token: &str| memmem::find(&lower, token.as_bytes()).is_some();
    names_a_bot(&lower)
        || KNOWN.as_ref().is_some_and(|known| known.is_match(&lower))
        || more.iter().any(|token| has(&token.to_ascii_lowercase()))
}

/// All of [`BOTS`], looked for in one walk. A few short words always make an automaton.
static KNOWN: LazyLock<Option<AhoCorasick>> =
    LazyLock::new(|| AhoCorasick::builder().kind(Some(AhoCorasickKind::DFA)).build(BOTS).ok());

const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// The fields in which browsers, today's and yesterday's, announce a prefetch.
const PURPOSES: [HeaderName; 4] = [
    HeaderName::from_static("sec-purpose"),
    HeaderName::from_static("purpose"),
    HeaderName::from_static("x-purpose"),
    HeaderName::from_static("x-moz"),
];

/// The longest User-Agents of browsers are under 400 bytes; a bot names itself early or never.
const USER_AGENT_BYTES_READ: usize = 512;

/// Lower-case substrings of the User-Agents of well-known programs, beside those that say `bot`. In-app browsers (Instagram,
/// Pinterest, Snapchat and the like) are persons and stay out.
const BOTS: [&str; 42] = [
    // Crawlers.
    "crawl",
    "spider",
    "slurp",
    "mediapartners-google",
    "google-inspectiontool",
    "googleother",
    "google-extended",
    "google-safety",
    "apis-google",
    "feedfetcher",
    "ia_archiver",
    "archive.org",
    "meta-externalagent",
    "scrapy",
    "chatgpt-user",
    "perplexity-user",
    "claude-user",
    "+http://",
    "+https://",
    // Link previewers.
    "facebookexternalhit",
    "facebookcatalog",
    "whatsapp/",
    "bingpreview",
    "web preview",
    "uripreview",
    "embedly",
    "iframely",
    "bitly",
    "vkshare",
    "mastodon/",
    "snap url preview",
    // Monitors and audits.
    "lighthouse",
    "pagespeed",
    "ptst/",
    "gtmetrix",
    "pingdom",
    "uptime",
    "statuscake",
    "site24x7",
    "datadog",
    "newrelic",
    "monitor",
];

/// Whether the bytes say `bot`, other than in `cubot`, which makes telephones.
fn names_a_bot(lower: &[u8]) -> bool {
    memmem::find_iter(lower, b"bot").any(|at| !lower.get(..at).is_some_and(|before| before.ends_with(b"cu")))
}

fn names(field: &HeaderValue, words: &[&str]) -> bool {
    let lower = field.as_bytes().to_ascii_lowercase();
    words.iter().any(|word| memmem::find(&lower, word.as_bytes()).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HTML: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        fields.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect()
    }

    #[test]
    fn what_is_a_document() {
        for (method, fields, is) in [
            (Method::GET, &[("sec-fetch-dest", "document")][..], true),
            (Method::GET, &[("sec-fetch-dest", "document"), ("accept", "*/*")], true),
            (Method::GET, &[("accept", HTML)], true),
            (Method::GET, &[("accept", "TEXT/HTML")], true),
            (Method::GET, &[("sec-fetch-dest", "iframe"), ("accept", HTML)], false),
            (Method::GET, &[("sec-fetch-dest", "image")], false),
            (Method::GET, &[("sec-fetch-dest", "empty"), ("accept", HTML)], false),
            (Method::GET, &[("accept", "*/*")], false),
            (Method::GET, &[("accept", "application/json")], false),
            (Method::GET, &[], false),
            (Method::HEAD, &[("accept", HTML)], false),
            (Method::POST, &[("sec-fetch-dest", "document")], false),
        ] {
            assert_eq!(is_document(&method, &headers(fields)), is, "{method} {fields:?}");
        }
    }

    #[test]
    fn what_is_a_prefetch() {
        for (fields, is) in [
            (&[("sec-purpose", "prefetch")][..], true),
            (&[("sec-purpose", "prefetch;prerender")], true),
            (&[("purpose", "prefetch")], true),
            (&[("x-purpose", "preview")], true),
            (&[("x-moz", "Prefetch")], true),
            (&[("purpose", "buy")], false),
            (&[], false),
        ] {
            assert_eq!(is_prefetch(&headers(fields)), is, "{fields:?}");
        }
    }

    #[test]
    fn who_is_a_bot() {
        for agent in [
            "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
            "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; bingbot/2.0)",
            "facebookexternalhit/1.1",
            "WhatsApp/2.23.20.0",
            "Mozilla/5.0 (Linux; Android 11) Chrome/109.0 Mobile Safari/537.36 Chrome-Lighthouse",
            "Pingdom.com_bot_version_1.4",
            "CUBOT_X18 Somebot/1.0",
        ] {
            assert!(is_bot(agent.as_bytes(), &[]), "{agent}");
        }
        for agent in [
            "",
            "curl/8.5.0",
            "python-requests/2.31.0",
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 HeadlessChrome/120.0.0.0 Safari/537.36",
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 Version/17.0 Mobile/15E148 Safari/604.1",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 [Pinterest/iOS]",
            "Mozilla/5.0 (iPhone) AppleWebKit/605.1.15 Mobile/15E148 Instagram 300.0.0.0",
            "Mozilla/5.0 (Linux; Android 9; CUBOT X18 Plus) AppleWebKit/537.36 Chrome/100.0 Mobile Safari/537.36",
        ] {
            assert!(!is_bot(agent.as_bytes(), &[]), "{agent}");
        }
    }

    #[test]
    fn configured_bots_are_bots_and_a_huge_agent_is_read_in_part() {
        assert!(is_bot(b"Shop-Checker/1.0", &["shop-CHECKER".into()]));
        assert!(!is_bot(b"Shop-Checker/1.0", &["other".into()]));
        assert!(!is_bot(format!("{}bot", "x".repeat(USER_AGENT_BYTES_READ)).as_bytes(), &[]));
    }
}
