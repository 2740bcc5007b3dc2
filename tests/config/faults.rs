//! Faults and their places.

use crate::{NEEDED, PROGRAM, faults_of, parse};

/// Each case is added behind [`NEEDED`], whose last line is line 4; its own lines start at 5.
const PLACES: &[(&str, &str)] = &[
    ("[clik]\n", "5:2 error `clik` is unknown in the file's top level"),
    ("[click]\nwindw = \"30d\"\n", "6:1 error `windw` is unknown in [click]"),
    ("[click]\nwindow = \"30\"\n", "6:10 error `window`: `30` needs a unit after its number"),
    ("[click]\nwindow = 30\n", "6:10 error `window` must be a duration, not a whole number"),
    (
        "[click]\nwindow = \"401d\"\n",
        "6:10 error `window`: `401d` is more than 400d, and browsers keep no cookie for longer",
    ),
    ("[click]\npolicy = \"lst\"\n", "6:10 error `policy` cannot be \"lst\""),
    ("[click]\nparameters = [\"a\", \"\"]\n", "6:20 error `parameters`: it cannot be empty"),
    ("[click]\nparameters = \"im_ref\"\n", "6:14 error `parameters` must be a list, not a string"),
    ("[click]\ncookie_name = \"a b\"\n", "6:15 error `cookie_name`: `a b` cannot be a cookie's name"),
    ("[click]\ntwin = \"yes\"\n", "6:8 error `twin` must be true or false, not a string"),
    ("[click]\nbots = [\"ü\", 1]\n", "6:14 error `bots` must be a string, not a whole number"),
    ("[click]\ncookie_key = 5\n", "6:14 error `cookie_key` must be a secret, not a whole number"),
    ("[click]\ncookie_key = {}\n", "6:14 error `cookie_key` must name either a variable or a file"),
    (
        "[click]\ncookie_key = { env = \"A\", file = \"b\" }\n",
        "6:14 error `cookie_key` must name either a variable or a file",
    ),
    (
        "[click]\ncookie_key = { env = \"SELVEDGE_NOT_THERE\" }\n",
        "6:14 error `cookie_key`: the environment variable `SELVEDGE_NOT_THERE` is not set",
    ),
    (
        "[store]\nsize_max = \"1 GiB\"\nkey = { env = \"PATH\" }\n",
        "7:7 error `key` of [store] is not 64 hexadecimal digits",
    ),
    ("[segment]\nprefix = \"cdp\"\n", "6:10 error `prefix`: `cdp` does not start with `/`"),
    ("[segment]\nprefix = \"/cdp/\"\n", "6:10 error `prefix`: `/cdp/` ends with `/`"),
    ("[segment]\nprefix = \"\"\n", "5:1 warning Segment's endpoints are offered nowhere"),
    (
        "[segment]\napi = \"api.segment.io\"\n",
        "6:7 error `api`: `api.segment.io` must start with http:// or https:// and name a host",
    ),
    (
        "[segment]\napi = \"https://a/v1\"\n",
        "6:7 error `api`: `https://a/v1` must not have a path, a query or a fragment",
    ),
    ("[segment.source]\nwrite_key = \"k\"\n", "5:1 error `source` must be a list of sections, not a table"),
    ("[[segment.source]]\nname = \"web\"\n", "5:1 error `write_key` is missing from [[segment.source]]"),
    (
        "[[segment.source]]\nwrite_key = \"k\"\napi = \"events.eu1.segmentapis.com\"\n",
        "7:7 error `api`: `events.eu1.segmentapis.com` must start with http:// or https:// and name a host",
    ),
    ("[[segment.source]]\nwrite_key = \"\"\n", "6:13 error `write_key` is empty"),
    (
        "segment.source = [{ write_key = \"k\" }, { write_key = \"k\", name = \"b\" }]\n",
        "5:1 error `segment` is unknown in [[site]]",
    ),
    (
        "[[segment.source]]\nwrite_key = \"k\"\n[[segment.source]]\nwrite_key = \"k\"\nname = \"b\"\n",
        "8:13 error `k` is the write key of two sources",
    ),
    (
        "[[site]]\norigin = \"http://b\"\n",
        "5:1 error another [[site]] has no `hosts` either, and only one can take every host",
    ),
    (
        "hosts = [\"A.example\"]\n[[site]]\nhosts = [\"b.example\", \"a.EXAMPLE\"]\norigin = \"http://b\"\n",
        "7:23 error the host `a.example` is listed twice: it is a site's already",
    ),
    (
        "hosts = [\"a.example\"]\n[segment]\nhosts = [\"a.example\"]\n",
        "7:10 error the host `a.example` is listed twice: it is a site's already",
    ),
    ("hosts = [\"a.example:80\"]\n", "5:10 error `hosts`: `a.example:80` has a port; a host is meant on every port"),
    ("[[site]]\nhosts = [\"b\"]\n", "5:1 error `origin` is missing from [[site]]"),
    ("connect_timeout = \"0s\"\n", "5:19 error `connect_timeout`: it must be more than zero"),
    ("host = 1\n", "5:8 error `host` must be a string, not a whole number"),
    ("[impact]\nversion = 14\n", "6:11 error `version` must be a string, not a whole number"),
    ("[impact]\nmode = \"off\"\n", "6:8 error `mode` cannot be \"off\""),
    ("[log]\nlevel = \"inof\"\n", "6:9 error `level`: `inof` is not a level; did you mean `info`?"),
    ("[log]\nformat = \"xml\"\n", "6:10 error `format` cannot be \"xml\""),
    ("[store]\npath = 1\n", "6:8 error `path` must be a string, not a whole number"),
];

