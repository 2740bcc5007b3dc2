//! `selvedge check --online`.

use crate::api::Api;
use crate::harness::{Origin, answers};
use crate::{Desk, Said, TOKEN, run};
use serde_json::{Value, json};

/// Segment's CDN, with settings for the write keys `WEBKEY` and, in the EU, `EUKEY`.
async fn cdn() -> Api {
    Api::start(|ask| {
        let settings =
            |host: &str| json!({"integrations": {"Segment.io": {"apiKey": "k", "apiHost": host}}, "plan": {}});
        match ask.path.as_str() {
            "/v1/projects/WEBKEY/settings" => (200, settings("api.segment.io/v1")),
            "/v1/projects/OWNKEY/settings" => (200, settings("www.acme.example/cdp/v1")),
            "/v1/projects/EUKEY/settings" => (200, settings("events.eu1.segmentapis.com/v1")),
            "/v1/projects/ODDKEY/settings" => (200, json!([])),
            "/v1/projects/BUSYKEY/settings" => (503, json!({})),
            _ => (404, json!("Cannot find a source")),
        }
    })
    .await
}

struct Checked<'d> {
    desk: &'d Desk,
    origin: Origin,
    cdn: Api,
}

impl<'d> Checked<'d> {
    async fn new(desk: &'d Desk) -> Self {
        let origin = Origin::start(answers("200 OK", &[], "hello")).await;
        Self { desk, origin, cdn: cdn().await }
    }

    /// Checks a configuration with these parts; `{}` in the program is more of it.
    async fn check(&self, site: &str, segment: &str, program: &str, more: &[&str], token: Option<&str>) -> Said {
        let text = format!(
            "[listen]\nhttp = \"127.0.0.1:0\"\n[[site]]\norigin = \"http://{}\"\n{site}\n[segment]\ncdn = \"{}\"\n{segment}\n\
             [impact]\napi = \"{}\"\n[[impact.program]]\nname = \"us\"\naccount_sid = \"IRacme1\"\n\
             api_key = {{ env = \"IMPACT_AUTH_TOKEN\" }}\n{program}\n",
            self.origin.address(),
            self.cdn.url(),
            self.desk.impact.url()
        );
        std::fs::write(self.desk.folder.path().join("selvedge.toml"), text).unwrap();
        let arguments = ["check", "--online"].iter().chain(more).map(ToString::to_string).collect();
        let environment: Vec<(&str, &str)> = token.map(|token| ("IMPACT_AUTH_TOKEN", token)).into_iter().collect();
        run(self.desk.folder.path(), arguments, &environment).await
    }
}

const SITE: &str = "hosts = [\"www.acme.example\", \"acme-shop.example\"]";
const SOURCE: &str = "[[segment.source]]\nname = \"web\"\nwrite_key = \"WEBKEY\"";
const PROGRAM: &str = "campaign_id = 1000";

/// `verdict  what` of each line.
fn lines(said: &Said) -> Vec<&str> {
    said.out.lines().filter_map(|line| line.split_once(" – ").map(|(line, _)| line)).collect()
}

fn told(said: &Said, line: &str) {
    assert!(said.out.contains(line), "{line}\n{}{}", said.out, said.err);
}

#[tokio::test]
async fn everything_that_is_there_passes() {
    let desk = Desk::new().await;
    let mut checked = Checked::new(&desk).await;
    let said = checked.check(SITE, SOURCE, PROGRAM, &[], Some(TOKEN)).await;
    assert_eq!(said.code, 0, "{said:?}");
    let origin = format!("pass  origin http://{}/", checked.origin.address());
    let expected = [
        &origin,
        "pass  source web",
        "pass  account IRacme1",
        "pass  program us",
        "pass  click of program us",
        "pass  site definition of program us",
        "pass  event types of us",
    ];
    assert_eq!(lines(&said), expected, "{said:?}");
    told(&said, "selvedge.toml: fine\n");
    let seen = checked.origin.saw().await;
    assert!(seen.line() == "GET / HTTP/1.1" && seen.fields("host") == ["www.acme.example"], "{}", seen.head);
    // Nothing but questions.
    assert!(desk.impact.api.asked().iter().all(|path| !path.contains("Conversions")), "{:?}", desk.impact.api.asked());

    let said = checked.check(SITE, SOURCE, PROGRAM, &["--format", "json"], Some(TOKEN)).await;
    let rows: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((rows["faults"].as_array().unwrap().len(), rows["online"].as_array().unwrap().len()), (0, 7));
    assert_eq!((&rows["online"][1]["verdict"], &rows["online"][1]["what"]), (&json!("pass"), &json!("source web")));
}

