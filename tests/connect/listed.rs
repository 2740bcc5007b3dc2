//! What there is to choose from, page by page, and how a machine chooses.

use crate::{Desk, run};
use serde_json::{Value, json};

#[tokio::test]
async fn every_page_of_both_accounts_is_listed() {
    let desk = Desk::new().await;
    desk.segment.source("fourth", json!(["K4"]));
    desk.segment.source("fifth", json!([]));
    desk.segment.destination("web", json!({"campaignId": 1000}));
    for id in ["2000", "3000", "4000"] {
        desk.impact.program(id, "More", "ACTIVE", "irclickid={clickid}");
    }
    let said = desk.connect(&["--list", "--format", "json"]).await;
    assert_eq!(said.code, 0, "{said:?}");
    let listed: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(listed["workspace"], json!({"name": "Acme", "slug": "acme", "region": "us"}));
    let all = |list: &str, key: &str| -> Vec<Value> {
        listed[list].as_array().unwrap().iter().map(|one| one[key].clone()).collect()
    };
    assert_eq!(all("sources", "slug"), ["web", "server", "app", "fourth", "fifth"]);
    assert_eq!(all("sources", "write_keys")[1], json!(["SERVERKEY", "SERVERKEY2"]));
    assert_eq!(listed["sources"][0]["impact_destinations"][0]["campaign_id"], 1000);
    assert_eq!(all("programs", "id"), ["1000", "2000", "3000", "4000"]);
    assert_eq!(all("programs", "click_parameters")[1], json!(["irclickid"]));

    let said = desk.connect(&["--list"]).await;
    let lines: Vec<&str> = said.out.lines().collect();
    assert_eq!(lines[0], "Sources of the workspace Acme (us)");
    assert!(lines.contains(&"  web  The web  write key WEBKEY"), "{said:?}");
    assert!(lines.contains(&"  fifth  The fifth  write key not shown"), "{said:?}");
    assert!(lines.contains(&"    Impact Partnership Cloud is on, campaign 1000"), "{said:?}");
    assert!(lines.contains(&"  1000  Acme US  im_ref={clickid}&utm_source=impact"), "{said:?}");
    assert!(!desk.folder.path().join("selvedge.toml").exists());
    let pages = |asked: Vec<String>, list: &str| asked.iter().filter(|path| path.starts_with(list)).count();
    assert_eq!(pages(desk.segment.api.asked(), "/sources"), 6, "three pages, twice");
    assert_eq!(pages(desk.impact.api.asked(), "/Advertisers/IRacme1/Campaigns"), 4, "two pages, twice");
}

#[tokio::test]
async fn a_machine_that_does_not_choose_is_told_among_what() {
    let desk = Desk::new().await;
    desk.impact.program("2000", "Acme CA", "ACTIVE", "im_ref={clickid}");
    for (arguments, told) in [
        (&[][..], &["choose with --source:", "   1  web  The web  write key WEBKEY"][..]),
        (&["--source", "wep"], &["there is no source `wep`; did you mean `web`?", "   3  app "]),
        (&["--source", "web"], &["choose with --program:", "   2  2000  Acme CA"]),
        (&["--source", "web", "--program", "1900"], &["there is no active program `1900`"]),
        (&["--source", "web", "--origin", "localhost"], &["--origin: `localhost` must start with http://"]),
        (&["--segment-api", "nowhere", "--source", "web"], &["cannot be used multiple times"]),
        (&["--format", "json"], &["--list"]),
    ] {
        let said = desk.connect(arguments).await;
        assert_eq!(said.code, 2, "{arguments:?} {said:?}");
        assert!(told.iter().all(|told| said.err.contains(told)), "{arguments:?} {said:?}");
    }
    assert!(!desk.folder.path().join("selvedge.toml").exists());
    let said = desk.connect(&["--source", "id-web", "--program", "Acme CA"]).await;
    assert!(said.code == 0 && desk.written().contains("campaign_id = \"2000\""), "{said:?}");
}

#[tokio::test]
async fn credentials_that_nobody_can_be_asked_for_are_all_named() {
    let desk = Desk::new().await;
    let said = run(desk.folder.path(), desk.arguments(&["--list"]), &[]).await;
    assert_eq!(said.code, 2, "{said:?}");
    for name in ["SEGMENT_PUBLIC_API_TOKEN", "IMPACT_ACCOUNT_SID", "IMPACT_AUTH_TOKEN"] {
        assert!(said.err.contains(name), "{said:?}");
    }
    let said = run(desk.folder.path(), desk.arguments(&["--segment-token-file", "absent"]), &[]).await;
    assert!(said.code == 2 && said.err.contains("absent: "), "{said:?}");
    let said = desk.connect(&["--impact-sid", "IR 1"]).await;
    assert!(said.code == 2 && said.err.contains("that is no Account SID"), "{said:?}");
    assert!(desk.segment.api.asked().is_empty(), "nothing is asked before everything is there");
}
