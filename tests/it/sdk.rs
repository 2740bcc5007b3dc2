//! Segment's own libraries, unmodified. `.ci/run` installs them beside the build; without them these tests say so and pass.

pub(crate) use crate::harness::sdk::{Sdk, drive};

use selvedge::demo::Segment;
use serde_json::Value;

/// What the scripts send, seen without a proxy: the ground on which the other tests stand.
#[tokio::test]
async fn the_libraries_send_one_call_of_each_kind() {
    for sdk in [Sdk::Node, Sdk::Python, Sdk::PythonGzip] {
        let segment = Segment::start().await.unwrap();
        let Some(output) = drive(sdk, &segment.url(), "").await else { continue };
        assert!(output.status.success(), "{sdk:?}: {}", String::from_utf8_lossy(&output.stderr));
        let calls: Vec<Value> = segment.seen().iter().flat_map(selvedge::demo::Seen::calls).collect();
        let mut kinds: Vec<&str> = calls.iter().map(|call| call["type"].as_str().unwrap()).collect();
        kinds.sort_unstable();
        assert_eq!(kinds, ["alias", "group", "identify", "page", "screen", "track"], "{sdk:?}");
        let order = calls.iter().find(|call| call["type"] == "track").unwrap();
        assert_eq!((&order["userId"], order["anonymousId"].is_null()), (&"customer-1001".into(), true), "{sdk:?}");
    }
}

/// A script that cannot fail would prove nothing.
#[tokio::test]
async fn the_scripts_fail_when_the_library_reports_an_error() {
    for sdk in [Sdk::Node, Sdk::Python] {
        let segment = Segment::start().await.unwrap();
        segment.script().always(selvedge::demo::Answer::status(400).body("{}"));
        let Some(output) = drive(sdk, &segment.url(), "").await else { continue };
        assert!(!output.status.success(), "{sdk:?}");
    }
}
