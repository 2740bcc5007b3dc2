//! `selvedge deliveries`, `envelopes`, `links` and `person` as an operator meets them: on a stopped node, and on a running one.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may stop where it fails")]

mod deliveries;
mod envelopes;
mod node;
mod person;

use node::{Node, both, selvedge, tell};

#[tokio::test]
async fn an_operator_works_on_a_node() {
    both(
        async |_| (),
        |config| {
            tell(
                config,
                &[
                    ("deliveries list", 0, "1   waiting  us       conversions  Order Completed  o1     carried"),
                    ("deliveries list --format json", 0, "\"order_id\":\"o1\""),
                    ("deliveries list --state dead", 0, "STATE"),
                    ("deliveries list --state lost", 2, "one of waiting, leased, delivered, dead"),
                    ("deliveries show 1", 0, "  OrderId = o1\n"),
                    ("deliveries show 2", 1, "no such delivery"),
                    ("deliveries retry 1", 0, "it is due now"),
                    ("deliveries drop 1", 0, "dropped"),
                    ("deliveries list --state dead", 0, "1   dead "),
                    ("deliveries drop 1", 0, "dropped"),
                    ("deliveries retry 1", 1, "no such delivery"),
                    ("links get user u1", 0, "a call with only this id gets  abc of "),
                    ("links get user u1 --space other", 1, "nothing is known"),
                    ("links forget user u1", 0, "forgotten"),
                    ("links get user u1 --format json", 1, "{\"error\":"),
                ],
            );
        },
    )
    .await;
}

#[tokio::test]
async fn a_node_that_hangs_or_never_ran_is_told() {
    let node = Node::new().await;
    // The folder is in use, but nobody answers: the listener's queue closes.
    drop(node.listener);
    let output = selvedge(&node.config, "deliveries list");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && said.contains("does not answer"), "{said}");
    node.store.close().await;
    std::fs::remove_dir_all(node.folder.path().join("data")).unwrap();
    let output = selvedge(&node.config, "links get user u1");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && said.contains("there is no store"), "{said}");
    assert!(!node.folder.path().join("data").exists());
}
