//! The journey, played: landing → page and identify → checkout → server-side order → impact.com.

use super::browser::Browser;
use super::{Stage, say};
use crate::demo::Seen;
use crate::segment::twin;
use serde_json::{Value, json};
use std::io;
use std::time::Instant;

/// The click of the journey.
const CLICK: &str = "2uz3sQ:demo-click";
/// Who buys.
const CUSTOMER: &str = "customer-2001";

/// The steps so far, and whether each of them happened.
struct Journey {
    whole: bool,
}

impl Journey {
    fn step(&mut self, what: &str, happened: bool, seen: &str) -> io::Result<()> {
        self.whole &= happened;
        say(&format!("{} {what}\n    {seen}\n", if happened { "✓" } else { "✗" }))
    }
}

/// Plays the journey; whether every step happened.
pub(super) async fn play(stage: &Stage) -> io::Result<bool> {
    let began = Instant::now();
    let mut journey = Journey { whole: true };
    let mut browser = Browser::new(&stage.front());

    let landing = browser.open(&format!("/?im_ref={CLICK}")).await?;
    let master = browser.cookie("im_ref").unwrap_or("none").to_owned();
    journey.step(
        "A partner's link is opened, and the click is kept",
        master.ends_with(CLICK),
        &format!("{} im_ref={master}", landing.status),
    )?;
    let twin_value = browser.cookie(twin::NAME).unwrap_or("none").to_owned();
    journey.step(
        "analytics.js finds it in its own cookie, too",
        twin_value.contains(CLICK),
        &format!("{}={twin_value}", twin::NAME),
    )?;

    let page = json!({"type": "page", "messageId": "demo-page", "anonymousId": "anonymous-2001", "writeKey": "demo-site",
        "context": {"page": {"url": format!("{}/", stage.front())}}});
    browser.call("/cdp/v1/p", &page.to_string()).await?;
    let seen = stage.segment.wait_for(1).await;
    journey.step(
        "A page call goes on to Segment with the click in it",
        referrer(seen.last()) == CLICK,
        &shown(seen.last()),
    )?;

    let identify = json!({"type": "identify", "messageId": "demo-identify", "anonymousId": "anonymous-2001", "userId": CUSTOMER,
        "writeKey": "demo-site", "traits": {}});
    browser.call("/cdp/v1/i", &identify.to_string()).await?;
    let seen = stage.segment.wait_for(2).await;
    journey.step(
        "The visitor logs in: the click is this customer's now",
        referrer(seen.last()) == CLICK,
        &shown(seen.last()),
    )?;

    let form = format!("sku=linen-throw&customer={CUSTOMER}&email=ada%40example.com");
    let order = browser.submit("/order", &form).await?;
    let seen = stage.segment.wait_for(3).await;
    let stitched = referrer(seen.last()) == CLICK;
    journey.step(
        "The shop's server reports the order, without any cookie: it is stitched",
        stitched,
        &format!("{} → {}", order.status, shown(seen.last())),
    )?;
    let off = call(seen.last()).pointer("/integrations/Impact Partnership Cloud") == Some(&Value::Bool(false));
    journey.step(
        "Segment is told not to report the order to impact.com again",
        off,
        "integrations[\"Impact Partnership Cloud\"] = false",
    )?;

    let conversions = stage.impact.wait_for_conversions(1).await;
    let field = |name: &str| conversions.last().and_then(|seen| seen.field(name)).unwrap_or("none").to_owned();
    let words = format!("OrderId={} CustomerId={} ClickId={}", field("OrderId"), field("CustomerId"), field("ClickId"));
    journey.step("impact.com has the order, with its click", field("ClickId") == CLICK, &words)?;

    let end = if journey.whole { "The journey is whole" } else { "The journey is NOT whole" };
    say(&format!("\n{end}: {} ms on loopback.\n", began.elapsed().as_millis()))?;
    Ok(journey.whole)
}

fn call(seen: Option<&Seen>) -> Value {
    seen.and_then(|seen| seen.calls().into_iter().next()).unwrap_or_default()
}

fn referrer(seen: Option<&Seen>) -> String {
    call(seen).pointer("/context/referrer/id").and_then(Value::as_str).unwrap_or("none").to_owned()
}

fn shown(seen: Option<&Seen>) -> String {
    let call = call(seen);
    let field = |name: &str| call.get(name).and_then(Value::as_str).unwrap_or("none").to_owned();
    format!("{} {} userId={} context.referrer.id={}", field("type"), field("event"), field("userId"), referrer(seen))
}
