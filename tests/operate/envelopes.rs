//! Envelopes that are kept for Segment: those that wait, and the dead ones.

use crate::node::{Node, both, printed, tell};
use selvedge::clock::Clock;
use selvedge::links::{IdKind, PersonKey};
use selvedge::outbox::{Forwards, Missed};
use selvedge::secret::Secret;
use serde_json::{Value, json};
use std::time::Duration;

fn missed(path: &str, body: &str, age: Duration) -> Missed {
    let fields = [("authorization", "Basic c2VjcmV0OndyaXRla2V5"), ("content-type", "application/json")];
    Missed {
        method: "POST".to_owned(),
        path: path.to_owned(),
        fields: fields.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
        body: body.to_owned().into(),
        arrival: Clock::System.now().minus(age),
        write_key: None,
        people: vec![PersonKey::of("default", IdKind::User, "user-ada").unwrap()],
    }
}

const BATCH: &str = r#"{"batch":[{"type":"track","messageId":"m1","userId":"user-ada","event":"Bought a \u001b[31mhat"},
    {"type":"page","messageId":"m2","userId":"user-ada"}]}"#;
const PIXEL: &str = "/v1/pixel/track?userId=user-ada&event=Seen&messageId=m3&writeKey=k";

/// 1: waits. 2: refused. 3: waited for two hours in vain. 4: another key's.
async fn four(node: &Node) {
    let forwards = node.forwards();
    let (now, old) = (Duration::ZERO, Duration::from_secs(7200));
    forwards.keep(missed("/v1/batch?x=1", BATCH, now)).await.unwrap();
    forwards.keep(missed("/v1/t", r#"{"userId":"user-ada","messageId":"m4"}"#, now)).await.unwrap();
    forwards.refuse(2, "refused: 400").await.unwrap();
    forwards.keep(missed(PIXEL, "", old)).await.unwrap();
    forwards.refuse(3, "expired").await.unwrap();
    let other = Forwards::new(node.store.clone(), Some(&Secret::new("a1".repeat(32))));
    other.keep(missed("/v1/t", "{}", now)).await.unwrap();
}

#[tokio::test]
async fn they_are_listed_and_shown_without_what_their_calls_say() {
    both(four, |config| {
        let list =
            "ID  STATE    PATH             TRIES  ARRIVAL                   REASON\n4   waiting  -                0";
        tell(
            config,
            &[
                ("envelopes list", 0, list),
                ("envelopes list", 0, "\n1   waiting  /v1/batch "),
                ("envelopes list --state dead --limit 1", 0, "\n3   dead   /v1/pixel/track  0"),
                ("envelopes list --reason refused", 0, "REASON\n2   dead   /v1/t  0"),
                ("envelopes list --before 2 --format json", 0, "{\"envelopes\":[{\"arrival\":"),
                ("envelopes list --older-than 1h --state waiting,dead", 0, "REASON\n3   dead "),
                ("envelopes list --state leased", 2, "an envelope's state is one of waiting, dead"),
                ("envelopes show 1", 0, "method        POST\npath          /v1/batch\n"),
                ("envelopes show 1", 0, "calls         2\n  track m1\n  page m2\n"),
                ("envelopes show 3", 0, "reason        expired\n"),
                ("envelopes show 3", 0, "calls         1\n  track m3\n"),
                ("envelopes show 4", 0, "readable      false\n"),
                ("envelopes show 4 --body", 1, "cannot be read with this [store] key"),
                ("envelopes show 5", 1, "no such envelope"),
                ("envelopes show 3 --body", 0, "query         userId=user-ada&event=Seen"),
                ("person show --user-id user-ada", 0, "envelope  2  dead  /v1/t  "),
                ("person show --user-id user-ada", 0, "envelope  1  waiting  /v1/batch  "),
            ],
        );
        let shown = printed(config, "envelopes show 1 --format json");
        let keeps_back = ["user-ada", "Bought", "Basic", "c2VjcmV0"].iter().all(|secret| !shown.contains(secret));
        assert!(keeps_back, "{shown}");
        let shown: Value = serde_json::from_str(&shown).unwrap();
        let calls = json!([{ "type": "track", "messageId": "m1" }, { "type": "page", "messageId": "m2" }]);
        assert_eq!((&shown["calls"], &shown["state"]), (&calls, &json!("waiting")));
        let shown: Value = serde_json::from_str(&printed(config, "envelopes show 1 --body --format json")).unwrap();
        assert_eq!((&shown["body"], &shown["query"], &shown["id"]), (&json!(BATCH), &json!("x=1"), &json!(1)));
    })
    .await;
}

#[tokio::test]
async fn they_are_tried_again_and_dropped() {
    both(four, |config| {
        tell(
            config,
            &[
                ("envelopes retry 1", 1, "it waits, and goes out in its turn"),
                ("envelopes retry 5", 1, "no such envelope"),
                ("envelopes retry", 2, "at least one filter"),
                ("envelopes retry 2 --all", 2, "not both"),
                ("envelopes retry --all", 2, "2 envelopes match: send them after those that wait? There is nobody"),
                ("envelopes retry --reason refused --yes", 0, "1 waiting again, 0 not done"),
                ("envelopes list --state dead --format json", 0, "\"id\":3,"),
                ("envelopes show 2", 0, "reason        retried\n"),
                ("envelopes retry 3", 0, "it waits again"),
                ("envelopes retry --all", 0, "no envelope matches"),
                ("envelopes drop 3", 0, "dropped"),
                ("envelopes show 3", 0, "reason        dropped\n"),
                ("envelopes drop 3", 0, "dropped"),
                ("envelopes drop 3", 1, "no such envelope"),
                ("envelopes drop --state waiting --limit 1 --yes", 0, "1 dropped, 0 not done"),
                ("envelopes list --state dead --format json", 0, "\"id\":4,"),
                ("envelopes drop --all --yes", 0, "3 dropped, 0 not done"),
                ("envelopes list --state waiting", 0, "REASON\n"),
                ("envelopes drop --all --yes", 0, "2 dropped, 0 not done"),
                ("envelopes list --format json", 0, "{\"envelopes\":[]}"),
            ],
        );
    })
    .await;
}
