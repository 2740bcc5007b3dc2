//! The configuration that is written, and what a second run adds to it.

use crate::Desk;
use serde_json::json;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

/// What the destination of the source `web` does.
fn with_destination(desk: &Desk) {
    desk.segment.destination(
        "web",
        json!({"accountSid": "IRacme1", "apiKey": "••••", "campaignId": "1000", "enablePageEvents": true, "eventTypeId": "",
            "actionEventNames": ["Order Completed", "Lead"], "customParameterMapping": {"CustomerStatus": "properties.status"}}),
    );
    desk.segment.filter("web", "!(properties.region = \"US\")", json!({"type": "DROP"}));
    desk.segment.filter("web", "type = \"page\"", json!({"type": "DROP"}));
    desk.segment.filter("web", "all", json!({"type": "SAMPLE", "percent": 0.5, "path": "userId"}));
    desk.segment.filter("web", "all", json!({"type": "DROP_PROPERTIES", "fields": {"properties": ["card number"]}}));
    desk.segment.filter("web", "all", json!({"type": "ALLOW_PROPERTIES", "fields": {"properties": ["a"]}}));
}

const FIRST: &str = r#"# Written by `selvedge connect` for the workspace Acme of Segment and the account IRacme1 of impact.com.
# Every other setting and its default: config/reference.toml. Is it fine: selvedge check --online

[listen]
# Where visitors and SDKs come.
http = "0.0.0.0:8080"
# The balancer that ends TLS, if there is one.
# trusted_proxies = ["10.0.0.0/8"]

[[site]]
# The site's own server.
origin = "http://127.0.0.1:4000"
# Its hosts; none: every host.
# hosts = ["www.example.com"]

[click]
# The tracking template of Acme US: im_ref={clickid}&utm_source=impact
parameters = ["im_ref"]

[segment]
# SDKs talk to https://your.site/cdp.
prefix = "/cdp"

# The source "The web" of the workspace Acme.
[[segment.source]]
name      = "web"
write_key = "WEBKEY"

[impact]
api = "IMPACT"

# The program "Acme US" of impact.com.
[[impact.program]]
name        = "Acme US"
account_sid = "IRacme1"
# The account's Auth Token.
api_key     = { env = "IMPACT_AUTH_TOKEN" }
campaign_id = "1000"
# It takes the calls of these sources only.
sources = ["web"]
# As Segment's destination "Impact Partnership Cloud" has it.
enable_page_events = true
action_event_names = ["Order Completed", "Lead"]
custom_parameter_mapping = { CustomerStatus = "properties.status" }
filter = '(properties.region = "US") and !(type = "page")'
sample = 0.5
sample_by = "userId"
drop_properties = ['properties.card\ number']
# Not imported: the filter "the web rule" (all), ALLOW_PROPERTIES: a program can only name what is dropped: see `drop_properties`.
"#;

#[tokio::test]
async fn a_destination_becomes_a_program_with_its_settings_and_filters() {
    let desk = Desk::new().await;
    with_destination(&desk);
    let said = desk.connect(&["--source", "web", "--origin", "http://127.0.0.1:4000"]).await;
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(desk.written(), FIRST.replace("IMPACT\"", &format!("{}\"", desk.impact.url())));
    desk.check().await;
    assert!(said.err.contains("\"Impact Partnership Cloud\" still delivers the calls of web"), "{said:?}");
    assert!(
        said.err.contains("not imported for `Acme US`: the filter \"the web rule\" (all), ALLOW_PROPERTIES"),
        "{said:?}"
    );
    assert!(said.out.contains("selvedge.toml: written; it has 1 source and 1 program now\n"), "{said:?}");
    assert!(said.out.contains("next: selvedge check --online --config selvedge.toml\n"), "{said:?}");
}

