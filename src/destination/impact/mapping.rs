//! From a Segment call to a request of impact.com's: the guide, to the letter.
//!
//! **Invariant:** nothing here reads a clock, a socket or a file; the same call, settings and click map the same way.

use super::super::{Endpoint, Gap, Order, Param, Request, Skip, Subject};
use super::config::{Config, Mode, Program};
use super::table::{self, Row, Rule};
use super::{INTEGRATION, date, email, items, path, refund, value};
use crate::click::ClickId;
use crate::segment::CallKind;
use serde_json::Value;
use std::borrow::Cow;

/// impact.com makes up an order ID where it reads this: only for an event that has nothing of its own.
const ORDER_ID_MACRO: &str = "IR_AN_64_TS";
/// `EventCode` of every install.
const INSTALL: &str = "INSTALL";
/// `context.ip` of a site that wants no address recorded.
const NO_ADDRESS: &str = "0.0.0.0";

impl Program {
    /// Maps a call, or says why this program takes nothing from it.
    ///
    /// # Errors
    /// A [`Skip`]: nothing is wrong, there is nothing to deliver.
    pub fn map(&self, shared: &Config, subject: &Subject<'_>) -> Result<Request, Skip> {
        self.is_asked(subject)?;
        self.rule.admit(subject)?;
        let request = self.mapped(shared, subject, |mapper| mapper.request())?;
        if is_switched_off(subject.call) { Err(Skip::SwitchedOff) } else { Ok(request) }
    }

    /// Maps a call that this program has taken before: by its rule it is not chosen again.
    ///
    /// # Errors
    /// As [`Program::map`].
    pub fn map_again(&self, shared: &Config, subject: &Subject<'_>) -> Result<Request, Skip> {
        self.is_asked(subject)?;
        self.mapped(shared, subject, |mapper| mapper.request())
    }

    /// Why rows gave `request` nothing, in the order of the table.
    pub fn gaps(&self, shared: &Config, subject: &Subject<'_>, request: &Request) -> Vec<Gap> {
        self.mapped(shared, subject, |mapper| mapper.gaps(request)).unwrap_or_default()
    }

    /// Whether the call concerns this program at all.
    fn is_asked(&self, subject: &Subject<'_>) -> Result<(), Skip> {
        if !subject.call.is_object() {
            return Err(Skip::Unreadable);
        }
        subject.sources.admit(subject.call, subject.write_key, self.sources.as_deref())
    }

    fn mapped<T>(
        &self,
        shared: &Config,
        subject: &Subject<'_>,
        told: impl FnOnce(&Mapper<'_>) -> T,
    ) -> Result<T, Skip> {
        let whole = subject.call;
        let seen = self.rule.seen(whole);
        let subject = &Subject { call: &seen, ..*subject };
        let plan = self.plan(subject)?;
        // Only now: what the program would not take is nobody's to deliver.
        if self.mode == Mode::Segment {
            return Err(Skip::SegmentDelivers);
        }
        let platform = Platform::of(subject.call);
        Ok(told(&Mapper { program: self, shared, subject, whole, plan, platform }))
    }

    /// What becomes of a call. An event in several lists: Install, then Action, then what happens to orders, then PageLoad.
    fn plan<'a>(&self, subject: &Subject<'a>) -> Result<Plan<'a>, Skip> {
        let page_load_if = |enabled, otherwise| if enabled { Ok(Plan::PageLoad) } else { Err(otherwise) };
        match subject.kind {
            CallKind::Track => self.track_plan(subject.call),
            CallKind::Page => page_load_if(self.enable_page_events, Skip::PageDisabled),
            CallKind::Screen => page_load_if(self.enable_screen_events, Skip::ScreenDisabled),
            CallKind::Identify => page_load_if(self.enable_identify_events, Skip::IdentifyDisabled),
            CallKind::Group | CallKind::Alias => Err(Skip::KindNotMapped),
        }
    }

    fn track_plan<'a>(&self, call: &'a Value) -> Result<Plan<'a>, Skip> {
        let event = call.get("event").and_then(Value::as_str).filter(|name| !name.is_empty());
        let event = event.ok_or(Skip::NoEventName)?;
        let is_in = |names: &[String]| names.iter().any(|name| name == event);
        if is_in(&self.install_event_names) {
            Ok(Plan::Install)
        } else if is_in(&self.action_event_names) {
            Ok(Plan::Action { event })
        } else if is_in(&self.refund_event_names) {
            Ok(Plan::Change(refund::Kind::Refunded))
        } else if is_in(&self.cancel_event_names) {
            Ok(Plan::Change(refund::Kind::Cancelled))
        } else if is_in(&self.update_event_names) {
            Ok(Plan::Change(refund::Kind::Updated))
        } else if is_in(&self.page_load_event_names) {
            Ok(Plan::PageLoad)
        } else {
            Err(Skip::EventNotListed)
        }
    }
}

