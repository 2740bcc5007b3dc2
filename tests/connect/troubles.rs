//! What goes wrong at either account: each with a sentence of its own that says what to do.

use crate::api::Api;
use crate::workspace::TOKEN;
use crate::{Desk, Said, Workspace};
use selvedge::connect::Trouble;
use selvedge::connect::programs::Account;
use selvedge::connect::workspace::Segment;
use selvedge::secret::Secret;
use selvedge::segment::public_api::Region;
use serde_json::json;

async fn list(desk: &Desk) -> Said {
    desk.connect(&["--list"]).await
}

/// It failed while running, with one sentence that says this.
fn fails(said: &Said, sentence: &str) {
    assert!(said.code == 1 && said.err.contains(sentence) && said.err.lines().count() == 1, "{sentence}: {said:?}");
    assert!(!said.err.contains(TOKEN) && !said.err.contains(crate::TOKEN), "{said:?}");
}

#[tokio::test]
async fn segments_refusals_say_what_to_do() {
    let desk = Desk::new().await;
    desk.segment.api.next("401 x", &[], "{\"errors\":[{\"type\":\"unauthorized\"}]}");
    fails(&list(&desk).await, "Segment does not know this token (401)");
    desk.segment.close("/sources");
    fails(&list(&desk).await, "does not let it read the sources (403): give it a role that may");
    let desk = Desk::new().await;
    desk.segment.destination("web", json!({"campaignId": "1000"}));
    desk.segment.close("/destination/dest%2Dweb/filters");
    fails(&desk.connect(&["--source", "web"]).await, "read the filters of a destination (403)");
    desk.segment.hide_write_keys();
    fails(&desk.connect(&["--source", "web"]).await, "does not show the write keys to this token: give it the role");
    assert!(!desk.folder.path().join("selvedge.toml").exists());
}

#[tokio::test]
async fn a_token_of_the_other_region_is_tried_there() {
    let (us, eu) = (Workspace::start().await, Workspace::start().await);
    us.api.always("401 x", &[], "");
    let places = [(Region::Us, us.url()), (Region::Eu, eu.url())];
    let segment = Segment::open(&Secret::new(TOKEN), &places).await.unwrap();
    assert_eq!((segment.region, &*segment.workspace.name), (Region::Eu, "Acme"));
    let sentence = |token: &'static str| {
        let places = places.clone();
        async move { Segment::open(&Secret::new(token), &places).await.unwrap_err().sentence() }
    };
    assert!(sentence("unknown").await.contains("(401)") && sentence("unknown").await.contains("--region eu"));
    // A region that is away does not hide that the token is unknown in the other.
    eu.api.always("500 x", &[], "");
    assert!(sentence(TOKEN).await.contains("(401)"));
}

#[tokio::test]
async fn impacts_refusals_say_what_to_do() {
    let desk = Desk::new().await;
    let said = desk.connect(&["--list", "--impact-sid", "IRother"]).await;
    fails(&said, "impact.com does not know this Account SID with this token (401): copy both anew");
    desk.impact.limit();
    fails(
        &desk.connect(&["--source", "web"]).await,
        "such as Conversions, which is enough to deliver; name the campaign: --program ID",
    );
    let said = list(&desk).await;
    assert!(said.code == 0 && said.err.contains("read the programs (403)") && said.out.contains("WEBKEY"), "{said:?}");
    let said = desk.connect(&["--source", "web", "--program", "Acme US"]).await;
    assert!(said.code == 2 && said.err.contains("`Acme US` is no campaign ID"), "{said:?}");
}

#[tokio::test]
async fn a_token_for_conversions_only_is_enough_with_a_campaign() {
    let desk = Desk::new().await;
    desk.impact.limit();
    let said = desk.connect(&["--source", "web", "--program", "1000"]).await;
    assert!(
        said.code == 0 && said.err.contains("(403)") && said.err.contains("im_ref is impact.com's default"),
        "{said:?}"
    );
    assert!(
        desk.written().contains("name        = \"1000\"") && desk.written().contains("parameters = [\"im_ref\"]"),
        "{}",
        desk.written()
    );
    desk.check().await;
    // Segment's destination knows the campaign too.
    let desk = Desk::new().await;
    desk.impact.limit();
    desk.segment.destination("web", json!({"campaignId": "1000"}));
    let said = desk.connect(&["--source", "web"]).await;
    assert!(said.code == 0 && desk.written().contains("campaign_id = \"1000\""), "{said:?}");
}

