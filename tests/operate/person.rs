//! A person's data: shown, and erased from every file of the store.

use crate::node::{Node, both, delivery, printed, selvedge, tell};
use selvedge::click::{Click, ClickId, Place};
use selvedge::clock::Clock;
use selvedge::links::{IdKind, Lesson, PersonKey};
use selvedge::outbox::{DeliveryId, Missed, NewDelivery, OnceKey};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

/// What is the person's, and what must not be touched: both are looked for in the store's files.
const THEIRS: [&str; 6] =
    ["order-ada", "click-ada", "message-ada", "5d1e4b0d-hash-of-ada", "user-ada", "anonymous-ada"];
const OTHERS: [&str; 6] = ["order-bob", "click-bob", "message-bob", "click-both", "user-bob", "order-family"];

fn key(kind: IdKind, id: &str) -> PersonKey {
    PersonKey::of("default", kind, id).unwrap()
}

fn click(id: &str) -> Option<Click> {
    Some(Click { id: ClickId::parse(id.as_bytes()).unwrap(), at: Clock::System.now(), place: Place::Landing })
}

/// A delivery of somebody called `name`, whose e-mail, message and order are in all that is kept of it.
fn conversion(name: &str, number: u32, anonymous: Option<PersonKey>, user: Option<PersonKey>) -> NewDelivery {
    let order = format!("order-{name}-{number}");
    let params = vec![
        ("OrderId".to_owned(), order.clone()),
        ("CustomerId".to_owned(), format!("user-{name}")),
        ("CustomerEmail".to_owned(), format!("5d1e4b0d-hash-of-{name}")),
    ];
    NewDelivery {
        params,
        message_id: Some(format!("message-{name}-{number}")),
        click_id: Some(format!("click-{name}")),
        call: Some(json!({ "call": { "userId": format!("user-{name}"), "n": "x".repeat(300) } }).to_string()),
        once: vec![OnceKey::order("us", "ACT", &order, Clock::System.now())],
        anonymous,
        user,
        ..delivery(&order)
    }
}

fn envelope(path: &str, body: &str, people: &[PersonKey]) -> Missed {
    Missed {
        method: if body.is_empty() { "GET" } else { "POST" }.to_owned(),
        path: path.to_owned(),
        fields: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: body.to_owned().into(),
        arrival: Clock::System.now(),
        people: people.to_vec(),
        write_key: None,
    }
}

/// Ada, whose anonymousId is joined to her userId, among others whose rows lie between hers.
async fn ada_and_others(node: &Node) {
    let [user, bob] = ["user-ada", "user-bob"].map(|id| key(IdKind::User, id));
    let anonymous = key(IdKind::Anonymous, "anonymous-ada");
    let lessons = [
        Lesson { click: click("click-ada"), people: vec![anonymous], joins: vec![] },
        Lesson { click: None, people: vec![], joins: vec![(anonymous, user)] },
        Lesson { click: click("click-both"), people: vec![user, bob], joins: vec![] },
        Lesson { click: click("click-bob"), people: vec![bob], joins: vec![] },
    ];
    let taught = lessons.iter().flat_map(|lesson| node.links.teach(lesson)).collect();
    let deliveries = (0..300).map(|number| match number % 5 {
        0 => conversion("ada", number, Some(anonymous), Some(user)),
        1 => conversion("ada", number, Some(anonymous), None),
        2 => conversion("ada", number, None, Some(user)),
        3 => conversion("bob", number, None, Some(bob)),
        // Bob, on the device that Ada uses, too.
        _ => conversion("family", number, Some(anonymous), Some(bob)),
    });
    node.outbox.append(deliveries.collect(), taught).await.unwrap();
    let leased = node.outbox.lease(150, Clock::System.now().plus(Duration::from_secs(600)), vec![]).await.unwrap();
    for delivery in leased {
        // Rows grow when their delivery ends, so that SQLite moves them about.
        match delivery.id.0 % 3 {
            0 => node.outbox.done(delivery.id, Some("receipt ".repeat(40)), None).await.unwrap(),
            1 => node.outbox.dead(delivery.id, "refused", "because ".repeat(90)).await.unwrap(),
            _ => node.outbox.again(delivery.id, Clock::System.now(), "later ".repeat(60)).await.unwrap(),
        };
    }
    let item = |name: &str, number: u32| {
        format!(r#"{{"type":"track","userId":"user-{name}","messageId":"message-{name}-{number}","n":1.10}}"#)
    };
    let batch = format!(r#"{{"batch":[{}, {} ,{}]}}"#, item("ada", 1), item("bob", 2), item("ada", 3));
    let forwards = node.forwards();
    let pixel = "/v1/pixel/track?userId=user-ada&event=x&messageId=message-ada-9";
    for (path, body, people) in [
        ("/v1/batch", batch.as_str(), vec![user, bob]),
        ("/v1/t", &item("ada", 4), vec![user]),
        (pixel, "", vec![user]),
        ("/v1/t", r#"{"anonymousId":"anonymous-ada","event":"message-ada-10"}"#, vec![anonymous]),
        ("/v1/t", &item("bob", 5), vec![bob]),
    ] {
        forwards.keep(envelope(path, body, &people)).await.unwrap();
    }
}

/// Which of these stand in any file of the store.
fn found<'a>(config: &Path, what: &[&'a str]) -> Vec<&'a str> {
    let files = std::fs::read_dir(config.with_file_name("data")).unwrap();
    let bytes: Vec<u8> = files.flat_map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect();
    what.iter().copied().filter(|what| memchr::memmem::find(&bytes, what.as_bytes()).is_some()).collect()
}