/// Whether the call came with our destination switched off: by its name, else with all of them. Segment's libraries write
/// `All`, some of them `all`. What Selvedge itself switches off is in the bytes that go on, never in what it judges.
fn is_switched_off(call: &Value) -> bool {
    let integrations = call.get("integrations");
    let told = |name| integrations.and_then(|integrations| integrations.get(name));
    match told(INTEGRATION) {
        Some(Value::Bool(on)) => !on,
        Some(Value::Object(_)) => false,
        _ => ["All", "all"].into_iter().any(|all| told(all) == Some(&Value::Bool(false))),
    }
}

/// What a call becomes.
#[derive(Clone, Copy)]
pub(super) enum Plan<'a> {
    Install,
    Action { event: &'a str },
    Change(refund::Kind),
    PageLoad,
}

impl Plan<'_> {
    pub(super) fn endpoint(self) -> Endpoint {
        match self {
            Self::Install | Self::Action { .. } => Endpoint::Conversions,
            Self::Change(_) => Endpoint::Actions,
            Self::PageLoad => Endpoint::PageLoad,
        }
    }

    pub(super) fn table(self) -> &'static [Row] {
        table::of(self.endpoint())
    }
}

/// The platform of the app that sent a call.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Platform {
    Ios,
    Android,
    Unknown,
}

impl Platform {
    /// From `context.device.type`, else `context.os.name`: the first of them that names one.
    fn of(call: &Value) -> Self {
        let named = ["context.device.type", "context.os.name"].into_iter().map(|place| {
            let name = path::find(call, place).and_then(Value::as_str).unwrap_or_default();
            match name.to_ascii_lowercase().as_str() {
                "ios" | "ipados" | "iphone os" => Self::Ios,
                "android" => Self::Android,
                _ => Self::Unknown,
            }
        });
        named.into_iter().find(|platform| *platform != Self::Unknown).unwrap_or(Self::Unknown)
    }
}

/// A value and where it came from.
pub(super) type Found = (String, Cow<'static, str>);

pub(super) struct Mapper<'a> {
    pub(super) program: &'a Program,
    pub(super) shared: &'a Config,
    pub(super) subject: &'a Subject<'a>,
    /// The call before anything was dropped from it: for people.
    pub(super) whole: &'a Value,
    pub(super) plan: Plan<'a>,
    pub(super) platform: Platform,
}

