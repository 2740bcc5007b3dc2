//! The twin: the cookie from which analytics.js stamps `context.referrer` on every call itself, so that browser calls
//! carry the click even when they bypass the proxy. Its name and its value are spelled as that library spells them.

use super::call::Names;
use crate::click::{Click, ClickId};
use http::HeaderValue;
use std::time::Duration;

/// The cookie's name on the wire: `s:context.referrer`, percent-encoded.
pub const NAME: &str = "s%3Acontext.referrer";

/// How long analytics.js keeps its cookies.
const MAX_AGE: Duration = Duration::from_secs(365 * 86_400);

/// What a request's twin cookie says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Twin {
    /// A click of ours.
    Ours(ClickId),
    /// Of our type, but without a click ID that is one.
    Broken,
    /// Another network's: not ours to touch.
    Foreign,
}

/// What a document's answer does to the twin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Repair {
    /// It is as it should be, or not ours.
    Leave,
    /// It is set to the master's click.
    Issue(ClickId),
    /// It goes.
    Delete,
}

/// Reads the cookie's raw value.
pub fn read(raw: &[u8], names: &Names) -> Twin {
    let text: Vec<u8> = percent_encoding::percent_decode(raw).collect();
    let Ok(value) = serde_json::from_slice::<serde_json::Value>(&text) else { return Twin::Foreign };
    if value.get("type").and_then(|kind| kind.as_str()) != Some(names.referrer_type) {
        return Twin::Foreign;
    }
    let id = value.get("id").and_then(|id| id.as_str());
    id.and_then(|id| ClickId::parse(id.as_bytes()).ok()).map_or(Twin::Broken, Twin::Ours)
}

/// What becomes of the twin, beside a master cookie that holds `master` after this answer.
pub fn repair(twin: Option<&Twin>, master: Option<&Click>) -> Repair {
    match (twin, master) {
        (Some(Twin::Foreign), _) | (None, None) => Repair::Leave,
        (Some(Twin::Ours(id)), Some(master)) if *id == master.id => Repair::Leave,
        (_, Some(master)) => Repair::Issue(master.id.clone()),
        (Some(Twin::Ours(_) | Twin::Broken), None) => Repair::Delete,
    }
}

/// The cookie's value for a click.
pub fn value(id: &ClickId, names: &Names) -> String {
    let id = id.as_str().replace('%', "%25");
    format!("{{%22id%22:%22{id}%22%2C%22type%22:%22{}%22}}", names.referrer_type)
}

/// The `Set-Cookie` that issues the twin, with that library's own attributes; `domain` as the master's. `None` only for a
/// domain that cannot stand in a field.
pub fn issue(id: &ClickId, names: &Names, domain: Option<&str>) -> Option<HeaderValue> {
    set_cookie(&value(id, names), domain, MAX_AGE)
}

/// The `Set-Cookie` that deletes the twin; `None` as for [`issue`].
pub fn delete(domain: Option<&str>) -> Option<HeaderValue> {
    set_cookie("", domain, Duration::ZERO)
}

fn set_cookie(value: &str, domain: Option<&str>, max_age: Duration) -> Option<HeaderValue> {
    let domain = domain.map(|domain| format!("; Domain={domain}")).unwrap_or_default();
    let text = format!("{NAME}={value}; SameSite=Lax; Path=/{domain}; Max-Age={}", max_age.as_secs());
    HeaderValue::try_from(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::click::Place;
    use crate::clock::Time;

    fn names() -> Names {
        Names {
            parameters: vec!["im_ref".into()],
            integration: "Impact Partnership Cloud",
            referrer_type: "impactRadius",
        }
    }

    fn click(id: &str) -> Click {
        Click { id: ClickId::parse(id.as_bytes()).unwrap(), at: Time::from_seconds(1), place: Place::Landing }
    }

    #[test]
    fn is_spelled_as_analytics_js_spells_it() {
        let id = ClickId::parse(b"2uz3:sQ%W").unwrap();
        assert_eq!(value(&id, &names()), "{%22id%22:%222uz3:sQ%25W%22%2C%22type%22:%22impactRadius%22}");
        assert_eq!(read(value(&id, &names()).as_bytes(), &names()), Twin::Ours(id.clone()));
        assert_eq!(
            issue(&id, &names(), Some("shop.com")).unwrap(),
            "s%3Acontext.referrer={%22id%22:%222uz3:sQ%25W%22%2C%22type%22:%22impactRadius%22}; SameSite=Lax; Path=/; Domain=shop.com; Max-Age=31536000"
        );
    }

    #[test]
    fn what_becomes_of_a_twin() {
        let foreign = read(b"{%22id%22:%22x%22%2C%22type%22:%22dataxu%22}", &names());
        assert_eq!(foreign, Twin::Foreign);
        let (a, b) = (click("a"), click("b"));
        let ours = Twin::Ours(a.id.clone());
        for (twin, master, repair_) in [
            (None, None, Repair::Leave),
            (None, Some(&a), Repair::Issue(a.id.clone())),
            (Some(&foreign), Some(&a), Repair::Leave),
            (Some(&ours), Some(&a), Repair::Leave),
            (Some(&ours), Some(&b), Repair::Issue(b.id.clone())),
            (Some(&ours), None, Repair::Delete),
            (Some(&Twin::Broken), None, Repair::Delete),
            (Some(&Twin::Broken), Some(&a), Repair::Issue(a.id.clone())),
        ] {
            assert_eq!(repair(twin, master), repair_, "{twin:?} {master:?}");
        }
    }
}
