//! Which sources' calls are delivered.

use super::Skip;
use crate::segment::config::Source;
use md5::{Digest, Md5};
use serde_json::Value;

/// The `[[segment.source]]` sections as deliveries need them; built once from the configuration.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    listed: Vec<Listed>,
    /// Whether calls of other write keys are delivered beside them.
    unlisted: bool,
}

#[derive(Clone, Debug)]
struct Listed {
    write_key: String,
    name: String,
    /// MD5 of the write key, in hex: how Segment's Repeater names a source in `context.repeatChain`.
    chain_mark: String,
}

impl Sources {
    /// Takes what the configuration lists; an empty list means that every source is delivered, and so does `unlisted`.
    pub fn new(sources: &[Source], unlisted: bool) -> Self {
        let listed = sources.iter().map(|source| Listed {
            write_key: source.write_key.clone(),
            name: source.name.clone(),
            chain_mark: hex::encode(Md5::digest(source.write_key.as_bytes())),
        });
        Self { listed: listed.collect(), unlisted }
    }

    /// Whether a program takes `call`, sent with `write_key`. `wanted` are the program's own sources, by name or by
    /// write key; `None`: all that are delivered.
    ///
    /// # Errors
    /// [`Skip::SourceNotListed`], or [`Skip::Repeated`] for the copy that a Repeater made of one of our own calls.
    pub fn admit(&self, call: &Value, write_key: Option<&str>, wanted: Option<&[String]>) -> Result<(), Skip> {
        let source = self.listed.iter().find(|listed| Some(listed.write_key.as_str()) == write_key);
        if !self.listed.is_empty() && source.is_none() && !self.unlisted {
            return Err(Skip::SourceNotListed);
        }
        let named = |want: &String| Some(want.as_str()) == write_key || source.is_some_and(|s| s.name == *want);
        if wanted.is_some_and(|wanted| !wanted.iter().any(named)) {
            return Err(Skip::SourceNotListed);
        }
        if self.repeated(call) { Err(Skip::Repeated) } else { Ok(()) }
    }

    fn repeated(&self, call: &Value) -> bool {
        let first = call.pointer("/context/repeatChain/0").and_then(Value::as_str);
        first.is_some_and(|mark| self.listed.iter().any(|listed| listed.chain_mark.eq_ignore_ascii_case(mark)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn listed(unlisted: bool) -> Sources {
        let source = |write_key: &str, name: &str| Source {
            write_key: write_key.into(),
            name: name.into(),
            space: "default".into(),
            api: None,
        };
        Sources::new(&[source("key-web", "web"), source("key-server", "server")], unlisted)
    }

    #[test]
    fn who_is_taken() {
        let (all, two) = (Sources::default(), listed(false));
        let more = listed(true);
        let web = vec!["web".to_owned()];
        let key = vec!["key-web".to_owned()];
        let not_listed = Err(Skip::SourceNotListed);
        for (case, sources, write_key, wanted, expected) in [
            ("nothing listed: any key", &all, Some("other"), None, Ok(())),
            ("nothing listed: no key", &all, None, None, Ok(())),
            ("nothing listed, program wants a key", &all, Some("key-web"), Some(&key), Ok(())),
            ("nothing listed, program wants another", &all, Some("other"), Some(&key), not_listed),
            ("nothing listed, names are unknown", &all, Some("key-web"), Some(&web), not_listed),
            ("listed", &two, Some("key-server"), None, Ok(())),
            ("not listed", &two, Some("other"), None, not_listed),
            ("listed, but no key in the call", &two, None, None, not_listed),
            ("by name", &two, Some("key-web"), Some(&web), Ok(())),
            ("by key", &two, Some("key-web"), Some(&key), Ok(())),
            ("another one's", &two, Some("key-server"), Some(&web), not_listed),
            ("not listed, and delivered", &more, Some("other"), None, Ok(())),
            ("no key, and delivered", &more, None, None, Ok(())),
            ("not listed, and not one that the program wants", &more, Some("other"), Some(&web), not_listed),
            ("keys are case-sensitive", &two, Some("KEY-WEB"), None, not_listed),
        ] {
            let wanted = wanted.map(Vec::as_slice);
            assert_eq!(sources.admit(&json!({}), write_key, wanted), expected, "{case}");
        }
    }

    #[test]
    fn a_repeaters_copy_of_our_own_call_is_skipped() {
        let ours = "4cde6f7cebb5ed9a79788d9482649ede"; // md5 of `key-web`
        let foreign = "916a43142e8db811d76675eeedc5ae4a"; // md5 of `elsewhere`
        for (chain, expected) in [
            (json!([ours, foreign]), Err(Skip::Repeated)),
            (json!([ours.to_uppercase()]), Err(Skip::Repeated)),
            (json!([foreign, ours]), Ok(())),
            (json!([]), Ok(())),
            (json!(ours), Ok(())),
            (json!(null), Ok(())),
        ] {
            let call = json!({"context": {"repeatChain": chain}});
            assert_eq!(listed(false).admit(&call, Some("key-server"), None), expected, "{call}");
            assert_eq!(Sources::default().admit(&call, Some("key-server"), None), Ok(()), "none are known as ours");
        }
    }
}
