//! The table of SDKs: the path that each setting leads to is taken, and two of the settings drive the libraries themselves.

use crate::first_screen::{click, customer};
use crate::harness::sdk::Sdk;
use crate::text::{Readme, spans};
use crate::town::{Town, configuration};
use serde_json::{Value, json};

/// What each library adds to the path of its setting.
const ADDED: [(&str, &str); 10] = [
    ("browser", "/t"),
    ("@segment/analytics-node", ""),
    ("python", "/v1/batch"),
    ("go", "/v1/batch"),
    ("ruby", ""),
    ("php", "/v1/batch"),
    ("java", ""),
    ("swift", "/b"),
    ("kotlin", "/b"),
    ("react native", ""),
];

/// Each library with its setting.
fn rows() -> Vec<(String, String)> {
    let rows = Readme::own().rows;
    let cells = rows.iter().skip(2).map(|row| row.trim_matches('|').split_once(" | ").unwrap());
    cells.map(|(name, setting)| (name.trim().replace('`', ""), spans(setting)[0].to_owned())).collect()
}

fn setting_of(name: &str) -> String {
    rows().into_iter().find(|(library, _)| library == name).unwrap_or_else(|| panic!("the table has no {name}")).1
}

/// The path under the prefix, up to the quote that ends it.
fn path_in(setting: &str) -> &str {
    let prefix = configuration().segment.prefix;
    let at = setting.find(&format!("{prefix}/")).or_else(|| setting.find(&prefix)).unwrap();
    setting[at..].split('"').next().unwrap()
}

#[tokio::test]
async fn every_setting_leads_to_a_path_that_is_taken() {
    let town = Town::build().await;
    town.visit().await;
    for (name, setting) in rows() {
        let (_, added) =
            ADDED.iter().find(|(known, _)| *known == name).unwrap_or_else(|| panic!("no check for {name}"));
        let path = format!("{}{added}", path_in(&setting));
        let call = json!({"type": "track", "event": "Seen", "userId": customer(), "messageId": name});
        let body = if path.ends_with("/t") { call } else { json!({"batch": [call], "writeKey": "k"}) };
        town.post(&path, &body.to_string()).await;
        let seen = town.segment.wait_for(1).await;
        assert_eq!(path, format!("/cdp{}", seen[0].path), "{name}");
        // Other paths go on too, but nobody reads them.
        assert_eq!(seen[0].calls()[0]["context"]["referrer"]["id"], json!(click()), "{name}");
        town.segment.forget();
    }
}

#[test]
fn the_scripts_that_drive_the_libraries_use_the_same_settings() {
    let node = include_str!("../sdk/node/drive.cjs");
    let setting = setting_of("@segment/analytics-node");
    assert!(node.contains(&format!("'{}'", path_in(&setting))), "{setting}");
    for name in ["writeKey", "host:", "path:"] {
        assert!(setting.contains(name) && node.contains(name), "{name}");
    }
    let python = include_str!("../sdk/python/drive.py");
    let setting = setting_of("python");
    assert!(setting.contains("host=") && python.contains("host=") && setting.starts_with("Client("), "{setting}");
    assert!(python.contains(&format!("8080{}\")", path_in(&setting))), "{setting}");
}

#[tokio::test]
async fn the_libraries_take_the_settings_as_shown() {
    let node = "const { Analytics } = require('@segment/analytics-node'); const writeKey = 'k'; const client = SETTING;
        client.track({ userId: 'CUSTOMER', event: 'Seen' }); client.closeAndFlush()";
    let python = "from segment.analytics.client import Client; write_key = 'k'; client = SETTING
client.track('CUSTOMER', 'Seen'); client.join()";
    for (sdk, name, switch, script) in
        [(Sdk::Node, "@segment/analytics-node", "-e", node), (Sdk::Python, "python", "-c", python)]
    {
        let Some(mut interpreter) = sdk.interpreter() else { continue };
        let town = Town::build().await;
        town.visit().await;
        let setting = setting_of(name).replace("https://www.example.com", &format!("http://{}", town.front()));
        let script = script.replace("SETTING", &setting).replace("CUSTOMER", &customer());
        interpreter.args([switch, &script]);
        let output = tokio::task::spawn_blocking(move || interpreter.output().unwrap()).await.unwrap();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        let calls: Vec<Value> = town.segment.wait_for(1).await.iter().flat_map(selvedge::demo::Seen::calls).collect();
        assert_eq!(calls[0]["context"]["referrer"]["id"], json!(click()), "{name}: {calls:?}");
    }
}
