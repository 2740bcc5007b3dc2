use super::*;
use crate::click::Policy;
use http::header::COOKIE;

const NOW: Time = Time::from_seconds(1_800_000_000);
const DAY: u64 = 24 * 60 * 60;

fn config(key: Option<&str>) -> Config {
    Config {
        parameters: vec!["im_ref".into()],
        window: Duration::from_secs(30 * DAY),
        policy: Policy::Last,
        tolerance: Duration::from_secs(300),
        cookie_name: "im_ref".into(),
        cookie_domain: None,
        cookie_key: key.map(Secret::new),
        twin: true,
        renew_anonymous_id: false,
        bots: Vec::new(),
    }
}

fn carried(cookie: &str, key: Option<&str>) -> Carried {
    let headers = HeaderMap::from_iter([(COOKIE, cookie.parse().unwrap())]);
    let fallbacks = Fallbacks { plain: vec!["irclickid".into()], session: Vec::new() };
    Carried::read(&headers, &config(key), &fallbacks, NOW)
}

fn click(id: &str, at: Time) -> Click {
    Click { id: ClickId::parse(id.as_bytes()).unwrap(), at, place: Place::Cookie }
}

fn text(field: Option<HeaderValue>) -> String {
    field.unwrap().to_str().unwrap().to_owned()
}

#[test]
fn reads_the_master_and_tells_old_from_new() {
    let old = Time::from_seconds(1_797_000_000);
    let master = |id, at| Carried::Master(click(id, at));
    for (cookie, expected) in [
        ("im_ref=1.1799999999.-.abc", master("abc", Time::from_seconds(1_799_999_999))),
        ("im_ref=1.1799999999.whatever.abc", master("abc", Time::from_seconds(1_799_999_999))),
        ("im_ref=1.1799999999.-.a.b.c", master("a.b.c", Time::from_seconds(1_799_999_999))),
        ("im_ref=1.1800000299.-.abc", master("abc", NOW)),
        ("im_ref=1.1800000301.-.abc", Carried::Nothing),
        ("im_ref=1.99999999999999999999.-.abc", Carried::Nothing),
        ("im_ref=1.-5.-.abc", Carried::Nothing),
        ("im_ref=1.+5.-.abc", Carried::Nothing),
        ("im_ref=1..-.abc", Carried::Nothing),
        ("im_ref=2.1799999999.-.abc", Carried::Nothing),
        ("im_ref=1.1799999999.-.", Carried::Nothing),
        ("im_ref=1.1799999999.abc", Carried::Nothing),
        ("im_ref=", Carried::Nothing),
        ("im_ref=1.1797000000.-.abc", Carried::Expired(click("abc", old))),
        ("im_ref=x; im_ref=1.1799999999.-.b", master("b", Time::from_seconds(1_799_999_999))),
        ("im_ref=1.1797000000.-.a; im_ref=1.1799999999.-.b", master("b", Time::from_seconds(1_799_999_999))),
        ("im_ref=1.1799999999.-.a; im_ref=1.1799999998.-.b", master("a", Time::from_seconds(1_799_999_999))),
        ("irclickid=abc", Carried::Fallback(click("abc", NOW))),
        ("irclickid=abc; im_ref=1.1799999999.-.b", master("b", Time::from_seconds(1_799_999_999))),
        ("irclickid=abc; im_ref=1.1797000000.-.abc", Carried::Expired(click("abc", old))),
        ("other=1", Carried::Nothing),
    ] {
        assert_eq!(carried(cookie, None), expected, "{cookie}");
    }
}

#[test]
fn a_signed_master_comes_back_and_a_forged_one_does_not() {
    let written = value(&click("a.b:c", NOW), Some(&Secret::new("key")));
    let signature = written.split('.').nth(2).unwrap();
    assert_eq!(signature.len(), 22);
    assert_eq!(carried(&format!("im_ref={written}"), Some("key")), Carried::Master(click("a.b:c", NOW)));
    for forged in [
        format!("1.1800000000.{signature}.a.b:d"),
        format!("1.1799999999.{signature}.a.b:c"),
        "1.1800000000.-.a.b:c".into(),
        "1.1800000000..a.b:c".into(),
        format!("1.1800000000.{}.a.b:c", signature.get(..4).unwrap()),
        format!("1.1800000000.{signature}AA.a.b:c"),
    ] {
        assert_eq!(carried(&format!("im_ref={forged}"), Some("key")), Carried::Nothing, "{forged}");
    }
    assert_eq!(carried(&format!("im_ref={written}"), Some("other")), Carried::Nothing);
    assert_eq!(carried(&format!("im_ref={written}"), None), Carried::Master(click("a.b:c", NOW)));
}

#[test]
fn the_signature_is_the_first_half_of_hmac_sha_256() {
    // printf '1.1800000000.abc' | openssl dgst -sha256 -hmac key, its first 16 bytes in base64url.
    assert_eq!(sign(&Secret::new("key"), 1_800_000_000, "abc").unwrap(), SIGNATURE_OF_ABC);
}

const SIGNATURE_OF_ABC: &str = "GMYC0Jywq2T6emCfpgX1DA";

#[test]
fn the_cookie_lives_as_long_as_the_click() {
    let scope = Scope { host: "www.example.co.uk", https: true };
    let at = NOW.minus(Duration::from_secs(DAY));
    assert_eq!(
        text(set(&click("abc", at), &config(None), scope, NOW)),
        format!(
            "im_ref=1.{}.-.abc; HttpOnly; SameSite=Lax; Secure; Path=/; Domain=example.co.uk; Max-Age={}",
            at.seconds(),
            29 * DAY
        )
    );
    let scope = Scope { host: "localhost", https: false };
    assert_eq!(
        text(set(&click("abc", NOW), &config(None), scope, NOW)),
        format!("im_ref=1.1800000000.-.abc; HttpOnly; SameSite=Lax; Path=/; Max-Age={}", 30 * DAY)
    );
    let scope = Scope { host: "www.example.com", https: false };
    assert_eq!(
        text(delete(&config(None), scope)),
        "im_ref=; HttpOnly; SameSite=Lax; Path=/; Domain=example.com; Max-Age=0"
    );
}
