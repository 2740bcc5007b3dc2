//! The demo, as the README starts it: the journey that plays itself, and the one that a visitor makes.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test's panic is its report"
)]

#[path = "it/harness/mod.rs"]
mod harness;

use harness::{Answer, Connection, Running};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

#[test]
fn the_scripted_journey_is_whole() {
    let output = Command::new(env!("CARGO_BIN_EXE_selvedge")).args(["demo", "--script"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(text.matches('✓').count(), 7, "{text}");
    assert!(!text.contains('✗'), "{text}");
}

#[tokio::test]
async fn the_demo_tells_of_the_click_and_the_deliveries_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let mut demo = Running::start(&["demo"], folder.path());
    let (landing, admin) = links(&mut demo).await;
    assert_eq!(things_in(folder.path()), 1);
    let page = Visitor::at(&admin).open("/").await;
    assert!(page.status() == 200 && page.text().contains("As it happens"), "{}", page.text());

    let order = buy(&landing).await;
    tells(&mut demo, "click_captured", &["ClickId(demo-c…) on 127.0.0.1"]).await;
    let view = tells(&mut demo, "delivered", &["page → demo (page_load)"]).await;
    assert!(!view.contains("demo-click-1"), "a whole click ID is shown: {view}");
    tells(&mut demo, "delivered", &["Order Completed → demo (conversions)", &order]).await;
    assert_eq!(demo.end_by("-INT").await.code(), Some(0));
    assert_eq!(things_in(folder.path()), 0);
}

#[tokio::test]
async fn the_demo_tells_how_the_order_found_its_click() {
    let folder = tempfile::tempdir().unwrap();
    let mut demo = Running::start(&["demo"], folder.path());
    let (landing, _) = links(&mut demo).await;
    buy(&landing).await;
    tells(&mut demo, "call_enriched", &["page gets ClickId(demo-c…)"]).await;
    tells(&mut demo, "call_enriched", &["identify gets ClickId(demo-c…)"]).await;
    tells(&mut demo, "link_learned", &["ClickId(demo-c…) belongs to", "page"]).await;
    tells(&mut demo, "link_learned", &["ClickId(demo-c…) belongs to", "identify"]).await;
    tells(&mut demo, "call_stitched", &["Order Completed gets ClickId(demo-c…)"]).await;
    tells(&mut demo, "delivery_recorded", &["Order Completed for demo (conversions)"]).await;
    assert_eq!(demo.end_by("-TERM").await.code(), Some(0));
    assert_eq!(things_in(folder.path()), 0);
}

/// The links to open: the landing and the admin page.
async fn links(demo: &mut Running) -> (String, String) {
    let mut link = async |name: &str| {
        let line = demo.line(name, |line| line.contains(name)).await;
        line.split_whitespace().find(|word| word.starts_with("http://")).unwrap().to_owned()
    };
    (link("a landing").await, link("the admin page").await)
}

/// Waits for a line of this kind that has these parts.
async fn tells(demo: &mut Running, kind: &str, parts: &[&str]) -> String {
    let wanted = |line: &str| line.split("  ").nth(1) == Some(kind) && parts.iter().all(|&part| line.contains(part));
    demo.line(&format!("{kind} {parts:?}"), wanted).await
}

fn things_in(folder: &Path) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

/// Opens the landing, follows the shop's own links and form to the end, and calls Segment as its pages do; the order's
/// number.
async fn buy(landing: &str) -> String {
    let mut visitor = Visitor::at(landing);
    let home = visitor.open(target(landing)).await;
    visitor.views(&home, target(landing)).await;
    let home = home.text();
    let product = between(&home, "class=\"card\" href=\"", "\"");
    let page = visitor.open(product).await;
    visitor.views(&page, product).await;
    let page = page.text();
    let checkout = between(&page, "class=\"button\" href=\"", "\"");
    let page = visitor.open(checkout).await;
    visitor.views(&page, checkout).await;

    let page = page.text();
    let field = |name: &str| between(&page, &format!("name=\"{name}\" value=\""), "\"");
    let (sku, customer, email) = (field("sku"), field("customer"), field("email"));
    visitor.call("i", "identify", json!({"userId": customer, "traits": {"email": email}})).await;
    let form = format!("sku={sku}&customer={customer}&email={}", email.replace('@', "%40"));
    let thanks = visitor.post(between(&page, "action=\"", "\""), "application/x-www-form-urlencoded", &form).await;
    let thanks = thanks.text();
    assert!(thanks.contains("The answer was 200"), "{thanks}");
    between(&thanks, "<code>", "</code>").to_owned()
}

/// A browser on one site: the cookies of its documents go with every request.
struct Visitor {
    authority: String,
    cookies: Vec<String>,
    calls: usize,
}

impl Visitor {
    fn at(url: &str) -> Self {
        let authority = url.trim_start_matches("http://").split('/').next().unwrap().to_owned();
        Self { authority, cookies: Vec::new(), calls: 0 }
    }

    async fn open(&mut self, path: &str) -> Answer {
        let lines = "Accept: text/html\r\nSec-Fetch-Dest: document\r\n";
        let answer = self.send(&format!("GET {path}"), lines, "").await;
        let set = answer.fields("set-cookie").into_iter().map(|cookie| cookie.split(';').next().unwrap().to_owned());
        self.cookies.extend(set);
        answer
    }

    /// What the script of the page at `path` does as soon as the page is there.
    async fn views(&mut self, page: &Answer, path: &str) {
        assert!(page.status() == 200 && page.text().contains("quietly(call('p', 'page'"), "{path}: {}", page.text());
        let url = format!("http://{}{path}", self.authority);
        self.call("p", "page", json!({"properties": {"url": url}, "context": {"page": {"url": url}}})).await;
    }

    async fn call(&mut self, path: &str, kind: &str, fields: Value) {
        self.calls += 1;
        let mut call = json!({"type": kind, "anonymousId": "visitor-of-the-demo", "messageId": format!("m-{}", self.calls),
            "writeKey": "demo-site"});
        call.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let answer = self.post(&format!("/cdp/v1/{path}"), "text/plain", &call.to_string()).await;
        assert_eq!(answer.status(), 200, "{kind}");
    }

    async fn post(&mut self, path: &str, kind: &str, body: &str) -> Answer {
        let lines = format!(
            "Origin: http://{}\r\nSec-Fetch-Site: same-origin\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n",
            self.authority,
            body.len()
        );
        self.send(&format!("POST {path}"), &lines, body).await
    }

    async fn send(&self, what: &str, lines: &str, body: &str) -> Answer {
        let Self { authority, cookies, .. } = self;
        let mut connection = Connection::open(authority.parse().unwrap()).await;
        let cookies = cookies.join("; ");
        let request = format!(
            "{what} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: Mozilla/5.0\r\nCookie: {cookies}\r\n{lines}\r\n{body}"
        );
        connection.write(request).await;
        connection.answer().await
    }
}

/// The path and query of a URL.
fn target(url: &str) -> &str {
    let rest = url.trim_start_matches("http://");
    &rest[rest.find('/').unwrap()..]
}

/// What stands between `start` and the next `end`.
fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    text.split_once(start).unwrap_or_else(|| panic!("no {start} in {text}")).1.split(end).next().unwrap()
}
