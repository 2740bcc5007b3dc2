//! A store that cannot write: the site and Segment go on as if nothing were wrong, and the operator is told.

use crate::harness::{Stage, eventually};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

fn order(id: &str) -> Value {
    json!({"type": "track", "event": "Order Completed", "messageId": id, "userId": "customer-1",
        "context": {"page": {"search": "?im_ref=abc"}}, "properties": {"order_id": id}})
}

/// A small disk in memory, mounted at a folder until the test lets go of it.
struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    /// `None`, said aloud, where this user may not mount.
    fn mount(folder: &'a Path, options: &str) -> Option<Self> {
        std::fs::create_dir_all(folder).unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", options, "selvedge-test"]).arg(folder).output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self(folder));
        }
        eprintln!("!! SKIPPED: this user cannot mount a disk of its own; run as root");
        None
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        // Lazily: the edge may still have files open on it.
        drop(Command::new("umount").arg("--lazy").arg(self.0).status());
    }
}

impl Stage {
    /// Why it is not ready; `None`: it is.
    async fn trouble(&self) -> Option<String> {
        let ready = self.edge.admin("/readyz").await;
        let said: Value = serde_json::from_slice(&ready.body).unwrap();
        assert_eq!(
            (ready.status() == 200, &said["ready"]),
            (said["reasons"] == json!([]), &json!(ready.status() == 200))
        );
        (ready.status() == 503).then(|| said["reasons"][0].as_str().unwrap().to_owned())
    }

    /// What visitors and SDKs get is what they get of a healthy edge, and nothing is switched off at Segment's.
    async fn goes_on_without_its_store(&self, id: &str) {
        let unrecorded = self.edge.count("selvedge_unrecorded_total").await;
        let landing = self.edge.get(&format!("/?im_ref={id}"), &["Accept: text/html"]).await;
        assert_eq!((landing.status(), landing.text().as_str(), landing.fields("set-cookie").len()), (200, "hello", 2));
        assert_eq!(self.edge.get("/style.css", &[]).await.text(), "hello");
        self.segment.forget();
        let answer = self.call("/cdp/v1/t", "", order(id).to_string()).await;
        assert_eq!((answer.status(), answer.text().as_str()), (200, r#"{"success":true}"#));
        let call = self.segment.seen()[0].calls().remove(0);
        assert_eq!(call["context"]["referrer"], json!({"id": "abc", "type": "impactRadius"}));
        assert_eq!(call.get("integrations"), None);
        assert_eq!(self.edge.count("selvedge_unrecorded_total").await, unrecorded + 1);
        assert_eq!(self.edge.admin("/livez").await.status(), 200);
        assert!(self.edge.log().contains("deliveries are not recorded"), "{}", self.edge.log());
        let pixel = self.edge.get("/cdp/v1/pixel/track?event=Order+Completed&userId=1", &[]).await;
        assert_eq!((pixel.status(), pixel.field("content-type")), (200, Some("image/gif")));
    }

    /// As [`Self::goes_on_without_its_store`], with one that is back.
    async fn goes_on_with_its_store(&self, id: &str) {
        let seen = self.forwarded("/cdp/v1/t", "", order(id).to_string()).await;
        assert_eq!(seen.calls()[0]["integrations"], json!({"Impact Partnership Cloud": false}));
        let delivered = || self.impact.conversions().iter().any(|one| one.field("OrderId") == Some(id));
        eventually("the order at impact.com", async || delivered().then_some(())).await;
    }
}

#[tokio::test]
async fn a_file_where_the_folder_should_be() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data");
    std::fs::write(&path, "no folder").unwrap();
    let stage = Stage::set_with(|edge| edge.store(&path)).await;
    stage.goes_on_without_its_store("o1").await;
    let trouble = stage.trouble().await.unwrap();
    assert!(trouble.contains("the store folder") && trouble.contains(path.to_str().unwrap()), "{trouble}");
    assert!(stage.impact.conversions().is_empty());
    // Mended, it is opened without a new start.
    std::fs::remove_file(&path).unwrap();
    eventually("the store", async || stage.trouble().await.is_none().then_some(())).await;
    stage.goes_on_with_its_store("o2").await;
}

#[tokio::test]
async fn who_asks_for_it_has_sdks_come_back_until_the_store_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data");
    std::fs::write(&path, "no folder").unwrap();
    let stage = Stage::set_with(|edge| edge.store(&path).storing(r#"on_store_failure = "refuse""#)).await;
    let refused = stage.call("/cdp/v1/t", "", order("o1").to_string()).await;
    assert_eq!(refused.status(), 503);
    assert!(refused.field("retry-after").is_some(), "{refused:?}");
    assert_eq!(stage.segment.seen().len(), 0, "the SDK will bring it again");
    // What has nothing to record is nobody's trouble.
    let page = json!({"type": "identify", "userId": "customer-1"});
    assert_eq!(stage.post("/cdp/v1/i", "", page.to_string()).await, 200);
    assert_eq!(stage.edge.get("/", &[]).await.text(), "hello");
    std::fs::remove_file(&path).unwrap();
    eventually("the store", async || stage.trouble().await.is_none().then_some(())).await;
    stage.goes_on_with_its_store("o1").await;
}

#[tokio::test]
async fn a_folder_that_is_read_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data");
    let Some(_disk) = SmallDisk::mount(&path, "ro,size=1m") else { return };
    let stage = Stage::set_with(|edge| edge.store(&path)).await;
    stage.goes_on_without_its_store("o1").await;
    let trouble = stage.trouble().await.unwrap();
    assert!(trouble.contains("Read-only file system"), "{trouble}");
}

#[tokio::test]
async fn a_disk_that_is_full_and_then_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data");
    let Some(_disk) = SmallDisk::mount(&path, "size=4m") else { return };
    let stage = Stage::set_with(|edge| edge.store(&path)).await;
    stage.goes_on_with_its_store("o1").await;
    assert_eq!(stage.trouble().await, None);
    // Fills it to the last byte, whatever the store frees meanwhile.
    let filler = path.join("filler");
    let fill = || {
        Command::new("dd")
            .args(["if=/dev/zero", "bs=4k", "oflag=append", "conv=notrunc"])
            .arg(format!("of={}", filler.display()))
            .output()
    };
    let full = eventually("the store to fail", async || {
        assert!(!fill().unwrap().status.success(), "the disk has no end");
        stage
            .call(
                "/cdp/v1/p",
                "",
                json!({"anonymousId": "a", "context": {"page": {"search": format!("?im_ref={}", fastrand::u64(..))}}})
                    .to_string(),
            )
            .await;
        stage.trouble().await
    });
    let trouble = full.await;
    assert!(trouble.contains("full"), "{trouble}");
    stage.goes_on_without_its_store("o2").await;
    std::fs::remove_file(&filler).unwrap();
    eventually("the store to write again", async || stage.trouble().await.is_none().then_some(())).await;
    stage.goes_on_with_its_store("o3").await;
    let orders: Vec<_> =
        stage.impact.conversions().iter().map(|one| one.field("OrderId").unwrap().to_owned()).collect();
    // The second has had its second chance; of the pixel's order nobody could tell whether Segment had reported it.
    assert_eq!(orders, ["o1", "o2", "o3"]);
}