impl Mapper<'_> {
    fn request(&self) -> Request {
        if let Plan::Change(kind) = self.plan {
            return refund::request(self.program, self.subject.call, kind);
        }
        let mut params = self.rows();
        self.add_custom(&mut params);
        items::drop_prices(&mut params);
        if self.shared.also_send_current_names {
            add_current_names(&mut params);
        }
        let order_id = value_of(&params, "OrderId");
        let unrepeatable = order_id == Some(ORDER_ID_MACRO);
        let order = match order_id {
            Some(id) if !unrepeatable => {
                self.event_type(&params).map(|event_type| Order { id: id.into(), event_type: Some(event_type) })
            }
            _ => None,
        };
        Request { endpoint: self.plan.endpoint(), params, order, unrepeatable }
    }

    /// The table, read top to bottom; a custom mapping that leads to a value goes before a row's own rule.
    fn rows(&self) -> Vec<Param> {
        let mut params = Vec::new();
        for row in self.plan.table() {
            if let Rule::Items = row.rule {
                params.extend(items::params(
                    self.products().unwrap_or_default(),
                    &self.program.custom_mapping_for_products,
                ));
            } else if let Some((value, source)) = self.of_row(row)
                && self.flaw(row.name, &value).is_none()
            {
                params.push(Param { name: row.name.into(), value, source });
            }
        }
        params
    }

    pub(super) fn of_row(&self, row: &Row) -> Option<Found> {
        self.custom(row.name).or_else(|| self.by_rule(row.rule))
    }

    /// Custom mappings of names that are in no row: simply added (to an item's parameter: instead of it).
    fn add_custom(&self, params: &mut Vec<Param>) {
        for (name, _) in &self.program.custom_parameter_mapping {
            if self.plan.table().iter().any(|row| row.name == name) {
                continue;
            }
            let Some((value, source)) = self.custom(name).filter(|(value, _)| self.flaw(name, value).is_none()) else {
                continue;
            };
            match params.iter_mut().find(|param| param.name == *name) {
                Some(param) => (param.value, param.source) = (value, source),
                None => params.push(Param { name: name.clone().into(), value, source }),
            }
        }
    }

    pub(super) fn custom(&self, name: &str) -> Option<Found> {
        let (_, path) = self.program.custom_parameter_mapping.iter().find(|(renamed, _)| renamed == name)?;
        let found = path::find(self.subject.call, path)?;
        let value = if email::is_hashed(name) { self.hashed(found) } else { value::text(found) };
        // As wherever else one is found: a placeholder is none, and the click that was earned goes.
        let value = value.filter(|text| name != "ClickId" || ClickId::parse(text.as_bytes()).is_ok());
        Some((value?, format!("custom: {path}").into()))
    }

    fn by_rule(&self, rule: Rule) -> Option<Found> {
        match rule {
            Rule::Path(path) | Rule::CustomerId(path) => self.at(path),
            Rule::First(paths) => self.first(paths),
            Rule::AppleOnly(path) => {
                if self.platform == Platform::Android {
                    None
                } else {
                    self.at(path)
                }
            }
            Rule::GoogleId(path) => self.at(path).or_else(|| self.android_advertising_id()),
            Rule::Email(paths) => self.email(paths),
            Rule::OrderId(paths) => self.first(paths).or_else(|| Some((ORDER_ID_MACRO.into(), "constant".into()))),
            Rule::PostDiscount(path) => {
                if self.products().is_some() {
                    None
                } else {
                    self.at(path)
                }
            }
            Rule::IpAddress(path) => self.at(path).or_else(|| self.visitor_ip()),
            Rule::UserAgent(path) => self.at(path).or_else(|| self.visitor_user_agent()),
            Rule::EventDate(path) => Some(self.event_date(path)),
            Rule::EventCode => matches!(self.plan, Plan::Install).then(|| (INSTALL.into(), "constant".into())),
            Rule::EventTypeId => self.event_type_id(),
            Rule::CampaignId => Some((self.program.campaign_id.clone(), "settings.campaignId".into())),
            Rule::ClickId => self.click_id(),
            Rule::PageLoadClickId if self.shared.send_click_id_on_page_load => self.click_id(),
            Rule::PageLoadClickId | Rule::Items => None,
            Rule::AppId(path) => self.app_id().or_else(|| self.first(&[path])),
        }
    }

    fn at(&self, path: &'static str) -> Option<Found> {
        Some((value::text(path::find(self.subject.call, path)?)?, path.into()))
    }

    fn first(&self, paths: &[&'static str]) -> Option<Found> {
        let value = |path: &'static str| value::truthy_text(path::find(self.subject.call, path)?);
        paths.iter().find_map(|path| Some((value(path)?, (*path).into())))
    }

    /// `None` where the call has no products: the guide's `undefined`. An empty list is defined.
    pub(super) fn products(&self) -> Option<&[Value]> {
        path::find(self.subject.call, "properties.products")?.as_array().map(Vec::as_slice)
    }

    /// Departs from the guide's letter, which would send an Android advertising ID as `AppleIfa`.
    fn android_advertising_id(&self) -> Option<Found> {
        if self.platform == Platform::Android { self.at("context.device.advertisingId") } else { None }
    }

    fn email(&self, paths: &[&'static str]) -> Option<Found> {
        let hash = |path: &'static str| self.hashed(path::find(self.subject.call, path)?);
        self.email_paths(paths).into_iter().find_map(|path| Some((hash(path)?, path.into())))
    }

    pub(super) fn email_paths(&self, paths: &[&'static str]) -> Vec<&'static str> {
        let identify = (self.subject.kind == CallKind::Identify).then_some("traits.email");
        paths.iter().copied().chain(identify).collect()
    }

    fn hashed(&self, address: &Value) -> Option<String> {
        email::hashed(address, self.shared.email_normalization)
    }

    fn visitor_ip(&self) -> Option<Found> {
        Some((self.subject.visitor?.ip?.to_string(), "visitor".into()))
    }

    fn visitor_user_agent(&self) -> Option<Found> {
        let agent = self.subject.visitor?.user_agent.clone()?;
        (!agent.is_empty()).then(|| (agent, "visitor".into()))
    }

    fn event_date(&self, path: &str) -> Found {
        let timestamp = path::find(self.subject.call, path);
        let (date, source) = date::event_date(timestamp, self.subject.sent_at, self.subject.arrival);
        (date, source.into())
    }

    fn event_type_id(&self) -> Option<Found> {
        let Plan::Action { event } = self.plan else {
            return None;
        };
        let own = self.program.event_type_ids.iter().find(|(name, id)| name == event && !id.is_empty());
        match own {
            Some((_, id)) => Some((id.clone(), "settings.eventTypeIds".into())),
            None => setting(self.program.event_type_id.as_ref(), "settings.eventTypeId"),
        }
    }

    fn click_id(&self) -> Option<Found> {
        let id = self.subject.click?.id.as_str();
        let said = path::find(self.subject.call, "context.referrer.id").and_then(Value::as_str) == Some(id);
        Some((id.to_owned(), if said { "context.referrer.id" } else { "attribution" }.into()))
    }

    fn app_id(&self) -> Option<Found> {
        match self.platform {
            Platform::Ios => setting(self.program.ios_app_id.as_ref(), "settings.iosAppId"),
            Platform::Android => setting(self.program.android_app_id.as_ref(), "settings.androidAppId"),
            Platform::Unknown => None,
        }
    }

    /// What keeps a value from going out, wherever it came from.
    pub(super) fn flaw(&self, name: &str, value: &str) -> Option<&'static str> {
        match name {
            "CustomerId" if self.plan.endpoint() == Endpoint::PageLoad => flaw_of_identifier(value),
            "IpAddress" if value == NO_ADDRESS => Some("is 0.0.0.0: the site wants none sent"),
            _ => None,
        }
    }

    /// What impact.com counts as the event type when it looks for duplicates.
    fn event_type(&self, params: &[Param]) -> Option<String> {
        let code = match self.plan {
            Plan::Install => "EventCode",
            Plan::Action { .. } => "EventTypeCode",
            Plan::Change(_) | Plan::PageLoad => return None,
        };
        value_of(params, "EventTypeId").or_else(|| value_of(params, code)).map(str::to_owned)
    }
}

fn setting(value: Option<&String>, source: &'static str) -> Option<Found> {
    value.filter(|text| !text.is_empty()).map(|text| (text.clone(), source.into()))
}

/// The guide's footnote on `CustomerId` in page loads: 7 or more characters, 3 or more of them distinct, no white space.
fn flaw_of_identifier(text: &str) -> Option<&'static str> {
    const CHARACTERS_MIN: usize = 7;
    const DISTINCT_MIN: usize = 3;
    let mut distinct: Vec<char> = Vec::with_capacity(DISTINCT_MIN);
    for character in text.chars() {
        if character.is_whitespace() {
            return Some("has white space (the footnote on page loads)");
        }
        if distinct.len() < DISTINCT_MIN && !distinct.contains(&character) {
            distinct.push(character);
        }
    }
    if text.chars().count() < CHARACTERS_MIN {
        Some("has fewer than 7 characters (the footnote on page loads)")
    } else {
        (distinct.len() < DISTINCT_MIN).then_some("has fewer than 3 distinct characters (the footnote on page loads)")
    }
}

/// Today's names of impact.com's, each right after the guide's name for the same thing.
fn add_current_names(params: &mut Vec<Param>) {
    for (guide, current) in [("AppleAdTrack", "TrackingConsent"), ("ImpactAppId", "PropertyId")] {
        let Some(place) = params.iter().position(|param| param.name == guide) else {
            continue;
        };
        if value_of(params, current).is_none()
            && let Some(param) = params.get(place).cloned()
        {
            params.insert(place + 1, Param { name: current.into(), ..param });
        }
    }
}

fn value_of<'p>(params: &'p [Param], name: &str) -> Option<&'p str> {
    params.iter().find(|param| param.name == name).map(|param| param.value.as_str())
}