#[test]
fn each_fault_has_its_place() {
    for (added, expected) in PLACES {
        assert_eq!(faults_of(&format!("{NEEDED}{added}")), [*expected], "{added}");
    }
}

/// Each case is added behind [`NEEDED`] and [`PROGRAM`]; its own lines start at 10.
#[test]
fn each_fault_of_a_program_has_its_place() {
    for (added, expected) in [
        ("filter = 'type = \"track'\n", "10:18 error `filter`: this text has no closing \""),
        ("filter = 1\n", "10:10 error `filter` must be a filter, not a whole number"),
        ("event_type_id = 1.5\n", "10:17 error `event_type_id` must be a string or a whole number, not a number"),
        (
            "event_type_ids = { \"Order Completed\" = true }\n",
            "10:40 error `Order Completed` must be a string or a whole number, not true or false",
        ),
        ("custom_parameter_mapping = { Note = 1 }\n", "10:37 error `Note` must be a string, not a whole number"),
        ("custom_parameter_mapping = []\n", "10:28 error `custom_parameter_mapping` must be a table, not a list"),
        ("mode = \"indirect\"\n", "10:8 error `mode` cannot be \"indirect\""),
        ("action_event_names = [\"\"]\n", "10:23 error `action_event_names`: it cannot be empty"),
        ("enable_page_event = true\n", "10:1 error `enable_page_event` is unknown in [[impact.program]]"),
        (
            "sources = [\"wbe\"]\n[[segment.source]]\nwrite_key = \"k\"\nname = \"web\"\n",
            "10:12 error `wbe` is no [[segment.source]]",
        ),
        (PROGRAM, "11:8 error `us` is the name of two programs"),
    ] {
        let mut found = faults_of(&format!("{NEEDED}{PROGRAM}{added}"));
        found.retain(|fault| !fault.ends_with("the calls of every write key are delivered"));
        assert_eq!(found, [expected], "{added}");
    }
}

#[test]
fn what_is_missing_of_https_is_said_there() {
    let site = "[[site]]\norigin = \"http://a\"\n";
    let key = "certificates = [{ cert = \"c.pem\" }]";
    for (https, expected) in [
        (
            "{}",
            &[
                "2:9 error `address` is missing from [listen.https]",
                "2:9 error `certificates` is missing from [listen.https]",
            ][..],
        ),
        ("{ address = \"127.0.0.1:1\", certificates = [] }", &["2:9 error no certificate is listed"]),
        (
            &format!("{{ address = \"127.0.0.1:9901\", {key} }}"),
            &[
                "1:1 error 127.0.0.1:9901 is the admin listener's by default",
                "2:55 error `key` is missing from [[listen.https.certificates]]",
            ],
        ),
    ] {
        assert_eq!(faults_of(&format!("[listen]\nhttps = {https}\n{site}")), expected, "{https}");
    }
}