#[tokio::test]
async fn a_second_run_adds_a_source_and_touches_nothing_else() {
    let desk = Desk::new().await;
    let said = desk.connect(&["--source", "web"]).await;
    assert_eq!(said.code, 0, "{said:?}");
    // Somebody's own hand, without a line's end.
    let before = desk.written() + "\n[log]\naccess   =   true # mine";
    std::fs::write(desk.folder.path().join("selvedge.toml"), &before).unwrap();
    let said = desk.connect(&["--source", "The server", "--origin", "http://127.0.0.1:5000"]).await;
    assert_eq!(said.code, 0, "{said:?}");
    let added = desk.written();
    let added = added.strip_prefix(&before).unwrap_or_else(|| panic!("{added}"));
    let source = |name: &str, key: &str| {
        format!(
            "\n# The source \"The server\" of the workspace Acme.\n[[segment.source]]\nname      = \"{name}\"\nwrite_key = \"{key}\"\n"
        )
    };
    let sources = format!("\n{}{}", source("server", "SERVERKEY"), source("server 2", "SERVERKEY2"));
    let program = added.strip_prefix(&sources).unwrap_or_else(|| panic!("{added}"));
    assert!(program.contains("name        = \"Acme US 2\"\n"), "{program}");
    assert!(program.contains("sources = [\"server\", \"server 2\"]\n"), "{program}");
    assert!(before.contains("sources = [\"web\"]\n"), "{before}");
    assert!(said.err.contains("--origin is for a new configuration"), "{said:?}");
    assert!(!said.err.contains("takes the calls of all sources"), "{said:?}");
    desk.check().await;
    let (before, said) = (desk.written(), desk.connect(&["--source", "SERVERKEY2"]).await);
    assert!(said.code == 0 && said.out.contains("nothing to add"), "{said:?}");
    assert!(said.err.contains("the program `Acme US 2` takes these calls to campaign 1000 already"), "{said:?}");
    assert_eq!(desk.written(), before);
}

