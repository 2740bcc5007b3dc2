//! Everything that reads bytes from strangers, as one plain function each: it takes any bytes, and panics where a promise
//! is broken. `tests/fuzz/main.rs` walks them on every `cargo test`; libFuzzer searches them, see `tests/fuzz/README.md`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub,
    reason = "a target panics where a promise is broken, and is named like what it tries"
)]

pub mod answer;
pub mod click_id;
pub mod config;
pub mod cookie;
pub mod envelope;
pub mod fields;
pub mod filter;
pub mod forwarded;
pub mod gzip;
pub mod host;
pub mod mapping;
pub mod parameter;
pub mod path;
pub mod pixel;
pub mod proxy_protocol;
pub mod route;
pub mod settings;
pub mod time;
pub mod twin;
pub mod units;

#[path = "../../splice/oracle.rs"]
mod oracle;

use http::{HeaderMap, HeaderName, HeaderValue};
use selvedge::clock::Time;
use selvedge::secret::Secrets;
use std::path::Path;

/// The moment at which everything happens.
pub(crate) const NOW: Time = Time::from_seconds(1_795_508_131);

/// A target takes anything: what its promises do not speak of, it passes over.
pub type Target = fn(&[u8]);

/// The targets by the names of their corpora.
pub const ALL: [(&str, Target); 20] = [
    ("answer", answer::target),
    ("click_id", click_id::target),
    ("config", config::target),
    ("cookie", cookie::target),
    ("envelope", envelope::target),
    ("fields", fields::target),
    ("filter", filter::target),
    ("forwarded", forwarded::target),
    ("gzip", gzip::target),
    ("host", host::target),
    ("mapping", mapping::target),
    ("parameter", parameter::target),
    ("path", path::target),
    ("pixel", pixel::target),
    ("proxy_protocol", proxy_protocol::target),
    ("route", route::target),
    ("settings", settings::target),
    ("time", time::target),
    ("twin", twin::target),
    ("units", units::target),
];

/// Fields written one to a line (`name: value`), as far as they can be fields.
pub(crate) fn fields(text: &[u8]) -> HeaderMap {
    let field = |line: &[u8]| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(&line[..colon]).ok()?;
        Some((name, HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?))
    };
    let mut headers = HeaderMap::new();
    for (name, value) in text.split(|byte| *byte == b'\n').filter_map(field) {
        headers.append(name, value);
    }
    headers
}

/// The two parts of what is read together: the first line, and the rest.
pub(crate) fn first_line(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    (&bytes[..end], bytes.get(end + 1..).unwrap_or_default())
}

/// A configuration that is known to be good.
pub(crate) fn configured(text: &str) -> selvedge::config::Config {
    selvedge::config::parse(text, "fuzz.toml", Path::new(""), Secrets::Optional).unwrap().config
}
