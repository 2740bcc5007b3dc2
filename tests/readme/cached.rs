//! Where the click ID is kept by others: what they find it in, and what they send.

use crate::Part;
use crate::first_screen::click;
use crate::text::Readme;
use crate::town::Town;
use serde_json::{Value, json};

#[tokio::test]
async fn a_call_that_says_its_click_needs_no_id() {
    let town = Town::build().await;
    let said = Part::Said.block();
    town.post("/cdp/v1/track", &said).await;
    let mut expected: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(expected["context"]["referrer"]["id"], json!(click()));
    assert_eq!((expected.get("userId"), expected.get("anonymousId")), (None, None));
    expected["integrations"] = json!({"Impact Partnership Cloud": false});
    assert_eq!(town.segment.wait_for(1).await[0].calls()[0], expected);
    let conversion = &town.impact.wait_for_conversions(1).await[0];
    assert_eq!(conversion.field("ClickId"), Some(click().as_str()));
}

#[tokio::test]
async fn the_cookie_holds_the_click_where_the_readme_says() {
    Readme::own().says("it is what follows the third dot of `im_ref`");
    let town = Town::build().await;
    let landed = town.visit().await;
    let cookie = landed.fields("set-cookie")[0].split(';').next().unwrap();
    assert_eq!(cookie.strip_prefix("im_ref=").and_then(|value| value.splitn(4, '.').nth(3)), Some(click().as_str()));
}

#[tokio::test]
async fn an_install_says_so() {
    let town = Town::build().await;
    let install = json!({"event": "Application Installed", "anonymousId": "a-1", "messageId": "m"});
    town.post("/cdp/v1/track", &install.to_string()).await;
    let conversion = &town.impact.wait_for_conversions(1).await[0];
    let (name, code) = ("EventCode", conversion.field("EventCode").unwrap());
    Readme::own().says(&format!("goes out with `{name}={code}`"));
    assert_eq!(conversion.field("CustomProfileId"), Some("a-1"));
}
