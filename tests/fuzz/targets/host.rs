//! Hosts: what is one has a name, and a URL can be made of it.

use http::header::HOST;
use http::{HeaderMap, HeaderValue, Uri, Version};
use selvedge::click::cookie::{cookie_domain, registrable_domain};
use selvedge::proxy::host::Host;

pub fn target(bytes: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(bytes) else { return };
    let headers = HeaderMap::from_iter([(HOST, value.clone())]);
    let parsed = Host::parse(&value);
    assert_eq!(parsed.is_some(), Host::read(Version::HTTP_11, &Uri::from_static("/"), &headers).is_ok());
    let Some(host) = parsed else { return };
    let (name, whole) = (host.name(), value.to_str().unwrap());
    assert_eq!(host.value(), value);
    assert!(!name.is_empty() && whole.starts_with(name));
    let uri: Uri = format!("http://{whole}/").parse().unwrap();
    for version in [Version::HTTP_11, Version::HTTP_2] {
        assert!(Host::read(version, &uri, &headers).is_ok());
    }
    assert_eq!(Host::read(Version::HTTP_2, &uri, &HeaderMap::new()).map(|read| read.value().clone()), Ok(value));
    for domain in [cookie_domain(name, None), registrable_domain(name)].into_iter().flatten() {
        assert!(name.len() >= domain.len() && name.ends_with(domain), "{domain}");
    }
    let configured = cookie_domain(name, Some("shop.example"));
    assert!(configured == registrable_domain(name) || name.to_ascii_lowercase().ends_with("shop.example"));
}
