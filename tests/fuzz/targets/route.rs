//! Routes: the first line is a host, the second a path.

use super::first_line;
use selvedge::proxy::route::{Route, Routes};
use selvedge::proxy::site::Served;
use selvedge::segment::endpoint::{endpoint, under};
use std::sync::LazyLock;

static ROUTES: LazyLock<Routes> = LazyLock::new(|| {
    let config = super::configured(CONFIG);
    Routes::new(
        config.sites.into_iter().map(|site| Served::new(site, &config.trust).unwrap()).collect(),
        &config.segment,
    )
});

const CONFIG: &str = r#"
    [listen]
    http = "127.0.0.1:0"
    [segment]
    hosts = ["events.example"]
    root_paths = true
    [[site]]
    hosts = ["www.shop.example"]
    origin = "http://127.0.0.1:3000"
"#;

pub fn target(bytes: &[u8]) {
    let (host, path) = first_line(bytes);
    let (Ok(host), Ok(path)) = (std::str::from_utf8(host), std::str::from_utf8(path)) else { return };
    let seen = endpoint(path);
    if !path.ends_with('/') && path.matches('/').count() == 2 {
        assert_eq!(endpoint(&format!("{path}/")), seen);
    }
    assert_eq!(under(&format!("/cdp{path}"), "/cdp").is_some(), path.starts_with('/'));
    match ROUTES.find(host, path) {
        Route::Call { prefix, .. } => {
            let rest = path.strip_prefix(prefix).unwrap();
            assert!(prefix.is_empty() || (prefix == "/cdp" && rest.starts_with('/')));
        }
        Route::Site(site) => {
            assert!(host.eq_ignore_ascii_case("www.shop.example") && !path.starts_with("/cdp/"));
            assert_eq!(site.settings.hosts, ["www.shop.example"]);
        }
        Route::UnknownHost => assert!(!host.eq_ignore_ascii_case("www.shop.example")),
    }
}
