//! Apps: calls as Segment's libraries for iOS and Android send them, and what an order of the app's user gets by them.

use crate::harness::Stage;
use flate2::Compression;
use flate2::write::GzEncoder;
use selvedge::demo::Seen;
use serde_json::{Value, json};
use std::io::Write;

const PROGRAM: &str = "enable_screen_events = true\nios_app_id = \"1234\"\nandroid_app_id = \"5678\"";

/// A library as it posts its batches.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Library {
    Swift,
    Kotlin,
    /// `analytics-ios`, before Swift.
    Ios,
    /// `analytics-android`, before Kotlin.
    Android,
}

use Library::{Android, Ios, Kotlin, Swift};

impl Library {
    fn is_apple(self) -> bool {
        matches!(self, Swift | Ios)
    }

    /// What each call of the library's says of the device, in the library's own words.
    fn context(self) -> Value {
        let (app, screen) =
            (json!({"name": "Shop", "version": "3.1", "build": "31", "namespace": "com.example.shop"}), 3);
        let (device, os, library) = match self {
            Swift => (
                json!({"id": "IFV-1", "manufacturer": "Apple", "model": "iPhone16,1", "name": "iPhone", "type": "ios", "adTrackingEnabled": true, "advertisingId": "IFA-1"}),
                json!({"name": "iOS", "version": "18.1"}),
                "analytics-swift",
            ),
            Ios => (
                json!({"id": "IFV-1", "manufacturer": "Apple", "model": "iPhone12,1", "name": "iPhone", "type": "ios", "adTrackingEnabled": true, "advertisingId": "IFA-1"}),
                json!({"name": "iPhone OS", "version": "15.8"}),
                "analytics-ios",
            ),
            Kotlin => (
                json!({"id": "drm-1", "manufacturer": "Google", "model": "Pixel 9", "name": "tokay", "type": "android", "adTrackingEnabled": true, "advertisingId": "GAID-1"}),
                json!({"name": "Android", "version": "15"}),
                "analytics-kotlin",
            ),
            Android => (
                json!({"id": "drm-1", "manufacturer": "Google", "model": "Pixel 4", "name": "flame", "type": "android", "adTrackingEnabled": true, "advertisingId": "GAID-1"}),
                json!({"name": "Android", "version": "12"}),
                "analytics-android",
            ),
        };
        json!({"app": app, "device": device, "os": os, "library": {"name": library, "version": "1.16.0"},
            "locale": "de-DE", "network": {"carrier": "T", "cellular": true, "wifi": false},
            "screen": {"density": screen, "height": 2556, "width": 1179}, "timezone": "Europe/Berlin",
            "userAgent": "Shop/3.1", "instanceId": "i-1"})
    }

    /// A call of the library's, with its context.
    fn call(self, call: Value, id: &str) -> Value {
        let mut whole = json!({"anonymousId": "app-1", "messageId": id, "timestamp": "2026-11-24T12:00:00.000Z",
            "integrations": {}, "context": self.context()});
        let Value::Object(call) = call else { panic!("{call} is no call") };
        whole.as_object_mut().unwrap().extend(call);
        whole
    }