#[tokio::test]
async fn a_short_wait_is_sat_out_and_a_long_one_is_not() {
    let desk = Desk::new().await;
    desk.segment.api.next("429 x", &["Retry-After: 0"], "");
    desk.impact.api.next("429 x", &["X-RateLimit-Reset: 0"], "");
    let said = list(&desk).await;
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(desk.segment.api.asked()[..2], ["/", "/"]);
    desk.impact.api.next("429 x", &["Retry-After: 3600"], "");
    fails(&list(&desk).await, "impact.com asks to be left alone for longer than a minute (429)");
    desk.segment.api.always("429 x", &["Retry-After: 0"], "");
    fails(&list(&desk).await, "Segment's Public API asks to be left alone");
}

#[tokio::test]
async fn other_answers_are_told_as_they_are() {
    let desk = Desk::new().await;
    desk.segment.api.next("500 x", &[], "{\"errors\":[{\"type\":\"x\",\"message\":\"out of\\nluck\"}]}");
    fails(&list(&desk).await, "Segment's Public API answers 500: out of luck");
    desk.segment.api.next("502 x", &[], "");
    fails(&list(&desk).await, "Segment's Public API answers 502; try again later");
    desk.segment.api.next("302 x", &["Location: http://elsewhere.example/"], "");
    fails(&list(&desk).await, "answers 302");
    desk.segment.api.next("200 x", &[], "<html>");
    fails(&list(&desk).await, "answers what its documentation does not know");
    desk.impact.api.next("200 x", &[], "{\"Campaigns\":[{}]}");
    fails(&list(&desk).await, "impact.com answers what its documentation does not know");
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let desk = Desk { impact: desk.impact, folder: desk.folder, segment: Workspace::start().await };
    let arguments = ["connect", "--segment-api", &format!("http://{closed}"), "--list"].map(str::to_owned).to_vec();
    let environment =
        [("SEGMENT_PUBLIC_API_TOKEN", TOKEN), ("IMPACT_ACCOUNT_SID", crate::SID), ("IMPACT_AUTH_TOKEN", crate::TOKEN)];
    fails(&crate::run(desk.folder.path(), arguments, &environment).await, "Segment's Public API cannot be reached");
}

#[tokio::test]
async fn a_list_that_goes_in_a_circle_or_never_ends_is_left() {
    let desk = Desk::new().await;
    let circle = json!({"Campaigns": [], "@nextpageuri": "/Advertisers/IRacme1/Campaigns?Page=2"});
    desk.impact.api.always("200 x", &[], &circle.to_string());
    fails(&list(&desk).await, "impact.com answers with more than can be real");
    assert_eq!(desk.impact.api.asked().len(), 2);
    let endless = Api::start(|ask| {
        let page: u32 = ask.parameter("Page").unwrap().parse().unwrap();
        (200, json!({"Campaigns": [], "@nextpageuri": format!("{}?Page={}", ask.path, page + 1)}))
    })
    .await;
    let account = Account::new(&endless.url(), "14", crate::SID, &Secret::new(crate::TOKEN)).unwrap();
    assert_eq!(account.programs().await, Err(Trouble::TooLarge));
    assert_eq!(endless.asked().len(), 50);
}

#[tokio::test]
async fn an_answer_without_end_is_not_kept() {
    let desk = Desk::new().await;
    desk.segment.api.next("200 x", &[], &" ".repeat(17 * 1024 * 1024));
    fails(&list(&desk).await, "Segment's Public API answers with more than can be real");
    // Half of one is none.
    desk.segment.api.next("200 x\r\nContent-Length: 99", &[], "{}");
    fails(&list(&desk).await, "Segment's Public API ");
}
