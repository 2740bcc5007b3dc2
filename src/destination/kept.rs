//! What a delivery was mapped from, kept beside it, so that it can be mapped again after the mapping has changed.

use super::{Program, Request, Skip, Sources, Subject, impact};
use crate::click::{Click, ClickId, Place};
use crate::clock::Time;
use crate::metrics::Label;
use crate::segment::{CallKind, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::net::IpAddr;

/// A [`Subject`] as it is kept: addresses in it are hashed, so that no plain one is on the disk.
#[derive(Serialize, Deserialize)]
struct Kept {
    call: Value,
    kind: String,
    arrival: i64,
    sent_at: Option<i64>,
    ip: Option<IpAddr>,
    user_agent: Option<String>,
    from_browser: bool,
    click: Option<(String, i64)>,
    write_key: Option<String>,
}

/// What calls are mapped by today.
#[derive(Clone, Debug)]
pub struct Mapping {
    /// `[impact]`
    pub impact: impact::Config,
    /// The sources whose calls are delivered.
    pub sources: Sources,
}

/// What a kept call is mapped to now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapped {
    /// The request.
    pub request: Request,
    /// The write key that the call was sent with.
    pub write_key: Option<String>,
}

/// Why a kept call cannot be mapped again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CannotRemap {
    /// Nothing was kept, or it cannot be read.
    #[error("nothing that could be mapped again is kept with this delivery")]
    NotKept,
    /// The configuration has no such program any more.
    #[error("the configuration has no program of this name")]
    NoProgram,
    /// The program would take nothing from the call now.
    #[error("by the configuration of today the program takes nothing from this call: {}", .0.label())]
    Skipped(Skip),
}

/// Writes down what `subject` is mapped from.
pub fn write(subject: &Subject<'_>, config: &impact::Config) -> String {
    let kept = Kept {
        call: hashed(subject.call, config),
        kind: subject.kind.label().to_owned(),
        arrival: subject.arrival.millis(),
        sent_at: subject.sent_at.map(Time::millis),
        ip: subject.visitor.and_then(|visitor| visitor.ip),
        user_agent: subject.visitor.and_then(|visitor| visitor.user_agent.clone()),
        from_browser: subject.visitor.is_some(),
        click: subject.click.map(|click| (click.id.as_str().to_owned(), click.at.millis())),
        write_key: subject.write_key.map(str::to_owned),
    };
    // Strings, numbers and maps with string keys are all that is in it, and those can always be written.
    serde_json::to_string(&kept).unwrap_or_default()
}

/// Maps what [`write()`] wrote, by the configuration of today; its filter and sample are not asked again (see `rule`).
///
/// # Errors
/// See [`CannotRemap`].
pub fn remap(kept: &str, program: &str, config: &impact::Config, sources: &Sources) -> Result<Mapped, CannotRemap> {
    let kept: Kept = serde_json::from_str(kept).map_err(|_| CannotRemap::NotKept)?;
    let program = Program::named(program, config).ok_or(CannotRemap::NoProgram)?;
    let visitor = kept.from_browser.then_some(Visitor { ip: kept.ip, user_agent: kept.user_agent });
    let click = kept.click.and_then(|(id, at)| {
        Some(Click { id: ClickId::parse(id.as_bytes()).ok()?, at: Time::from_millis(at), place: Place::Said })
    });
    let subject = Subject {
        call: &kept.call,
        kind: CallKind::parse(&kept.kind).ok_or(CannotRemap::NotKept)?,
        arrival: Time::from_millis(kept.arrival),
        sent_at: kept.sent_at.map(Time::from_millis),
        visitor: visitor.as_ref(),
        click: click.as_ref(),
        write_key: kept.write_key.as_deref(),
        sources,
    };
    let request = program.map_again(&subject).map_err(CannotRemap::Skipped)?;
    Ok(Mapped { request, write_key: kept.write_key })
}

/// The call with every string that is an e-mail address replaced by its hash, which the mapping passes on as it is.
fn hashed(value: &Value, config: &impact::Config) -> Value {
    match value {
        Value::String(text) if is_address(text) => {
            impact::email::hashed(value, config.email_normalization).map_or(Value::Null, Value::String)
        }
        Value::Array(elements) => elements.iter().map(|element| hashed(element, config)).collect(),
        Value::Object(members) => {
            let members = members.iter().map(|(key, value)| (key.clone(), hashed(value, config)));
            Value::Object(members.collect::<Map<_, _>>())
        }
        other => other.clone(),
    }
}

/// Whether a whole text looks like `name@host.tld`.
fn is_address(text: &str) -> bool {
    let text = text.trim();
    let Some((name, host)) = text.split_once('@') else { return false };
    let plain = |part: &str| !part.is_empty() && !part.contains(|c: char| c.is_whitespace() || c == '@' || c == '/');
    plain(name) && plain(host) && host.contains('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_an_address() {
        for yes in ["a@b.co", " Ada.Lovelace+1@mail.example.com ", "ü@größe.de"] {
            assert!(is_address(yes), "{yes}");
        }
        for no in ["", "a@b", "@b.co", "a b@c.de", "a@b@c.de", "https://u@host.de/", "see a@b.co"] {
            assert!(!is_address(no), "{no}");
        }
    }
}