#[test]
fn what_is_missing_is_said_at_the_header_or_at_the_first_line() {
    assert_eq!(
        faults_of(""),
        [
            "1:1 error `http` is missing from [listen]",
            "1:1 error [[site]] is missing: there is nothing to stand in front of"
        ]
    );
    assert_eq!(
        faults_of("# comment\n[listen]\nhttp = []\n\n[[site]]\n[[impact.program]]\nname = \"\"\n"),
        [
            "2:1 error `http` of [listen] lists no address",
            "5:1 error `origin` is missing from [[site]]",
            "6:1 error `account_sid` is missing from [[impact.program]]",
            "6:1 error `api_key` is missing from [[impact.program]]",
            "6:1 error `campaign_id` is missing from [[impact.program]]",
            "6:1 warning no [[segment.source]] is listed: the calls of every write key are delivered",
            "7:8 error `name` is empty",
        ]
    );
}

#[test]
fn listeners_do_not_share_an_address() {
    for (listen, expected) in [
        ("http = [\"127.0.0.1:80\", \"127.0.0.1:80\"]", Some("2:25 error 127.0.0.1:80 is listed twice")),
        ("http = \"127.0.0.1:80\"\nadmin = \"127.0.0.1:80\"", Some("3:9 error 127.0.0.1:80 is listed twice")),
        ("http = \"127.0.0.1:9901\"", Some("1:1 error 127.0.0.1:9901 is the admin listener's by default")),
        ("http = [\"127.0.0.1:0\", \"127.0.0.1:0\"]", None),
        ("http = \"127.0.0.1:9901\"\nadmin = \"127.0.0.1:0\"", None),
    ] {
        let found = faults_of(&format!("[listen]\n{listen}\n[[site]]\norigin = \"http://a\"\n"));
        assert_eq!(found.first().map(String::as_str), expected, "{listen}");
    }
}

#[test]
fn an_unknown_key_comes_with_what_was_meant_and_what_is_allowed() {
    let faults = parse(&format!("{NEEDED}[log]\nacess = true\n")).unwrap_err();
    assert_eq!(
        faults.to_text(),
        "test.toml:6:1: error: `acess` is unknown in [log]\n    acess = ••••\n    ^^^^^\n    help: did you mean `access`? Allowed here: access, format, level, visitor_ip\n"
    );
}

#[test]
fn a_section_in_single_brackets_is_read_all_the_same() {
    assert_eq!(
        faults_of("[listen]\nhttp = \"127.0.0.1:0\"\n[site]\norigin = 1\n"),
        [
            "3:1 error `site` must be a list of sections, not a table",
            "4:10 error `origin` must be a URL, not a whole number"
        ]
    );
    let found =
        faults_of("[listen]\nhttp = \"127.0.0.1:0\"\n[[listen.site]]\n[[site]]\norigin = \"http://a\"\n[[click]]\n");
    assert_eq!(
        found,
        ["3:10 error `site` is unknown in [listen]", "6:1 error `click` must be one section, not a list"]
    );
}

#[test]
fn an_unknown_section_is_shown_with_its_header() {
    for header in ["[sgment]", "[[sgment]]"] {
        let faults = parse(&format!("{NEEDED}{header}\n")).unwrap_err();
        assert!(faults.to_text().contains(&format!("\n    {header}\n")), "{faults}");
        assert!(faults.to_text().contains("did you mean `segment`?"), "{faults}");
    }
}

#[test]
fn several_syntax_faults_are_reported_together_with_the_faults_of_other_lines() {
    let text = "[listen]\nhttp = \n[[site]]\norigin = \"x\nhost = \"keep\n[click]\nwindow = \"3\"\nwindow = \"4d\"\n";
    let found = faults_of(text);
    assert!(found.len() >= 4, "{found:#?}");
    for start in
        ["2:8 error ", "4:", "5:", "7:10 error `window`: `3` needs a unit after its number", "8:1 error duplicate key"]
    {
        assert!(found.iter().any(|fault| fault.starts_with(start)), "{start}: {found:#?}");
    }
    // What is missing may be the broken lines' doing.
    assert!(!found.iter().any(|fault| fault.contains("missing from")), "{found:#?}");
}
