//! What a visit costs beyond forwarding: one look at the query, one at the cookies.

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use selvedge::click::{Carried, Config, Fallbacks, parameter};
use selvedge::clock::Time;
use selvedge::config;
use selvedge::destination::impact;
use selvedge::secret::Secrets;
use std::path::Path;

/// The moment at which the cookies below are young.
const NOW: Time = Time::from_seconds(1_795_508_130);

/// What a link of an advertiser's own campaigns carries, and nothing for us.
const LONG: &str = "utm_source=newsletter&utm_medium=email&utm_campaign=autumn-2026&utm_content=hero&utm_term=scarves\
    &gclid=EAIaIQobChMIx5-c1c7KiQMVQZODBx2V8QhgEAAYASAAEgL0pfD_BwE&fbclid=IwZXh0bgNhZW0CMTAAAR2kP3o9a&mc_cid=5c1a9e0f3d\
    &mc_eid=b7f0d6a2c4&sort=price&filter%5Bcolor%5D=rust&filter%5Bsize%5D=180&page=2&ref=https%3A%2F%2Fblog.example%2F";

/// What a browser that knows the shop sends, with impact.com's own cookie and ours among the others.
const COOKIES: &str = "_ga=GA1.1.1362859401.1795000000; _ga_ABCDEF1234=GS1.1.1795508000.12.1.1795508130.0.0.0; \
    _fbp=fb.1.1795000000000.1234567890; OptanonAlertBoxClosed=2026-11-01T08:00:00.000Z; \
    ajs_anonymous_id=7b0f6d5e-52a8-4c38-9a57-2f0f1f6f8f10; cart=ck-7; session=Zm9vYmFyYmF6cXV4; \
    im_ref=1.1795408130.-.2uz3sQWFlxyJRcqwUx0Mo38bUkHzZTRxqSjAVQ0; \
    s%3Acontext.referrer={%22id%22:%222uz3sQWFlxyJRcqwUx0Mo38bUkHzZTRxqSjAVQ0%22%2C%22type%22:%22impactRadius%22}";

const PARAMETERS: [&str; 1] = ["im_ref"];

#[divan::bench(sample_size = 100)]
fn find_in_a_short_query(bencher: Bencher) {
    find(bencher, "im_ref=2uz3sQWFlxyJRcqwUx0Mo38bUkHzZTRxqSjAVQ0");
}

#[divan::bench(sample_size = 100)]
fn find_nothing_in_a_long_query(bencher: Bencher) {
    find(bencher, LONG);
}

/// 20 KB in which nearly every pair looks like ours until its end, and has to be decoded to see that it is not.
#[divan::bench(sample_size = 100)]
fn find_in_a_hostile_query(bencher: Bencher) {
    let pairs = ["%69m_re%66_=x", "im_re=%", "im%5Fref=~x", "&&&=&&&"];
    let hostile = pairs.join("&").repeat(20 * 1024 / pairs.join("&").len());
    find(bencher, &hostile);
}

fn find(bencher: Bencher, query: &str) {
    bencher.counter(BytesCount::of_str(query)).bench_local(|| parameter::find(black_box(query), &PARAMETERS));
}

#[divan::bench(sample_size = 100, args = ["unsigned", "signed", "absent"])]
fn read_the_cookies(bencher: Bencher, master: &str) {
    let mut config = click_config();
    config.cookie_key = (master == "signed").then(|| selvedge::secret::Secret::new("a key of 24 bytes or so"));
    let fallbacks =
        Fallbacks { plain: vec![impact::CLICK_COOKIE.into()], session: vec![impact::session_cookie("1000")] };
    let headers = HeaderMap::from_iter([(COOKIE, cookies(master, &config))]);
    let found = Carried::read(&headers, &config, &fallbacks, NOW);
    assert_eq!(found.click().is_some(), master != "absent", "{found:?}");
    bencher.bench_local(|| Carried::read(black_box(&headers), &config, &fallbacks, NOW));
}

/// The cookies with a master as this configuration writes it, or without one.
fn cookies(master: &str, config: &Config) -> HeaderValue {
    let unsigned = HeaderMap::from_iter([(COOKIE, HeaderValue::from_static(COOKIES))]);
    let (before, after) = COOKIES.split_once("im_ref=").unwrap();
    let after = after.split_once("; ").unwrap().1;
    let keyless = Config { cookie_key: None, ..config.clone() };
    let carried = Carried::read(&unsigned, &keyless, &Fallbacks::default(), NOW);
    let scope = selvedge::click::cookie::Scope { host: "shop.example", https: true };
    let set = selvedge::click::cookie::set(carried.click().unwrap(), config, scope, NOW).unwrap();
    let pair = set.to_str().unwrap().split_once(';').unwrap().0.to_owned();
    let cookies = if master == "absent" { format!("{before}{after}") } else { format!("{before}{pair}; {after}") };
    HeaderValue::try_from(cookies).unwrap()
}

fn click_config() -> Config {
    let text = "[listen]\nhttp = \"127.0.0.1:0\"\n[[site]]\norigin = \"http://127.0.0.1:3000\"\n";
    config::parse(text, "bench.toml", Path::new(""), Secrets::Optional).unwrap().config.click
}