#[tokio::test]
async fn a_person_is_shown_and_erased_to_the_last_byte() {
    both(ada_and_others, |config| {
        assert_eq!(found(config, &THEIRS), THEIRS);
        let shown: Value =
            serde_json::from_str(&printed(config, "person show --user-id user-ada --format json")).unwrap();
        let count = |name: &str| shown[name].as_array().unwrap().len();
        assert_eq!((count("deliveries"), count("envelopes"), count("links"), count("sightings")), (180, 4, 2, 2));
        assert_eq!(shown["envelopes"][0]["calls"][1]["messageId"], "message-ada-3");
        let batch = "envelope  1  waiting  /v1/batch";
        tell(
            config,
            &[
                ("person show", 2, "--anonymous-id <ID>|--user-id <ID>"),
                ("person show --user-id user-ada", 0, "this id and 1 joined to it (hashes "),
                ("person show --user-id user-ada", 0, batch),
                ("person show --user-id user-eve", 1, "nothing is known"),
                ("person show --user-id user-ada --space other", 1, "nothing is known"),
                ("person erase --user-id null --yes", 2, "no id of a person"),
                ("person erase --user-id user-ada", 2, "180 deliveries, calls in 4 envelopes. Erase it all for good?"),
                (
                    "person erase --user-id user-ada --yes",
                    0,
                    "erased: 2 links, 1 clicks, 180 deliveries, 5 kept calls (3 whole envelopes)",
                ),
            ],
        );
        assert_eq!(found(config, &THEIRS), [""; 0]);
        assert_eq!(found(config, &OTHERS), OTHERS);
        tell(
            config,
            &[
                ("person show --user-id user-ada", 1, "nothing is known"),
                ("person erase --user-id user-ada", 2, "Nothing is known of this person. Clear what"),
                ("person erase --user-id user-ada --yes", 0, "0 deliveries"),
                ("person erase --help", 0, "exits with 0."),
                ("person erase --anonymous-id anonymous-ada --yes", 0, "60 deliveries"),
                ("person show --user-id user-bob", 0, batch),
                ("links get user user-bob", 0, "click-both of "),
                ("links get user user-ada", 1, "nothing is known"),
            ],
        );
    })
    .await;
}

#[tokio::test]
async fn what_is_erased_is_not_paid_twice_and_what_is_being_sent_is_erased_later() {
    let node = Node::new().await;
    let user = key(IdKind::User, "user-ada");
    let ada = |number| conversion("ada", number, None, Some(user));
    node.outbox.drop(DeliveryId(1)).await.unwrap();
    node.outbox.append(vec![ada(1), ada(2)], vec![]).await.unwrap();
    let leased = node.outbox.lease(1, Clock::System.now().plus(Duration::from_secs(600)), vec![]).await.unwrap();
    let (admin, config) = (node.admin(), node.config.clone());
    tokio::spawn(selvedge::admin::serve(node.listener, admin, tokio_util::sync::CancellationToken::new()));
    let erase = async |code| {
        let config = config.clone();
        let output = tokio::task::spawn_blocking(move || selvedge(&config, "person erase --user-id user-ada --yes"));
        let output = output.await.unwrap();
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(erase(1).await.contains("still being sent: deliveries 2; run it again"));
    node.outbox.done(leased[0].id, None, None).await.unwrap();
    assert!(erase(0).await.contains("1 deliveries"));
    let again = node.outbox.append(vec![ada(1), ada(2)], vec![]).await.unwrap();
    assert_eq!(again, [selvedge::outbox::Appended::Duplicate; 2]);
}
