//! The click of a request's cookies: what is read can be written, and is read again.

use super::NOW;
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use selvedge::click::cookie::{Scope, cookies, set};
use selvedge::click::{Carried, Click, Config, Fallbacks};
use selvedge::destination::impact;
use selvedge::secret::Secret;
use std::sync::LazyLock;

static UNSIGNED: LazyLock<Config> = LazyLock::new(|| {
    super::configured("[listen]\nhttp = \"127.0.0.1:0\"\n[[site]]\norigin = \"http://127.0.0.1:3000\"\n").click
});

static SIGNED: LazyLock<Config> =
    LazyLock::new(|| Config { cookie_key: Some(Secret::new("k".repeat(32))), ..UNSIGNED.clone() });

static FALLBACKS: LazyLock<Fallbacks> = LazyLock::new(|| Fallbacks {
    plain: vec![impact::CLICK_COOKIE.to_owned()],
    session: vec![impact::session_cookie("1000")],
});

pub fn target(bytes: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        headers.extend(HeaderValue::from_bytes(line).map(|value| (COOKIE, value)));
    }
    for (name, value) in cookies(&headers) {
        assert!(name.trim() == name && value.trim() == value && !value.contains(';'));
    }
    for config in [&*UNSIGNED, &*SIGNED] {
        let carried = Carried::read(&headers, config, &FALLBACKS, NOW);
        match &carried {
            Carried::Master(click) => assert!(!click.is_expired(config.window, NOW) && click.at <= NOW),
            Carried::Expired(click) => assert!(click.is_expired(config.window, NOW)),
            Carried::Fallback(click) => assert_eq!(click.at, NOW),
            Carried::Nothing => {}
        }
        if let Some(click) = carried.click() {
            kept(click, config);
        }
    }
}

/// Sets the click's cookie, and reads what a browser would send of it.
fn kept(click: &Click, config: &Config) {
    let set = set(click, config, Scope { host: "www.shop.example", https: true }, NOW).unwrap();
    let (pair, _) = set.to_str().unwrap().split_once(';').unwrap();
    let headers = HeaderMap::from_iter([(COOKIE, HeaderValue::try_from(pair).unwrap())]);
    let Carried::Master(again) = Carried::read(&headers, config, &FALLBACKS, NOW) else { panic!("{pair} is lost") };
    // A cookie's time has whole seconds.
    assert_eq!((&again.id, again.at.seconds()), (&click.id, click.at.seconds()));
}
