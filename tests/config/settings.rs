//! Every setting, with a value that is not its default.

use crate::{NEEDED, faults_of, good};
use selvedge::config::Config;
use selvedge::destination::impact::config::{EmailNormalization, Mode};
use selvedge::proxy::Protocol;
use std::path::Path;
use std::time::Duration;

const EVERYTHING: &str = r#"
[listen]
http = ["127.0.0.1:1", "[::1]:2"]
admin = "127.0.0.1:3"
trusted_proxies = ["10.0.0.1", "192.0.2.0/24"]
proxy_protocol = ["cloudflare", "::1"]
grace = "0s"
workers = 3
[[site]]
hosts = ["WWW.Example.com"]
origin = "http://127.0.0.1:4"
host = "rewrite"
space = "a"
origin_protocol = "http2"
connect_timeout = "1s"
response_timeout = "2s"
body_timeout = "3s"
tls_name = "Shop.internal"
[[site]]
origin = "http://127.0.0.1:5/"
[click]
parameters = []
window = "400d"
policy = "first"
tolerance = "1s"
cookie_name = "c"
cookie_domain = ".Example.com"
cookie_key = { env = "CARGO_PKG_NAME" }
twin = false
renew_anonymous_id = true
bots = ["curl"]
[segment]
prefix = ""
hosts = ["t.example.com"]
root_paths = true
api = "http://127.0.0.1:6"
cdn = "http://127.0.0.1:7"
overwrite_referrer = true
origins = ["https://Shop.example:443"]
rewrite_settings = false
deliver_unlisted = true
source = [{ write_key = "k1", name = "web" }, { write_key = "k2", space = "b", api = "http://127.0.0.1:10" }]
[store]
path = "there"
[impact]
api = "http://127.0.0.1:8"
tracking = "http://127.0.0.1:9"
version = ""
email_normalization = "trim"
send_click_id_on_page_load = false
also_send_current_names = true
keep_click_id_of_page_load = true
mode = "segment"
[[impact.program]]
name = "us"
account_sid = "IR1"
api_key = { env = "CARGO_PKG_NAME" }
campaign_id = 1000
enable_page_events = true
enable_screen_events = true
enable_identify_events = true
ios_app_id = 12
android_app_id = ""
event_type_id = "7"
event_type_ids = { "User Registered" = 8, "A.b" = "", Lead = "9" }
action_event_names = ["A"]
install_event_names = []
page_load_event_names = ["B", "C"]
refund_event_names = ["R"]
cancel_event_names = ["X"]
update_event_names = ["U", "V"]
sources = ["web", "k2"]
filter = """
  properties.region = "Canada" \
  or userId != null
"""
sample = 0.5
sample_by = "traits.plan"
drop_properties = ["properties.a", "context.two\\ words"]
[impact.program.custom_parameter_mapping]
Zeta = "properties.z"
Alpha = "properties.a"
[impact.program.custom_mapping_for_products]
ItemText_1 = "brand"
[delivery]
retry_for = "1d"
verdicts = false
verdict_after = "1m"
verdict_for = "2h"
[limits]
head_size = "16 KiB"
fields = 50
http2_streams = 1
http2_resets = 2
http2_errors = 3
http2_header_list = "4 KiB"
http2_stream_window = "128 KiB"
http2_connection_window = "256 KiB"
http2_send_buffer = "8 KiB"
http2_frames = 4
http2_ping = "5s"
[log]
format = "json"
level = "selvedge=debug"
access = true
visitor_ip = "full"
    "#;

#[test]
fn every_setting_of_the_site_is_read() {
    let Config { listen, sites, click, .. } = good(EVERYTHING);
    assert_eq!(format!("{:?} {}", listen.http, listen.admin), "[127.0.0.1:1, [::1]:2] 127.0.0.1:3");
    assert_eq!(
        listen.trusted_proxies.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["10.0.0.1/32", "192.0.2.0/24"]
    );
    assert_eq!((listen.proxy_protocol.len(), listen.proxy_protocol[22].to_string()), (23, "::1/128".to_owned()));
    assert_eq!((listen.grace, listen.workers), (Duration::ZERO, Some(3)));
    assert_eq!((&*sites[0].hosts, &*sites[0].space), (&["www.example.com".to_owned()][..], "a"));
    assert_eq!(sites[0].origin_protocol, Protocol::Http2);
    assert_eq!((sites[0].connect_timeout.as_secs(), sites[0].response_timeout.as_secs()), (1, 2));
    assert_eq!(sites[0].body_timeout.as_secs(), 3);
    assert_eq!(sites[0].tls_name.as_ref().unwrap().to_str(), "Shop.internal");
    assert_eq!(sites[0].host, selvedge::proxy::HostMode::Rewrite);
    assert_eq!((sites[1].origin.authority().unwrap().as_str(), sites[1].hosts.len()), ("127.0.0.1:5", 0));
    assert!(click.parameters.is_empty() && !click.twin && click.renew_anonymous_id);
    assert_eq!((click.window.as_secs(), click.tolerance.as_secs()), (400 * 86_400, 1));
    assert_eq!((click.policy, &*click.cookie_name), (selvedge::click::Policy::First, "c"));
    assert_eq!((click.cookie_domain.as_deref(), &click.bots[..]), (Some("example.com"), &["curl".to_owned()][..]));
    assert_eq!(click.cookie_key.unwrap().reveal(), "selvedge");
}

