//! The golden cases of the mapping: one file per row, alternative, footnote, setting and ruling.
//!
//! A case is `{"about", "settings", "call", "expect"}` and, where they matter, `kind` (else the call's `type`), `arrival`,
//! `sent_at`, `visitor`, `click`, `write_key` and `sources`. `settings` are a program's and the shared ones, under the names
//! of the configuration file, and are read as from it; what a case leaves out is the default. `expect` is `{"skip"}` or
//! `{"endpoint", "params"}` with all parameters there are, and optionally `order`, `unrepeatable`, `url` and `from` (where
//! single parameters came from).
//! The expectations are written by hand from the guide, never taken from a run.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a case that cannot be read fails the test, with the place"
)]

mod bad;
mod explain;
mod guide;
mod random;

use selvedge::click::{Click, ClickId, Place};
use selvedge::clock::Time;
use selvedge::config;
use selvedge::destination::{Program, Request, Skip, Sources, Subject, impact, kept};
use selvedge::metrics::Label;
use selvedge::secret::Secrets;
use selvedge::segment::config::Source;
use selvedge::segment::{CallKind, Visitor};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

/// When calls arrive, unless a case says otherwise.
const ARRIVAL: &str = "2026-11-24T12:00:00.000Z";

/// What a file needs at least.
const NEEDED: &str = "[listen]\nhttp = \"127.0.0.1:0\"\n[[site]]\norigin = \"http://127.0.0.1:3000\"\n";

/// The settings that all programs share.
const SHARED: [&str; 6] =
    ["api", "tracking", "email_normalization", "send_click_id_on_page_load", "also_send_current_names", "mode"];

#[test]
fn every_case_maps_as_the_guide_says() {
    let cases = cases();
    assert!(cases.len() >= 300, "only {} cases found", cases.len());
    let failures: Vec<String> = cases.iter().filter_map(|path| failure(path)).collect();
    assert!(failures.is_empty(), "{} of {} cases:\n{}", failures.len(), cases.len(), failures.join("\n"));
}

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/mapping");
    let mut cases: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    cases
}

fn failure(path: &Path) -> Option<String> {
    let case: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap())
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    only_known(path, &case);
    let actual = run(&case);
    let expected = &case["expect"];
    let differences: Vec<String> = expected
        .as_object()
        .unwrap_or_else(|| panic!("{}: no expectation", path.display()))
        .iter()
        .filter(|(key, value)| !agrees(key, value, actual.get(*key)))
        .map(|(key, value)| {
            format!("  {key}: expected {value}\n  {key}: was      {}", actual.get(key).unwrap_or(&Value::Null))
        })
        .collect();
    let name = path.file_stem().unwrap().to_string_lossy();
    (!differences.is_empty()).then(|| format!("{name} ({}):\n{}", case["about"], differences.join("\n")))
}

/// Everything must be equal, but a case may name the origin of some parameters only.
fn agrees(key: &str, expected: &Value, actual: Option<&Value>) -> bool {
    match (key, actual) {
        ("from", Some(actual)) => {
            expected.as_object().unwrap().iter().all(|(name, origin)| actual.get(name) == Some(origin))
        }
        _ => actual == Some(expected),
    }
}

fn only_known(path: &Path, case: &Value) {
    let known = [
        "about",
        "settings",
        "call",
        "kind",
        "arrival",
        "sent_at",
        "visitor",
        "click",
        "write_key",
        "sources",
        "expect",
    ];
    for key in case.as_object().unwrap().keys() {
        assert!(known.contains(&key.as_str()), "{}: unknown key {key}", path.display());
    }
    let outcome = case["expect"].get("skip").or(case["expect"].get("params"));
    assert!(outcome.is_some(), "{}: expects neither a skip nor parameters", path.display());
}

