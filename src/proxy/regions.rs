//! Which of Segment's hosts takes the calls of a write key: each region has its own, and refuses what is another's.
//!
//! The configuration decides (`api` of a `[[segment.source]]`). For other write keys it is what Segment's own settings name, as an
//! SDK fetched them through here; else `api` of `[segment]`. What was learned is lost with the process, and the next SDK that
//! fetches its settings brings it back.
//!
//! **Invariant:** nothing that a stranger sends chooses a host: it is one that the configuration names, or, where
//! `[segment] api` is Segment's too, one of Segment's own domains.

use super::trust::Trust;
use super::upstream::{Protocol, Upstream, UpstreamError, Waits};
use crate::segment::Config;
use crate::segment::settings::is_segments;
use http::Uri;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// How many write keys are remembered; the one that was learned first makes room.
const LEARNED_MAX: usize = 1024;
/// Segment's write keys have 32 characters; what is much longer is none.
const WRITE_KEY_BYTES_MAX: usize = 128;

/// The ways to Segment's tracking API.
#[derive(Debug)]
pub struct Regions {
    home: Arc<Upstream>,
    /// Where the configuration sends a write key.
    listed: HashMap<String, Arc<Upstream>>,
    /// All that the configuration names, `home` first.
    named: Vec<(Uri, Arc<Upstream>)>,
    /// Whether Segment's own domains are believed.
    believes: bool,
    learned: RwLock<Learned>,
}

#[derive(Debug, Default)]
struct Learned {
    by_key: HashMap<String, (u64, Arc<Upstream>)>,
    count: u64,
}

impl Regions {
    /// Prepares the ways that the configuration names; connects to nothing yet.
    ///
    /// # Errors
    /// A target or TLS cannot be used.
    pub fn new(config: &Config, waits: Waits, trust: &Trust) -> Result<Self, UpstreamError> {
        let home = Arc::new(Upstream::new(&config.api, Protocol::Http1, waits, trust, None)?);
        let (mut listed, mut named) = (HashMap::new(), vec![(config.api.clone(), home.clone())]);
        for source in &config.sources {
            let Some(api) = &source.api else { continue };
            let way = match named.iter().find(|(uri, _)| uri == api) {
                Some((_, way)) => way.clone(),
                None => {
                    let way = Arc::new(Upstream::new(api, Protocol::Http1, waits, trust, None)?);
                    named.push((api.clone(), way.clone()));
                    way
                }
            };
            listed.insert(source.write_key.clone(), way);
        }
        let believes = config.api.host().is_some_and(is_segments);
        Ok(Self { home, listed, named, believes, learned: RwLock::default() })
    }

    /// The way for calls that are sent with `write_key`.
    pub fn of(&self, write_key: Option<&str>) -> Arc<Upstream> {
        let Some(key) = write_key else { return self.home.clone() };
        if let Some(way) = self.listed.get(key) {
            return way.clone();
        }
        let learned = self.learned.read().unwrap_or_else(PoisonError::into_inner);
        learned.by_key.get(key).map_or(&self.home, |(_, way)| way).clone()
    }

    /// Whether there is more than one way.
    pub fn are_several(&self) -> bool {
        self.named.len() > 1 || !self.learned.read().unwrap_or_else(PoisonError::into_inner).by_key.is_empty()
    }

    /// The servers that the configuration names.
    pub fn named(&self) -> Vec<Uri> {
        self.named.iter().map(|(api, _)| api.clone()).collect()
    }

    /// Remembers the API that Segment's settings name for a write key, if the configuration does not say another.
    pub fn learn(&self, write_key: &str, api: &Uri) {
        if self.listed.contains_key(write_key) || write_key.len() > WRITE_KEY_BYTES_MAX {
            return;
        }
        let Some(way) = self.toward(api) else { return };
        if way.host() == self.of(Some(write_key)).host() {
            return;
        }
        tracing::info!(write_key, api = %api, "Segment's settings name this region for the write key");
        self.learned.write().unwrap_or_else(PoisonError::into_inner).put(write_key, way);
    }

