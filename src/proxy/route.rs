//! Which way a request goes: pure, by host and path.

use super::site::Served;
use crate::segment::endpoint::{Endpoint, endpoint, under};
use std::collections::HashMap;

/// Where a request belongs.
#[derive(Clone, Copy, Debug)]
pub enum Route<'a> {
    /// To a site's origin.
    Site(&'a Served),
    /// To Segment.
    Call {
        /// The site under the same host, whose people the callers are.
        site: Option<&'a Served>,
        /// The part of the path that is not Segment's.
        prefix: &'a str,
    },
    /// Nowhere: no site has this host.
    UnknownHost,
}

/// The sites by host, and where Segment's paths are.
#[derive(Debug)]
pub struct Routes {
    sites: Vec<Served>,
    by_host: HashMap<Box<str>, usize>,
    any_host: Option<usize>,
    segment_prefix: String,
    segment_hosts: Vec<String>,
    root_paths: bool,
}

impl Routes {
    /// Sorts `sites` by host; the first one without hosts takes all that is left.
    pub fn new(sites: Vec<Served>, segment: &crate::segment::Config) -> Self {
        let mut by_host = HashMap::new();
        let mut any_host = None;
        for (index, site) in sites.iter().enumerate() {
            if site.settings.hosts.is_empty() {
                any_host.get_or_insert(index);
            }
            for host in &site.settings.hosts {
                by_host.entry(host.to_ascii_lowercase().into_boxed_str()).or_insert(index);
            }
        }
        let segment_prefix = segment.prefix.trim_end_matches('/').to_owned();
        Self {
            sites,
            by_host,
            any_host,
            segment_prefix,
            segment_hosts: segment.hosts.clone(),
            root_paths: segment.root_paths,
        }
    }

    /// Where a request for `path` on `host` (a name without port, in any case) belongs. Segment's prefix answers on every
    /// host, since server-side SDKs know bare addresses only.
    pub fn find(&self, host: &str, path: &str) -> Route<'_> {
        if under(path, &self.segment_prefix).is_some() {
            return Route::Call { site: self.site(host), prefix: &self.segment_prefix };
        }
        if self.segment_hosts.iter().any(|own| own.eq_ignore_ascii_case(host)) {
            return Route::Call { site: None, prefix: "" };
        }
        match self.site(host) {
            Some(site) if self.root_paths && is_api(path) => Route::Call { site: Some(site), prefix: "" },
            Some(site) => Route::Site(site),
            None => Route::UnknownHost,
        }
    }

    /// Whether two hosts are one site's, or both Segment's own.
    pub fn is_one(&self, one: &str, other: &str) -> bool {
        let place = |host| {
            (
                self.segment_hosts.iter().any(|own| own.eq_ignore_ascii_case(host)),
                self.site(host).map(std::ptr::from_ref),
            )
        };
        one.eq_ignore_ascii_case(other) || place(one) == place(other)
    }

    fn site(&self, host: &str) -> Option<&Served> {
        let exact = if self.by_host.is_empty() {
            None
        } else if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
            self.by_host.get(host.to_ascii_lowercase().as_str())
        } else {
            self.by_host.get(host)
        };
        exact.copied().or(self.any_host).and_then(|index| self.sites.get(index))
    }
}

/// Whether a path at the root of a site is one of Segment's API.
fn is_api(path: &str) -> bool {
    matches!(endpoint(path), Endpoint::Calls(_) | Endpoint::Pixel(_) | Endpoint::Metrics)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::{HostMode, Protocol, Site, Trust};
    use http::Uri;
    use std::time::Duration;

    fn site(hosts: &[&str], origin: &'static str) -> Served {
        let settings = Site {
            hosts: hosts.iter().map(|&host| host.to_owned()).collect(),
            origin: Uri::from_static(origin),
            origin_protocol: Protocol::Picked,
            host: HostMode::Keep,
            space: "default".into(),
            connect_timeout: Duration::from_secs(1),
            response_timeout: Duration::from_secs(1),
            body_timeout: Duration::from_secs(1),
            tls_name: None,
        };
        Served::new(settings, &Trust::default()).unwrap()
    }

    fn segment(prefix: &str) -> crate::segment::Config {
        crate::segment::Config {
            prefix: prefix.into(),
            hosts: vec!["cdp.example".into()],
            root_paths: false,
            api: Uri::from_static("https://api.segment.io"),
            cdn: Uri::from_static("https://cdn.segment.com"),
            sources: vec![],
            deliver_unlisted: false,
            rewrite_settings: true,
            overwrite_referrer: false,
            origins: vec![],
        }
    }

    fn way(routes: &Routes, host: &str, path: &str) -> String {
        match routes.find(host, path) {
            Route::Site(site) => site.settings.origin.to_string(),
            Route::Call { .. } => "call".into(),
            Route::UnknownHost => "unknown".into(),
        }
    }

    #[test]
    fn a_host_of_its_own_comes_before_any_host() {
        let both = Routes::new(
            vec![site(&[], "http://any"), site(&["www.example", "m.example"], "http://own")],
            &segment("/cdp"),
        );
        for (host, path, wants) in [
            ("www.example", "/", "http://own/"),
            ("M.Example", "/", "http://own/"),
            ("other.example", "/", "http://any/"),
            ("www.example", "/cdp", "http://own/"),
            ("www.example", "/cdp/v1/t", "call"),
            ("127.0.0.1", "/cdp/v1/batch", "call"),
            ("www.example", "/cdpx", "http://own/"),
            ("cdp.example", "/v1/t", "call"),
        ] {
            assert_eq!(way(&both, host, path), wants, "{host}{path}");
        }
        let own = Routes::new(vec![site(&["www.example"], "http://own")], &segment(""));
        assert_eq!(way(&own, "other.example", "/"), "unknown");
        assert_eq!(way(&own, "www.example", "/v1/t"), "http://own/");
    }
}