#[tokio::test]
async fn a_write_key_and_a_campaign_that_are_not_there_fail() {
    let desk = Desk::new().await;
    let checked = Checked::new(&desk).await;
    let segment = "[[segment.source]]\nwrite_key = \"LOST\"\n[[segment.source]]\nwrite_key = \"EUKEY\"\n[[segment.source]]\nwrite_key = \"OWNKEY\"\n\
                   [[segment.source]]\nwrite_key = \"ODDKEY\"\n[[segment.source]]\nwrite_key = \"BUSYKEY\"";
    let said = checked.check(SITE, segment, "campaign_id = 4711", &[], Some(TOKEN)).await;
    assert_eq!(said.code, 1, "{said:?}");
    told(&said, "fail  source LOST – Segment knows no such write key (404): copy it anew");
    told(&said, "warn  source EUKEY – Segment takes its calls at events.eu1.segmentapis.com only");
    told(&said, "pass  source OWNKEY – ");
    told(&said, "warn  source ODDKEY – Segment's CDN answers what its documentation does not know");
    told(&said, "warn  source BUSYKEY – Segment's CDN answers 503");
    told(&said, "fail  program us – the account has no campaign 4711 (404): copy its ID");
}

#[tokio::test]
async fn an_origin_is_asked_as_the_proxy_asks_it() {
    let desk = Desk::new().await;
    let mut checked = Checked::new(&desk).await;
    checked.origin = Origin::start(answers("500 x", &[], "")).await;
    let said = checked.check(SITE, SOURCE, PROGRAM, &[], Some(TOKEN)).await;
    assert_eq!(said.code, 0, "{said:?}");
    told(&said, "– answers 500: look at the server's own log");
    checked.origin = Origin::scripted(|_, _| Box::pin(std::future::pending())).await;
    let said = checked.check(&format!("{SITE}\nresponse_timeout = \"50ms\""), SOURCE, PROGRAM, &[], Some(TOKEN)).await;
    assert_eq!(said.code, 1, "{said:?}");
    told(&said, "/ – the upstream did not answer in time; start the site's server, or correct `origin`");
}

#[tokio::test]
async fn credentials_are_told_apart() {
    let desk = Desk::new().await;
    let checked = Checked::new(&desk).await;
    let said = checked.check(SITE, SOURCE, PROGRAM, &[], Some("wrong")).await;
    assert!(said.code == 1 && lines(&said).len() == 3, "{said:?}");
    told(&said, "fail  account IRacme1 – impact.com does not know this Account SID with this token (401)");
    let said = checked.check(SITE, SOURCE, PROGRAM, &[], None).await;
    assert!(said.code == 1 && lines(&said).len() == 3, "{said:?}");
    told(&said, "fail  account IRacme1 – has no token here: set the variable");
    desk.impact.limit();
    let said = checked.check(SITE, SOURCE, PROGRAM, &[], Some(TOKEN)).await;
    assert_eq!(said.code, 0, "a token for conversions only is enough to deliver: {said:?}");
    assert_eq!(lines(&said)[2..], ["warn  account IRacme1", "warn  program us", "warn  event types of us"]);
    told(&said, "such as Conversions, which is enough to deliver");
}

#[tokio::test]
async fn what_does_not_fit_the_program_is_told() {
    let desk = Desk::new().await;
    desk.impact.program("2000", "Acme CA", "SETUP", "irclickid={clickid}");
    desk.impact.program("3000", "Bare", "ACTIVE", "utm=x");
    let checked = Checked::new(&desk).await;
    let program = "campaign_id = 2000\nevent_type_id = 9\nevent_type_ids = { Lead = \"8\" }\n[[impact.program]]\nname = \"bare\"\n\
                   account_sid = \"IRacme1\"\napi_key = { env = \"IMPACT_AUTH_TOKEN\" }\ncampaign_id = 3000\naction_event_names = [\"Lead\", \"Signup\"]";
    let said = checked.check("hosts = [\"shop.example\"]", SOURCE, program, &[], Some(TOKEN)).await;
    assert_eq!(said.code, 1, "{said:?}");
    told(&said, "warn  program us – campaign 2000 is SETUP");
    told(
        &said,
        "fail  click of program us – its landings carry `irclickid`, which is not read: add it to `parameters`",
    );
    told(&said, "warn  site definition of program us – is \"acme.example, *.acme-shop.example\", without shop.example");
    told(&said, "warn  event types of us – no contract pays for `9`; they pay for Order Completed (7), Lead (8)");
    told(&said, "warn  click of program bare – no tracking template gives the click ID a parameter");
    told(&said, "warn  event types of bare – none is called \"Signup\"");
    assert_eq!(said.out.matches("account IRacme1").count(), 1, "an account is told once: {said:?}");
    let said = checked.check("", SOURCE, PROGRAM, &[], Some(TOKEN)).await;
    told(
        &said,
        "warn  site definition of program us – is \"acme.example, *.acme-shop.example\": see that your site is in it",
    );
}

#[tokio::test]
async fn a_faulty_file_asks_nobody() {
    let desk = Desk::new().await;
    let checked = Checked::new(&desk).await;
    let said = checked.check("hsts = []", SOURCE, PROGRAM, &[], Some(TOKEN)).await;
    assert!(said.code == 2 && desk.impact.api.asked().is_empty() && checked.cdn.asked().is_empty(), "{said:?}");
    let said = checked.check("hsts = []", SOURCE, PROGRAM, &["--format", "json"], Some(TOKEN)).await;
    let rows: Value = serde_json::from_str(&said.out).unwrap();
    assert!(said.code == 2 && rows["online"] == json!([]) && rows["faults"].as_array().unwrap().len() == 1, "{said:?}");
}
