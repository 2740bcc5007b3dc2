//! Numbers, defaults, metrics and links of the prose.

use crate::names::root;
use crate::text::Readme;
use crate::town::{Town, configuration};
use selvedge::click::{ClickId, Policy};
use selvedge::links::{IdKind, OTHERS_MAX, PersonKey};
use selvedge::segment::envelope::CALL_BYTES_MAX;
use selvedge::segment::scan::DEPTH_MAX;

#[test]
fn defaults_are_as_the_readme_tells() {
    let (readme, config) = (Readme::own(), configuration());
    let days = config.click.window.as_secs() / 86_400;
    readme.says(&format!("It is kept for the referral window ({days} days by default)"));
    readme.says(&format!("finish within `grace` ({} s)", config.listen.grace.as_secs()));
    readme.says(&format!("**The admin listener** (`{}`)", config.listen.admin));
    readme.says(&format!("with an `{}` of", config.click.parameters[0]));
    readme.says(&format!("Let the balancer send the site's traffic to port {}", config.listen.http[0].port()));
    readme.says("the last click wins, or the first by `policy = \"first\"`");
    assert_eq!(config.click.policy, Policy::Last);
    readme.says("left alone unless `overwrite_referrer` is on");
    assert!(!config.segment.overwrite_referrer);
}

#[test]
fn limits_are_as_the_readme_tells() {
    let readme = Readme::own();
    readme.says("of 1 to 64 visible ASCII characters");
    let taken = |length| ClickId::parse("x".repeat(length).as_bytes()).is_ok();
    assert!(!taken(0) && taken(1) && taken(64) && !taken(65));
    assert!(ClickId::parse("a b".as_bytes()).is_err() && ClickId::parse("ä".as_bytes()).is_err());
    readme.says(&format!("Segment's {},{:03} bytes", CALL_BYTES_MAX / 1000, CALL_BYTES_MAX % 1000));
    readme.says(&format!("nests more than {DEPTH_MAX} deep"));
    readme.says(&format!("joined to more than {OTHERS_MAX} others"));
    let never = crate::text::spans(readme.between("Ids such as", "are never linked"));
    assert!(
        never.len() > 2 && never.iter().all(|id| PersonKey::of("default", IdKind::User, id).is_none()),
        "{never:?}"
    );
}

/// What the README calls a metric, and how it begins on the page.
const METRICS: [(&str, &str); 6] = [
    ("requests and added latency", "selvedge_http_added_latency_seconds_bucket{"),
    ("clicks by outcome", "selvedge_clicks_total{outcome="),
    ("calls by type and basis of attribution", "selvedge_calls_total{type=\"track\",basis="),
    (
        "deliveries by endpoint and outcome",
        "selvedge_deliveries_total{program=\"us\",endpoint=\"conversions\",outcome=",
    ),
    ("queue depth and oldest age", "selvedge_queue_oldest_age_seconds{"),
    ("store commit time", "selvedge_store_commit_seconds_total "),
];

#[tokio::test]
async fn the_admin_listener_has_what_the_readme_tells() {
    let readme = Readme::own();
    let town = Town::build().await;
    town.visit().await;
    town.order().await;
    for path in ["/", "/livez", "/readyz", "/metrics"] {
        readme.says(&format!("`{path}`"));
        assert_eq!(town.admin(path).await.status(), 200, "{path}");
    }
    town.delivered().await;
    let page = town.admin("/metrics").await.text();
    for name in readme.between("for Prometheus: ", ".").split(", ") {
        let (_, start) =
            METRICS.iter().find(|(known, _)| *known == name).unwrap_or_else(|| panic!("no check for {name:?}"));
        assert!(page.lines().any(|line| line.starts_with(start)), "{name}: {start}\n{page}");
    }
    for beside in ["selvedge_http_requests_total{route=\"site\"", "selvedge_queue_depth{"] {
        assert!(page.contains(beside), "{beside}\n{page}");
    }
}

#[test]
fn what_the_readme_links_to_is_there() {
    let readme = Readme::own();
    let targets: Vec<&str> = readme.prose.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()).collect();
    assert!(targets.contains(&"CHANGELOG.md"), "{targets:?}");
    for target in targets {
        let text = std::fs::read_to_string(root().join(target)).unwrap_or_else(|error| panic!("{target}: {error}"));
        assert!(!text.trim().is_empty(), "{target}");
    }
}