    /// Posts a batch to where the library posts it, as it posts it: the write key stands last, Android's bodies are chunked, and
    /// only Swift's are plain.
    async fn sends(self, stage: &Stage, calls: &[Value]) {
        let batch: Vec<String> = calls.iter().map(Value::to_string).collect();
        let body =
            format!(r#"{{"batch":[{}],"sentAt":"2026-11-24T12:00:00.100Z","writeKey":"app-key"}}"#, batch.join(","));
        let (path, content, body) = match self {
            Swift => ("b", "application/json; charset=utf-8", body.into_bytes()),
            Kotlin => ("b", "text/plain", gzip(&body)),
            Ios => ("batch", "application/json", gzip(&body)),
            Android => ("import", "application/json", gzip(&body)),
        };
        let encoding = if self == Swift { "" } else { "Content-Encoding: gzip\r\n" };
        let head =
            format!("POST /cdp/v1/{path} HTTP/1.1\r\nHost: shop.example\r\nContent-Type: {content}\r\n{encoding}");
        let request = if self.is_apple() {
            [format!("{head}Content-Length: {}\r\n\r\n", body.len()).into_bytes(), body].concat()
        } else {
            let chunk = format!("{head}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n", body.len());
            [chunk.into_bytes(), body, b"\r\n0\r\n\r\n".to_vec()].concat()
        };
        let answer = stage.edge.send(request).await;
        assert_eq!((answer.status(), answer.text().as_str()), (200, r#"{"success":true}"#), "{self:?}");
    }

    fn track(self, event: &str, properties: Value) -> Value {
        let mut call = json!({"type": "track", "event": event});
        call["properties"] = properties;
        self.call(call, event)
    }

    /// The parameters by which impact.com knows the device.
    fn device_ids(self) -> [Option<&'static str>; 3] {
        if self.is_apple() { [Some("IFA-1"), Some("IFV-1"), None] } else { [None, None, Some("GAID-1")] }
    }
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn fields<const N: usize>(seen: &Seen, names: [&str; N]) -> [Option<String>; N] {
    names.map(|name| seen.field(name).map(str::to_owned))
}

async fn stage() -> Stage {
    Stage::set_with(|edge| edge.program(PROGRAM)).await
}

#[tokio::test]
async fn an_install_carries_what_impact_matches_it_by() {
    for library in [Swift, Kotlin, Ios, Android] {
        let stage = stage().await;
        let installed = library.track("Application Installed", json!({"version": "3.1", "build": "31"}));
        library.sends(&stage, &[installed]).await;
        let install = &stage.impact.wait_for_conversions(1).await[0];
        let ids = fields(install, ["AppleIfa", "AppleIfv", "GoogAId"]);
        assert_eq!(ids, library.device_ids().map(|id| id.map(str::to_owned)), "{library:?}");
        let told = fields(install, ["EventCode", "EventTypeId", "CustomProfileId", "AppPackage", "DeviceLocale"]);
        let expected = [Some("INSTALL"), None, Some("app-1"), Some("com.example.shop"), Some("de-DE")];
        assert_eq!(told, expected.map(|value| value.map(str::to_owned)), "{library:?}");
        // The SDK's own connection is nobody's browser.
        assert_eq!(fields(install, ["ClickId", "IpAddress"]), [None, None], "{library:?}");
        let at_segment = &stage.segment.wait_for(1).await[0].calls()[0];
        assert_eq!(at_segment["integrations"]["Impact Partnership Cloud"], json!(false), "{library:?}");
    }
}

#[tokio::test]
async fn opens_and_screens_are_page_loads_of_the_platforms_app() {
    for library in [Swift, Kotlin, Ios, Android] {
        let stage = stage().await;
        let opened = library.track("Application Opened", json!({"from_background": false, "version": "3.1"}));
        let screen = json!({"type": "screen", "name": "Cart", "category": "", "properties": {"name": "Cart"}});
        let closed = library.track("Application Backgrounded", json!({}));
        library.sends(&stage, &[opened, library.call(screen, "screen"), closed]).await;
        let page_loads = stage.impact.wait_for_page_loads(2).await;
        assert_eq!(page_loads.len(), 2, "{library:?}");
        for seen in &page_loads {
            let app = if library.is_apple() { "1234" } else { "5678" };
            let told = fields(seen, ["ImpactAppId", "CustomProfileId", "AppPackage"]);
            assert_eq!(
                told,
                [Some(app), Some("app-1"), Some("com.example.shop")].map(|v| v.map(str::to_owned)),
                "{library:?}"
            );
            let ids = fields(seen, ["AppleIfa", "AppleIfv", "GoogAId"]);
            assert_eq!(ids, library.device_ids().map(|id| id.map(str::to_owned)), "{library:?}");
        }
        assert!(stage.impact.conversions().is_empty());
    }
}

#[tokio::test]
async fn a_deep_links_click_earns_what_the_app_and_its_server_report_later() {
    let link = "https://shop.example/cart?im_ref=abc&x=1";
    for (library, properties) in [
        (Swift, json!({"url": link, "referring_application": "com.apple.mobilesafari"})),
        (Ios, json!({"url": link})),
        // These copy the link's query into the properties, beside the link or instead of what the system cut from it.
        (Kotlin, json!({"im_ref": "abc", "x": "1", "url": link, "referrer": "android-app://com.android.chrome"})),
        (Android, json!({"im_ref": "abc", "x": "1"})),
    ] {
        let stage = stage().await;
        library.sends(&stage, &[library.track("Deep Link Opened", properties)]).await;
        let identify = json!({"type": "identify", "userId": "customer-1001", "traits": {}});
        let order = |id: &str| json!({"order_id": id, "revenue": 59.5});
        library
            .sends(&stage, &[library.call(identify, "identify"), library.track("Order Completed", order("app"))])
            .await;
        // The subscription's renewal, weeks later, from the server.
        let renewal = json!({"type": "track", "event": "Order Completed", "userId": "customer-1001", "messageId": "r", "properties": order("server")});
        assert_eq!(stage.track(renewal).await, 200);
        let conversions = stage.impact.wait_for_conversions(2).await;
        let mut told: Vec<_> = conversions.iter().map(|seen| fields(seen, ["OrderId", "ClickId"])).collect();
        told.sort();
        let expected = [[Some("app"), Some("abc")], [Some("server"), Some("abc")]];
        assert_eq!(told, expected.map(|pair| pair.map(|value| value.map(str::to_owned))), "{library:?}");
    }
}

#[tokio::test]
async fn an_app_that_keeps_the_click_itself_says_it_in_every_call() {
    let stage = stage().await;
    // No deep link passed here, and the anonymousId is a new one: the app's storage had the click.
    let mut order = Swift.track("Order Completed", json!({"order_id": "o1"}));
    order["context"]["referrer"] = json!({"id": "abc", "type": "impactRadius"});
    Swift.sends(&stage, &[order.clone()]).await;
    assert_eq!(stage.impact.wait_for_conversions(1).await[0].field("ClickId"), Some("abc"));
    assert_eq!(stage.segment.seen()[0].calls()[0]["context"], order["context"]);
    // From now on the server finds it by the app's anonymousId.
    let later = json!({"type": "track", "event": "Order Completed", "anonymousId": "app-1", "messageId": "l", "properties": {"order_id": "o2"}});
    assert_eq!(stage.track(later).await, 200);
    let conversions = stage.impact.wait_for_conversions(2).await;
    assert!(conversions.iter().all(|seen| seen.field("ClickId") == Some("abc")));
}