    fn toward(&self, api: &Uri) -> Option<Arc<Upstream>> {
        let named = self.named.iter().find(|(uri, _)| uri == api).map(|(_, way)| way.clone());
        let believed = || self.believes.then(|| self.home.toward(api)).flatten().map(Arc::new);
        named.or_else(believed)
    }
}

impl Learned {
    fn put(&mut self, write_key: &str, way: Arc<Upstream>) {
        self.count += 1;
        if self.by_key.len() >= LEARNED_MAX && !self.by_key.contains_key(write_key) {
            let first = self.by_key.iter().min_by_key(|(_, (count, _))| *count).map(|(key, _)| key.clone());
            first.map(|first| self.by_key.remove(&first));
        }
        self.by_key.insert(write_key.to_owned(), (self.count, way));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment::Source;
    use std::time::Duration;

    const WAITS: Waits = Waits { connect: Duration::from_secs(1), response: Duration::from_secs(1) };

    fn regions(api: &'static str) -> Regions {
        let source = |write_key: &str, api| Source {
            write_key: write_key.into(),
            name: write_key.into(),
            space: "default".into(),
            api,
        };
        let eu = Uri::from_static("http://127.0.0.1:9");
        let config = Config {
            prefix: "/cdp".into(),
            hosts: vec![],
            root_paths: false,
            api: Uri::from_static(api),
            cdn: Uri::from_static("https://cdn.segment.com"),
            sources: vec![source("eu", Some(eu)), source("home", None)],
            deliver_unlisted: false,
            rewrite_settings: true,
            overwrite_referrer: false,
            origins: vec![],
        };
        Regions::new(&config, WAITS, &Trust::default()).unwrap()
    }

    #[test]
    fn the_configuration_comes_before_what_is_learned_and_that_before_the_default() {
        let regions = regions("https://api.segment.io");
        let host = |key| regions.of(key).host().to_str().unwrap().to_owned();
        let api = Uri::from_static("https://events.eu1.segmentapis.com");
        for key in ["eu", "home", "other"] {
            regions.learn(key, &api);
        }
        assert_eq!(host(Some("eu")), "127.0.0.1:9");
        assert_eq!([host(Some("home")), host(Some("other"))], ["events.eu1.segmentapis.com"; 2]);
        assert_eq!([host(Some("unknown")), host(None)], ["api.segment.io"; 2]);
        assert!(regions.are_several());
        // A source can move, and one of the configuration's own hosts is as good.
        regions.learn("home", &Uri::from_static("https://api.segment.io"));
        regions.learn("other", &Uri::from_static("http://127.0.0.1:9"));
        assert_eq!([host(Some("home")), host(Some("other"))], ["api.segment.io", "127.0.0.1:9"]);
    }

    #[test]
    fn a_proxy_of_ones_own_is_not_gone_round() {
        let regions = regions("http://127.0.0.1:8");
        regions.learn("home", &Uri::from_static("https://events.eu1.segmentapis.com"));
        assert_eq!(regions.of(Some("home")).host(), "127.0.0.1:8");
        regions.learn("home", &Uri::from_static("http://127.0.0.1:9"));
        assert_eq!(regions.of(Some("home")).host(), "127.0.0.1:9");
    }

    #[test]
    fn no_more_is_remembered_than_fits() {
        let regions = regions("https://api.segment.io");
        let api = Uri::from_static("https://events.eu1.segmentapis.com");
        for number in 0..=LEARNED_MAX {
            regions.learn(&format!("k{number}"), &api);
        }
        regions.learn(&"x".repeat(WRITE_KEY_BYTES_MAX + 1), &api);
        assert_eq!(regions.learned.read().unwrap().by_key.len(), LEARNED_MAX);
        assert_eq!(regions.of(Some("k0")).host(), "api.segment.io");
        assert_eq!(regions.of(Some("k1")).host(), "events.eu1.segmentapis.com");
    }
}