#[test]
fn every_bound_of_a_connection_is_read_and_within_its_range() {
    let bounds = good(EVERYTHING).limits.bounds;
    assert_eq!((bounds.head_size, bounds.fields, bounds.send_buffer), (16 << 10, 50, 8 << 10));
    assert_eq!((bounds.streams, bounds.resets, bounds.errors, bounds.frames), (1, 2, 3, 4));
    let sizes = [bounds.header_list, bounds.stream_window, bounds.connection_window];
    assert_eq!((sizes, bounds.ping.as_secs()), ([4 << 10, 128 << 10, 256 << 10], 5));
    for (line, expected) in [
        ("head_size = \"1 KiB\"", "`head_size` must be a size from 8 KiB to 1 MiB"),
        ("http2_stream_window = \"3 GiB\"", "`http2_stream_window` must be a size from 65535 B to 2147483647 B"),
        ("http2_connection_window = \"6 GiB\"", "`http2_connection_window` must be a size from"),
        ("http2_streams = 0", "`http2_streams` must be a whole number from 1 to 1000000"),
    ] {
        let faults = faults_of(&format!("{NEEDED}[limits]\n{line}\n"));
        assert!(faults.iter().any(|fault| fault.contains(expected)), "{line}: {faults:?}");
    }
}

#[test]
fn every_setting_of_segment_and_the_store_is_read() {
    let Config { segment, store, .. } = good(EVERYTHING);
    assert_eq!((&*segment.prefix, &segment.hosts[..]), ("", &["t.example.com".to_owned()][..]));
    assert_eq!((segment.api.port_u16(), segment.cdn.port_u16()), (Some(6), Some(7)));
    assert!(segment.root_paths && segment.overwrite_referrer);
    assert!(!segment.rewrite_settings && segment.deliver_unlisted);
    assert_eq!(segment.origins, ["https://shop.example"]);
    let sources: Vec<_> =
        segment.sources.iter().map(|source| (&*source.write_key, &*source.name, &*source.space)).collect();
    assert_eq!(sources, [("k1", "web", "default"), ("k2", "k2", "b")]);
    assert_eq!(segment.sources[0].api, None);
    assert_eq!(segment.sources[1].api.as_ref().unwrap().port_u16(), Some(10));
    assert_eq!(store.path, Path::new("/etc/selvedge/there"));
}

#[test]
fn every_setting_of_impact_and_the_log_is_read() {
    let Config { impact, delivery, log, .. } = good(EVERYTHING);
    assert_eq!((impact.api.port_u16(), impact.tracking.port_u16(), &*impact.version), (Some(8), Some(9), ""));
    assert_eq!((impact.email_normalization, impact.programs[0].mode), (EmailNormalization::Trim, Mode::Segment));
    assert!(!impact.send_click_id_on_page_load && impact.also_send_current_names);
    assert!(impact.keep_click_id_of_page_load && !delivery.verdicts);
    let waits = [delivery.retry_for, delivery.verdict_after, delivery.verdict_for].map(|wait| wait.as_secs());
    assert_eq!(waits, [86_400, 60, 7200]);
    let program = &impact.programs[0];
    assert_eq!((&*program.name, &*program.account_sid, &*program.campaign_id), ("us", "IR1", "1000"));
    assert_eq!(program.api_key.as_ref().unwrap().reveal(), "selvedge");
    assert!(program.enable_page_events && program.enable_screen_events && program.enable_identify_events);
    assert_eq!((program.ios_app_id.as_deref(), program.android_app_id.as_deref()), (Some("12"), None));
    assert_eq!(program.event_type_id.as_deref(), Some("7"));
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(program.event_type_ids, [pair("User Registered", "8"), pair("Lead", "9")]);
    assert_eq!((&program.action_event_names[..], program.install_event_names.len()), (&["A".to_owned()][..], 0));
    assert_eq!(program.page_load_event_names, ["B", "C"]);
    let changes = [&program.refund_event_names, &program.cancel_event_names, &program.update_event_names];
    assert_eq!(changes.map(|names| names.join(" ")), ["R", "X", "U V"]);
    assert_eq!(program.custom_parameter_mapping, [pair("Zeta", "properties.z"), pair("Alpha", "properties.a")]);
    assert_eq!(program.custom_mapping_for_products, [pair("ItemText_1", "brand")]);
    assert_eq!(program.sources.as_deref(), Some(&["web".to_owned(), "k2".to_owned()][..]));
    let rule = &program.rule;
    let filter = rule.filter.as_ref().unwrap().to_string();
    assert_eq!(filter, "properties.region = 'Canada' or userId != null");
    assert_eq!((rule.sample, rule.sample_by.as_ref().unwrap().to_string()), (Some(0.5), "traits.plan".to_owned()));
    let dropped: Vec<String> = rule.drop_properties.iter().map(ToString::to_string).collect();
    assert_eq!(dropped, ["properties.a", "context.two\\ words"]);
    assert_eq!((log.json, &*log.level, log.access), (true, "selvedge=debug", true));
    assert_eq!(log.visitor_ip, selvedge::proxy::ShownIp::Full);
}

#[test]
fn an_absolute_store_path_stays() {
    assert_eq!(good(&format!("{NEEDED}[store]\npath = \"/var/lib\"\n")).store.path, Path::new("/var/lib"));
    assert_eq!(good(&format!("{NEEDED}[store]\npath = \"\"\n")).store.path, Path::new("/etc/selvedge/data"));
}
