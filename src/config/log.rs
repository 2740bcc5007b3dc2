//! The `[log]` section.

use crate::fault::{Form, Section, nearest};
use crate::proxy::ShownIp;
use tracing_subscriber::EnvFilter;

/// `[log]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// Text for people or JSON for machines. Default: text.
    pub json: bool,
    /// `error`, `warn`, `info`, `debug`, or any filter of the form `selvedge=debug`. Default: `info`.
    pub level: String,
    /// Whether each request leaves a line. Default: no.
    pub access: bool,
    /// What of a visitor's address is shown. Default: its network.
    pub visitor_ip: ShownIp,
}

/// What is logged by default.
const LEVEL_DEFAULT: &str = "info";

/// The levels that have a name.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// A level for everything, or a filter.
const LEVEL: Form<String> = Form {
    what: "a level",
    help: "off, error, warn, info, debug, trace, or a filter such as \"info,selvedge::delivery=debug\"",
    read: level,
};

impl Log {
    /// Reads the section.
    pub fn read(section: &mut Section<'_>) -> Self {
        Self {
            json: section.choice("format", &[("text", false), ("json", true)]).unwrap_or(false),
            level: section.optional("level", &LEVEL).unwrap_or_else(|| LEVEL_DEFAULT.to_owned()),
            access: section.bool("access").unwrap_or(false),
            visitor_ip: section
                .choice("visitor_ip", &[("network", ShownIp::Network), ("full", ShownIp::Full)])
                .unwrap_or_default(),
        }
    }
}

fn level(text: &str) -> Result<String, String> {
    // The filter's own parser takes any word for the name of a module, `inof` too.
    if !text.contains(['=', ',']) && !LEVELS.contains(&text) {
        return Err(match nearest(text, LEVELS.into_iter()) {
            Some(near) => format!("`{text}` is not a level; did you mean `{near}`?"),
            None => format!("`{text}` is not a level"),
        });
    }
    EnvFilter::builder()
        .parse(text)
        .map(|_| text.to_owned())
        .map_err(|error| format!("`{text}` is not a filter: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_a_word_or_a_filter() {
        for good in ["off", "info", "trace", "selvedge=debug", "warn,selvedge::proxy=trace"] {
            assert_eq!(level(good).as_deref(), Ok(good));
        }
        assert_eq!(level("inof").unwrap_err(), "`inof` is not a level; did you mean `info`?");
        for bad in ["", "loud", "selvedge=loud"] {
            assert!(level(bad).is_err(), "{bad}");
        }
    }
}