#[tokio::test]
async fn destinations_that_differ_become_programs_with_sources_of_their_own() {
    let desk = Desk::new().await;
    let settings = |events: &str| json!({"campaignId": "1000", "actionEventNames": [events]});
    desk.segment.destination("web", settings("Order Completed"));
    desk.segment.destination("app", settings("Lead"));
    desk.segment.any_destination("server", json!({"id": "m", "name": "Google"}), json!({"campaignId": "1000"}));
    let said = desk.connect(&["--source", "web", "--source", "server", "--source", "app"]).await;
    assert_eq!(said.code, 0, "{said:?}");
    let text = desk.written();
    for part in [
        "name        = \"Acme US\"\n",
        "sources = [\"web\"]\n",
        "action_event_names = [\"Order Completed\"]\n",
        "name        = \"Acme US 2\"\n",
        "sources = [\"app\"]\n",
        "action_event_names = [\"Lead\"]\n",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert!(said.err.contains("no program takes the calls of `server`"), "{said:?}");
    assert!(said.err.contains("still delivers the calls of web, app:"), "{said:?}");
    desk.check().await;
}

#[tokio::test]
async fn a_destination_of_something_that_was_not_chosen_is_told() {
    let desk = Desk::new().await;
    desk.segment.destination("web", json!({"accountSid": "IRother", "campaignId": "1000", "enablePageEvents": false}));
    desk.segment.destination("server", json!({"campaignId": "1900", "enablePageEvents": false}));
    desk.segment.destination("app", json!({"enablePageEvents": false}));
    let said = desk.connect(&["--source", "web", "--source", "server", "--source", "app"]).await;
    assert_eq!(said.code, 0, "{said:?}");
    assert!(
        said.err.contains("the destination of `web` delivers to another account, IRother: run this again"),
        "{said:?}"
    );
    assert!(said.err.contains("the destination of `server` is set up for 1900, which was not chosen"), "{said:?}");
    assert!(said.err.contains("the destination of `app` is set up for no campaign"), "{said:?}");
    assert!(desk.written().contains("enable_page_events = true"), "{}", desk.written());
}

#[tokio::test]
async fn a_program_for_a_new_source_is_added_beside_one_that_does_not_take_it() {
    let desk = Desk::new().await;
    let first = "[listen]\nhttp = \"127.0.0.1:0\"\n[[site]]\norigin = \"http://127.0.0.1:3000\"\n[click]\nparameters = [\"x\"]\n\
                 [[segment.source]]\nwrite_key = \"WEBKEY\"\nname = \"web\"\n[[impact.program]]\nname = \"Acme US\"\naccount_sid = \"IRacme1\"\n\
                 api_key = { env = \"IMPACT_AUTH_TOKEN\" }\ncampaign_id = 1000\nsources = [\"web\"]\n";
    std::fs::write(desk.folder.path().join("selvedge.toml"), first).unwrap();
    let said = desk.connect(&["--source", "app", "--region", "eu"]).await;
    assert_eq!(said.code, 0, "{said:?}");
    let text = desk.written();
    assert!(
        text.starts_with(first)
            && text.contains("name        = \"Acme US 2\"")
            && text.contains("sources = [\"app\"]\n"),
        "{text}"
    );
    // What the rest of the file lacks is told, since it is not touched.
    assert!(said.err.contains("the program's landings carry `im_ref`: add it to `parameters` of [click]"), "{said:?}");
    assert!(said.err.contains("[segment] needs api = \"https://events.eu1.segmentapis.com\""), "{said:?}");
    desk.check().await;
}

#[tokio::test]
async fn a_file_that_cannot_be_continued_stays_and_the_addition_is_shown() {
    let desk = Desk::new().await;
    let first = "segment.source = [{ write_key = \"WEBKEY\" }]\n[listen]\nhttp = \"127.0.0.1:0\"\n[[site]]\norigin = \"http://127.0.0.1:3000\"\n";
    std::fs::write(desk.folder.path().join("selvedge.toml"), first).unwrap();
    let said = desk.connect(&["--source", "app"]).await;
    assert!(
        said.code == 2 && said.err.contains("add this yourself:") && said.err.contains("write_key = \"APPKEY\""),
        "{said:?}"
    );
    assert_eq!(desk.written(), first);
    // One that is broken is not continued either.
    std::fs::write(desk.folder.path().join("selvedge.toml"), "[listen]\nhttp = 1\n").unwrap();
    let said = desk.connect(&["--source", "app"]).await;
    assert!(said.code == 2 && said.err.contains("selvedge.toml:2:8: error:"), "{said:?}");
}

#[tokio::test]
async fn a_workspace_of_the_eu_gets_its_host_and_a_file_its_place() {
    let desk = Desk::new().await;
    std::fs::create_dir(desk.folder.path().join("keys")).unwrap();
    let key = desk.folder.path().join("keys/impact");
    std::fs::write(&key, "impact-auth-token\n").unwrap();
    std::fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
    let said = desk.connect(&["--source", "web", "--region", "eu", "--impact-token-file", "keys/impact"]).await;
    assert_eq!(said.code, 0, "{said:?}");
    let text = desk.written();
    assert!(text.contains("\napi = \"https://events.eu1.segmentapis.com\"\n"), "{text}");
    assert!(
        text.contains("api_key     = { file = \"keys/impact\" }\n") && !text.contains("impact-auth-token"),
        "{text}"
    );
    desk.check().await;
}

#[tokio::test]
async fn what_an_account_says_cannot_leave_its_comment_or_its_string() {
    let desk = Desk::new().await;
    desk.segment.source("odd\"\n[log]\nx", json!(["KEY\" #"]));
    desk.impact.program("3000", "Acme\n[[site]]\u{1b}[2J", "ACTIVE", "im_ref={clickid}\n[log]");
    let said = desk.connect(&["--source", "odd\"\n[log]\nx", "--program", "3000"]).await;
    assert_eq!(said.code, 0, "{said:?}");
    assert!(!desk.written().lines().any(|line| line == "[log]" || line.contains('\u{1b}')), "{}", desk.written());
    desk.check().await;
}

#[tokio::test]
async fn a_dry_run_shows_and_does_not_write() {
    let desk = Desk::new().await;
    let said = desk.connect(&["--source", "web", "--dry-run"]).await;
    assert!(
        said.code == 0 && said.out.starts_with("# Written by") && said.out.contains("write_key = \"WEBKEY\""),
        "{said:?}"
    );
    assert!(!desk.folder.path().join("selvedge.toml").exists());
}
