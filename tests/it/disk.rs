//! Disks that fail: the site and Segment are served all the same, nothing counts as recorded that is not, and what can
//! get better does so by itself.

use crate::harness::{Edge, Origin, answers, soon};
use selvedge::demo::{Impact, Seen, Segment};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;

struct Stage {
    edge: Edge,
    segment: Segment,
    impact: Impact,
    _origin: Origin,
}

/// A node whose disk can be spoiled; and another, on a file system of its own.
enum Disk<'a> {
    ToSpoil,
    Mounted(&'a mut Option<Mount>, &'a str),
}

impl Stage {
    async fn set(disk: Disk<'_>) -> Option<Self> {
        let origin = Origin::start(answers("200 OK", &[], "hello")).await;
        let (segment, impact) = (Segment::start().await.unwrap(), Impact::start().await.unwrap());
        let starting = Edge::between(&segment.url(), &impact.url()).site(&[], origin.address());
        let starting = match disk {
            Disk::ToSpoil => starting.on_a_disk_to_spoil()?,
            Disk::Mounted(mount, options) => {
                *mount = Some(Mount::at(&starting.data(), options)?);
                starting
            }
        };
        Some(Self { edge: starting.run().await, segment, impact, _origin: origin })
    }

    /// Posts an order, whose call must be answered and reach Segment; whether Segment is told that it is delivered.
    async fn is_recorded(&self, order: &str) -> bool {
        let call = json!({"type": "track", "event": "Order Completed", "messageId": order, "userId": order,
            "properties": {"order_id": order, "revenue": 1, "note": "x".repeat(20_000)}})
        .to_string();
        let length = call.len();
        let request = format!("POST /cdp/v1/track HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{call}");
        assert_eq!(self.edge.send(request).await.status(), 200, "{order}");
        assert_eq!(self.edge.get("/", &[]).await.text(), "hello", "{order}");
        let calls: Vec<Value> = self.segment.seen().iter().flat_map(Seen::calls).collect();
        let call = calls.iter().find(|call| call["messageId"] == order).unwrap();
        call["integrations"]["Impact Partnership Cloud"] == json!(false)
    }

    /// Waits until an order is at impact.com.
    async fn is_delivered(&self, order: &str) {
        soon("the order", async {
            while !self.delivered().contains(&order.to_owned()) {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        })
        .await;
    }

    fn delivered(&self) -> Vec<String> {
        self.impact.conversions().iter().filter_map(|seen| seen.field("OrderId").map(str::to_owned)).collect()
    }
}

#[tokio::test]
async fn a_disk_that_fails_is_told_and_gets_over() {
    for (word, says) in [("full", "full"), ("eio", "I/O"), ("sync", "I/O")] {
        let Some(stage) = Stage::set(Disk::ToSpoil).await else { return };
        assert!(stage.is_recorded("before").await, "{word}");
        stage.edge.spoil(Some(word));
        for order in ["during1", "during2"] {
            assert!(!stage.is_recorded(order).await, "{word}");
        }
        let readiness = stage.edge.readiness(503).await;
        assert!(readiness.contains(says), "{word}: {readiness}");
        stage.edge.spoil(None);
        stage.edge.readiness(200).await;
        assert!(stage.is_recorded("after").await, "{word}");
        stage.is_delivered("before").await;
        stage.is_delivered("after").await;
        // Segment reports these, too; but they have had their second chance.
        stage.is_delivered("during1").await;
        stage.is_delivered("during2").await;
    }
}

#[tokio::test]
async fn a_slow_disk_holds_nobody_up_for_long_and_records_all_it_says() {
    let Some(stage) = Stage::set(Disk::ToSpoil).await else { return };
    stage.edge.spoil(Some("slow"));
    let mut recorded = Vec::new();
    for i in 0..5 {
        let order = format!("slow{i}");
        if stage.is_recorded(&order).await {
            recorded.push(order);
        }
    }
    stage.edge.spoil(None);
    for order in recorded {
        stage.is_delivered(&order).await;
    }
    assert!(stage.is_recorded("after").await);
}

#[tokio::test]
async fn a_node_starts_on_a_disk_that_fails() {
    let Some(mut stage) = Stage::set(Disk::ToSpoil).await else { return };
    assert!(stage.is_recorded("before").await);
    stage.edge.spoil(Some("eio"));
    stage.edge.kill_and_run_again().await;
    assert!(!stage.is_recorded("during").await);
    stage.edge.readiness(503).await;
    stage.edge.spoil(None);
    stage.edge.kill_and_run_again().await;
    assert!(stage.is_recorded("after").await);
    stage.is_delivered("before").await;
}

#[tokio::test]
async fn a_file_system_that_is_full_or_read_only_is_told_and_gets_over() {
    let mut mount = None;
    let Some(stage) = Stage::set(Disk::Mounted(&mut mount, "size=2m")).await else { return };
    let mount = mount.unwrap();
    assert!(stage.is_recorded("before").await);
    let filler = stage.edge.data().join("filler");
    // Writes what there is room for, and fails.
    assert!(std::fs::write(&filler, vec![0; 4 << 20]).is_err());
    while stage.is_recorded(&format!("last{}", stage.segment.seen().len())).await {}
    assert!(stage.edge.readiness(503).await.contains("full"));
    std::fs::remove_file(&filler).unwrap();
    stage.edge.readiness(200).await;
    assert!(stage.is_recorded("after").await);
    stage.is_delivered("after").await;
    drop(stage);
    drop(mount);
    let mut mount = None;
    let Some(mut stage) = Stage::set(Disk::Mounted(&mut mount, "size=20m")).await else { return };
    let mount = mount.unwrap();
    assert!(stage.is_recorded("before").await);
    stage.edge.kill();
    mount.again("ro");
    stage.edge.run_again();
    assert!(!stage.is_recorded("during").await);
    assert!(stage.edge.readiness(503).await.contains("make it writable"));
    mount.again("rw");
    stage.edge.kill_and_run_again().await;
    assert!(stage.is_recorded("after").await);
    stage.is_delivered("after").await;
}

#[tokio::test]
async fn two_nodes_never_share_a_store_and_the_second_serves_all_the_same() {
    let Some(mut stage) = Stage::set(Disk::ToSpoil).await else { return };
    assert!(stage.is_recorded("first").await);
    let first = stage.edge.run_second();
    assert!(!stage.is_recorded("second").await);
    assert!(stage.edge.readiness(503).await.contains("in use by another"));
    drop(first);
    stage.edge.kill_and_run_again().await;
    assert!(stage.is_recorded("third").await);
}

/// A small file system in memory; it goes when the test does.
struct Mount(PathBuf);

impl Mount {
    fn at(folder: &Path, options: &str) -> Option<Self> {
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(folder).output();
        if !mounted.is_ok_and(|output| output.status.success()) {
            eprintln!("SKIPPED: no file system of its own can be mounted; that takes root");
            return None;
        }
        Some(Self(folder.to_owned()))
    }

    fn again(&self, how: &str) {
        let status = Command::new("mount").args(["-o", &format!("remount,{how}")]).arg(&self.0).status().unwrap();
        assert!(status.success());
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("--lazy").arg(&self.0).status());
    }
}