fn run(case: &Value) -> Map<String, Value> {
    let config = settings(case.get("settings").unwrap_or(&json!({})));
    let call = &case["call"];
    let visitor = case.get("visitor").map(|visitor| Visitor {
        ip: visitor["ip"].as_str().map(|ip| ip.parse().unwrap()),
        user_agent: visitor["user_agent"].as_str().map(str::to_owned),
    });
    let click = case.get("click").map(|id| Click {
        id: ClickId::parse(id.as_str().unwrap().as_bytes()).unwrap(),
        at: Time::from_seconds(1_795_000_000),
        place: Place::Cookie,
    });
    let time = |key: &str| case.get(key).map(|text| Time::parse(text.as_str().unwrap()).unwrap());
    let sources = Sources::new(&sources(case.get("sources")), false);
    let subject = Subject {
        call,
        kind: kind(case.get("kind").unwrap_or(&call["type"])),
        arrival: time("arrival").unwrap_or(Time::parse(ARRIVAL).unwrap()),
        sent_at: time("sent_at"),
        visitor: visitor.as_ref(),
        click: click.as_ref(),
        write_key: case.get("write_key").map(|key| key.as_str().unwrap()),
        sources: &sources,
    };
    let program = Program::all(&config).next().unwrap();
    match program.map(&subject) {
        Ok(request) => {
            let again = kept::remap(&kept::write(&subject, &config), program.name(), &config, &sources);
            assert_eq!(again.as_ref().map(|again| &again.request), Ok(&request), "what is kept maps the same way");
            told(&request, program)
        }
        Err(skip) => told_skip(skip),
    }
}

fn told(request: &Request, program: Program<'_>) -> Map<String, Value> {
    let params: Map<String, Value> =
        request.params.iter().map(|param| (param.name.to_string(), json!(param.value))).collect();
    assert_eq!(params.len(), request.params.len(), "a parameter is there twice: {:?}", request.params);
    let from: Map<String, Value> =
        request.params.iter().map(|param| (param.name.to_string(), json!(param.source))).collect();
    let order = request.order.as_ref().map(|order| json!({"id": order.id, "event_type": order.event_type}));
    let told = json!({
        "endpoint": format!("{:?}", request.endpoint),
        "url": program.target(request).1,
        "params": params,
        "from": from,
        "order": order,
        "unrepeatable": request.unrepeatable,
    });
    told.as_object().unwrap().clone()
}

fn told_skip(skip: Skip) -> Map<String, Value> {
    json!({"skip": skip.label()}).as_object().unwrap().clone()
}

fn kind(name: &Value) -> CallKind {
    match name.as_str().unwrap() {
        "track" => CallKind::Track,
        "page" => CallKind::Page,
        "screen" => CallKind::Screen,
        "identify" => CallKind::Identify,
        "group" => CallKind::Group,
        "alias" => CallKind::Alias,
        other => panic!("no such kind: {other}"),
    }
}

fn sources(listed: Option<&Value>) -> Vec<Source> {
    let listed = listed.map(|listed| listed.as_array().unwrap().clone()).unwrap_or_default();
    let source = |value: &Value| Source {
        write_key: value["write_key"].as_str().unwrap().into(),
        name: value["name"].as_str().unwrap().into(),
        space: "default".into(),
        api: None,
    };
    listed.iter().map(source).collect()
}

/// One program, read as from its file: what the case does not set has the default of the configuration.
fn settings(overrides: &Value) -> impact::Config {
    let (mut shared, mut program) = (String::new(), String::new());
    for (name, value) in overrides.as_object().unwrap() {
        let section = if SHARED.contains(&name.as_str()) { &mut shared } else { &mut program };
        section.push_str(&format!("{name} = {}\n", toml(value)));
    }
    for (name, needed) in [("name", "shop"), ("account_sid", "IRsid"), ("campaign_id", "1000")] {
        if overrides.get(name).is_none() {
            program.push_str(&format!("{name} = \"{needed}\"\n"));
        }
    }
    let text = format!("{NEEDED}[impact]\n{shared}[[impact.program]]\napi_key = {{ env = \"UNSET\" }}\n{program}");
    let read = config::parse(&text, "selvedge.toml", Path::new(""), Secrets::Optional);
    read.unwrap_or_else(|faults| panic!("{text}\n{faults}")).config.impact
}

/// JSON as TOML has it.
fn toml(value: &Value) -> String {
    let Some(members) = value.as_object() else { return value.to_string() };
    let members: Vec<String> = members.iter().map(|(name, value)| format!("{} = {value}", json!(name))).collect();
    format!("{{ {} }}", members.join(", "))
}
