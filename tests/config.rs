//! The configuration as an operator meets it: the files in `config/`, the faults and their places, `selvedge check`.

use selvedge::config::{self, Config, Loaded};
use selvedge::destination::impact::config::{EmailNormalization, Mode};
use selvedge::fault::{Faults, Severity};
use selvedge::secret::Secrets;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

const SHORTEST: &str = include_str!("../config/selvedge.toml");
const REFERENCE: &str = include_str!("../config/reference.toml");

/// What a file needs at least, so that a case can say only what it is about.
const NEEDED: &str = "[listen]\nhttp = \"127.0.0.1:0\"\n[[site]]\norigin = \"http://127.0.0.1:3000\"\n";

/// A program that is complete.
const PROGRAM: &str =
    "[[impact.program]]\nname = \"us\"\naccount_sid = \"IR1\"\ncampaign_id = 1000\napi_key = { env = \"CARGO_PKG_NAME\" }\n";

fn parse(text: &str) -> Result<Loaded, Faults> {
    config::parse(text, "test.toml", Path::new("/etc/selvedge"), Secrets::Required)
}

fn good(text: &str) -> Config {
    parse(text).unwrap_or_else(|faults| panic!("{text}\n{faults}")).config
}

/// `line:column severity message` of every fault.
fn faults_of(text: &str) -> Vec<String> {
    let faults = match parse(text) {
        Ok(loaded) => loaded.warnings,
        Err(faults) => faults,
    };
    let rows: Vec<serde_json::Value> = serde_json::from_str(&faults.to_json()).unwrap();
    rows.iter()
        .map(|row| format!("{}:{} {} {}", row["line"], row["column"], row["severity"].as_str().unwrap(), row["message"].as_str().unwrap()))
        .collect()
}

#[test]
fn the_shortest_file_works() {
    let loaded = config::parse(SHORTEST, "selvedge.toml", Path::new(""), Secrets::Optional).unwrap();
    assert_eq!(loaded.config.sites.len(), 1);
    assert_eq!(loaded.config.impact.programs.len(), 1);
    assert!(loaded.config.impact.programs[0].api_key.is_none());
}

#[test]
fn the_reference_shows_the_defaults() {
    let optional = |text| config::parse(text, "x.toml", Path::new("etc"), Secrets::Optional).unwrap().config;
    assert_eq!(format!("{:#?}", optional(REFERENCE)), format!("{:#?}", optional(SHORTEST)));
}

/// Every section of the reference (examples included) is asked for a key that does not exist: the answer lists all
/// that the reader knows, and the reference must name exactly these.
#[test]
fn the_reference_names_every_setting() {
    let whole = REFERENCE.replace("#: ", "");
    config::parse(&whole, "x.toml", Path::new(""), Secrets::Optional).unwrap();
    let headers: Vec<&str> = whole.lines().filter(|line| line.starts_with('[')).collect();
    assert_eq!(headers.len(), 9);
    for header in headers {
        let asked = whole.replacen(&format!("\n{header}\n"), &format!("\n{header}\nxyzzy = 1\n"), 1);
        let faults = config::parse(&asked, "x.toml", Path::new(""), Secrets::Optional).unwrap_err();
        let fault = faults.iter().find(|fault| fault.message.contains("`xyzzy` is unknown")).unwrap();
        let known = fault.help.as_deref().unwrap().strip_prefix("allowed here: ").unwrap().split(", ");
        let body = whole.split(&format!("\n{header}\n")).nth(1).unwrap();
        let named: Vec<&str> = body
            .lines()
            .take_while(|line| !line.starts_with('['))
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| Some(line.split_once(" = ")?.0))
            .collect();
        for key in known.clone() {
            // Sections below this one stand on their own.
            assert!(named.contains(&key) || whole.contains(&format!(".{key}]]\n")), "{header} has `{key}`, the reference does not");
        }
        assert!(named.iter().all(|key| known.clone().any(|known| known == *key)), "{header}");
    }
}

#[test]
fn every_setting_is_read() {
    let text = r#"
        [listen]
        http = ["127.0.0.1:1", "[::1]:2"]
        admin = "127.0.0.1:3"
        trusted_proxies = ["10.0.0.1", "192.0.2.0/24"]
        grace = "0s"
        workers = 3
        [[site]]
        hosts = ["WWW.Example.com"]
        origin = "http://127.0.0.1:4"
        host = "rewrite"
        space = "a"
        connect_timeout = "1s"
        response_timeout = "2s"
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
        source = [{ write_key = "k1", name = "web" }, { write_key = "k2", space = "b" }]
        [store]
        path = "there"
        [impact]
        api = "http://127.0.0.1:8"
        tracking = "http://127.0.0.1:9"
        version = ""
        email_normalization = "trim"
        send_click_id_on_page_load = false
        also_send_current_names = true
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
        sources = ["web", "k2"]
        [impact.program.custom_parameter_mapping]
        Zeta = "properties.z"
        Alpha = "properties.a"
        [impact.program.custom_mapping_for_products]
        ItemText_1 = "brand"
        [log]
        format = "json"
        level = "selvedge=debug"
        access = true
    "#;
    let Config { listen, sites, click, segment, store, impact, log } = good(text);
    assert_eq!(format!("{:?} {}", listen.http, listen.admin), "[127.0.0.1:1, [::1]:2] 127.0.0.1:3");
    assert_eq!(listen.trusted_proxies.iter().map(ToString::to_string).collect::<Vec<_>>(), ["10.0.0.1/32", "192.0.2.0/24"]);
    assert_eq!((listen.grace, listen.workers), (Duration::ZERO, Some(3)));
    assert_eq!((&*sites[0].hosts, &*sites[0].space), (&["www.example.com".to_owned()][..], "a"));
    assert_eq!((sites[0].connect_timeout.as_secs(), sites[0].response_timeout.as_secs()), (1, 2));
    assert_eq!(sites[0].host, selvedge::proxy::HostMode::Rewrite);
    assert_eq!((sites[1].origin.authority().unwrap().as_str(), sites[1].hosts.len()), ("127.0.0.1:5", 0));
    assert!(click.parameters.is_empty() && !click.twin && click.renew_anonymous_id);
    assert_eq!((click.window.as_secs(), click.tolerance.as_secs()), (400 * 86_400, 1));
    assert_eq!((click.policy, &*click.cookie_name), (selvedge::click::Policy::First, "c"));
    assert_eq!((click.cookie_domain.as_deref(), &click.bots[..]), (Some("example.com"), &["curl".to_owned()][..]));
    assert_eq!(click.cookie_key.unwrap().reveal(), "selvedge");
    assert_eq!((&*segment.prefix, &segment.hosts[..]), ("", &["t.example.com".to_owned()][..]));
    assert_eq!((segment.api.port_u16(), segment.cdn.port_u16()), (Some(6), Some(7)));
    assert!(segment.root_paths && segment.overwrite_referrer);
    assert_eq!(segment.origins, ["https://shop.example"]);
    let sources: Vec<_> = segment.sources.iter().map(|source| (&*source.write_key, &*source.name, &*source.space)).collect();
    assert_eq!(sources, [("k1", "web", "default"), ("k2", "k2", "b")]);
    assert_eq!(store.path, Path::new("/etc/selvedge/there"));
    assert_eq!((impact.api.port_u16(), impact.tracking.port_u16(), &*impact.version), (Some(8), Some(9), ""));
    assert_eq!((impact.email_normalization, impact.mode), (EmailNormalization::Trim, Mode::Segment));
    assert!(!impact.send_click_id_on_page_load && impact.also_send_current_names);
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
    assert_eq!(program.custom_parameter_mapping, [pair("Zeta", "properties.z"), pair("Alpha", "properties.a")]);
    assert_eq!(program.custom_mapping_for_products, [pair("ItemText_1", "brand")]);
    assert_eq!(program.sources.as_deref(), Some(&["web".to_owned(), "k2".to_owned()][..]));
    assert_eq!((log.json, &*log.level, log.access), (true, "selvedge=debug", true));
}

#[test]
fn an_absolute_store_path_stays() {
    assert_eq!(good(&format!("{NEEDED}[store]\npath = \"/var/lib\"\n")).store.path, Path::new("/var/lib"));
    assert_eq!(good(&format!("{NEEDED}[store]\npath = \"\"\n")).store.path, Path::new("/etc/selvedge/data"));
}

/// Each case is added behind [`NEEDED`], whose last line is line 4; its own lines start at 5.
#[test]
fn each_fault_has_its_place() {
    for (added, expected) in [
        ("[clik]\n", "5:2 error `clik` is unknown in the file's top level"),
        ("[click]\nwindw = \"30d\"\n", "6:1 error `windw` is unknown in [click]"),
        ("[click]\nwindow = \"30\"\n", "6:10 error `window`: `30` needs a unit after its number"),
        ("[click]\nwindow = 30\n", "6:10 error `window` must be a duration, not a whole number"),
        ("[click]\nwindow = \"401d\"\n", "6:10 error `window`: `401d` is more than 400d, and browsers keep no cookie for longer"),
        ("[click]\npolicy = \"lst\"\n", "6:10 error `policy` cannot be \"lst\""),
        ("[click]\nparameters = [\"a\", \"\"]\n", "6:20 error `parameters`: it cannot be empty"),
        ("[click]\nparameters = \"im_ref\"\n", "6:14 error `parameters` must be a list, not a string"),
        ("[click]\ncookie_name = \"a b\"\n", "6:15 error `cookie_name`: `a b` cannot be a cookie's name"),
        ("[click]\ntwin = \"yes\"\n", "6:8 error `twin` must be true or false, not a string"),
        ("[click]\nbots = [\"ü\", 1]\n", "6:14 error `bots` must be a string, not a whole number"),
        ("[click]\ncookie_key = 5\n", "6:14 error `cookie_key` must be a secret, not a whole number"),
        ("[click]\ncookie_key = {}\n", "6:14 error `cookie_key` must name either a variable or a file"),
        ("[click]\ncookie_key = { env = \"A\", file = \"b\" }\n", "6:14 error `cookie_key` must name either a variable or a file"),
        (
            "[click]\ncookie_key = { env = \"SELVEDGE_NOT_THERE\" }\n",
            "6:14 error `cookie_key`: the environment variable `SELVEDGE_NOT_THERE` is not set",
        ),
        ("[segment]\nprefix = \"cdp\"\n", "6:10 error `prefix`: `cdp` does not start with `/`"),
        ("[segment]\nprefix = \"/cdp/\"\n", "6:10 error `prefix`: `/cdp/` ends with `/`"),
        ("[segment]\nprefix = \"\"\n", "5:1 warning Segment's endpoints are offered nowhere"),
        ("[segment]\napi = \"api.segment.io\"\n", "6:7 error `api`: `api.segment.io` must start with http:// or https:// and name a host"),
        ("[segment]\napi = \"https://a/v1\"\n", "6:7 error `api`: `https://a/v1` must not have a path, a query or a fragment"),
        ("[segment.source]\nwrite_key = \"k\"\n", "5:1 error `source` must be a list of sections, not a table"),
        ("[[segment.source]]\nname = \"web\"\n", "5:1 error `write_key` is missing from [[segment.source]]"),
        ("[[segment.source]]\nwrite_key = \"\"\n", "6:13 error `write_key` is empty"),
        (
            "segment.source = [{ write_key = \"k\" }, { write_key = \"k\", name = \"b\" }]\n",
            "5:1 error `segment` is unknown in [[site]]",
        ),
        ("[[segment.source]]\nwrite_key = \"k\"\n[[segment.source]]\nwrite_key = \"k\"\nname = \"b\"\n", "8:13 error `k` is the write key of two sources"),
        ("[[site]]\norigin = \"http://b\"\n", "5:1 error another [[site]] has no `hosts` either, and only one can take every host"),
        ("hosts = [\"A.example\"]\n[[site]]\nhosts = [\"b.example\", \"a.EXAMPLE\"]\norigin = \"http://b\"\n", "7:23 error the host `a.example` is listed twice: it is a site's already"),
        ("hosts = [\"a.example\"]\n[segment]\nhosts = [\"a.example\"]\n", "7:10 error the host `a.example` is listed twice: it is a site's already"),
        ("hosts = [\"a.example:80\"]\n", "5:10 error `hosts`: `a.example:80` has a port; a host is meant on every port"),
        ("[[site]]\nhosts = [\"b\"]\n", "5:1 error `origin` is missing from [[site]]"),
        ("connect_timeout = \"0s\"\n", "5:19 error `connect_timeout`: it must be more than zero"),
        ("host = 1\n", "5:8 error `host` must be a string, not a whole number"),
        ("[impact]\nversion = 14\n", "6:11 error `version` must be a string, not a whole number"),
        ("[impact]\nmode = \"off\"\n", "6:8 error `mode` cannot be \"off\""),
        ("[impact.program]\n", "5:1 error `program` must be a list of sections, not a table"),
        ("[log]\nlevel = \"inof\"\n", "6:9 error `level`: `inof` is not a level; did you mean `info`?"),
        ("[log]\nformat = \"xml\"\n", "6:10 error `format` cannot be \"xml\""),
        ("[store]\npath = 1\n", "6:8 error `path` must be a string, not a whole number"),
    ] {
        assert_eq!(faults_of(&format!("{NEEDED}{added}")), [expected], "{added}");
    }
}

/// Each case is added behind [`NEEDED`] and [`PROGRAM`]; its own lines start at 10.
#[test]
fn each_fault_of_a_program_has_its_place() {
    for (added, expected) in [
        ("filter = 'type = \"track\"'\n", "10:10 error filters are not available in this version: the program would get every event"),
        ("event_type_id = 1.5\n", "10:17 error `event_type_id` must be a string or a whole number, not a number"),
        ("event_type_ids = { A = true }\n", "10:24 error `A` must be a string or a whole number, not true or false"),
        ("custom_parameter_mapping = { A = 1 }\n", "10:34 error `A` must be a string, not a whole number"),
        ("custom_parameter_mapping = []\n", "10:28 error `custom_parameter_mapping` must be a table, not a list"),
        ("action_event_names = [\"\"]\n", "10:23 error `action_event_names`: it cannot be empty"),
        ("enable_page_event = true\n", "10:1 error `enable_page_event` is unknown in [[impact.program]]"),
        ("sources = [\"wbe\"]\n[[segment.source]]\nwrite_key = \"k\"\nname = \"web\"\n", "10:12 error `wbe` is no [[segment.source]]"),
        (PROGRAM, "11:8 error `us` is the name of two programs"),
    ] {
        let mut found = faults_of(&format!("{NEEDED}{PROGRAM}{added}"));
        found.retain(|fault| !fault.ends_with("the calls of every write key are delivered"));
        assert_eq!(found, [expected], "{added}");
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
        faults_of("# comment\n[listen]\nhttp = []\nhttps = {}\n[[site]]\n[[impact.program]]\nname = \"\"\n"),
        [
            "1:1 warning no [[segment.source]] is listed: the calls of every write key are delivered",
            "2:1 error `http` of [listen] lists no address",
            "4:9 error TLS is not available in this version",
            "5:1 error `origin` is missing from [[site]]",
            "6:1 error `account_sid` is missing from [[impact.program]]",
            "6:1 error `api_key` is missing from [[impact.program]]",
            "6:1 error `campaign_id` is missing from [[impact.program]]",
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
        "test.toml:6:1: error: `acess` is unknown in [log]\n    acess = ••••\n    ^^^^^\n    help: did you mean `access`? Allowed here: access, format, level\n"
    );
}

#[test]
fn several_syntax_faults_are_reported_together_with_the_faults_of_other_lines() {
    let text = "[listen]\nhttp = \n[[site]]\norigin = \"x\nhost = \"keep\n[click]\nwindow = \"3\"\nwindow = \"4d\"\n";
    let found = faults_of(text);
    assert!(found.len() >= 4, "{found:#?}");
    for start in ["2:8 error ", "4:", "5:", "7:10 error `window`: `3` needs a unit after its number", "8:1 error duplicate key"] {
        assert!(found.iter().any(|fault| fault.starts_with(start)), "{start}: {found:#?}");
    }
    // What is missing may be the broken lines' doing.
    assert!(!found.iter().any(|fault| fault.contains("missing from")), "{found:#?}");
}

#[test]
fn secrets_come_from_files_and_are_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str, mode: u32| {
        use std::os::unix::fs::PermissionsExt;
        std::fs::write(folder.path().join(name), text).unwrap();
        std::fs::set_permissions(folder.path().join(name), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    write("private", "hunter2\n", 0o600);
    write("public", "hunter2\r\n", 0o644);
    write("empty", "\n", 0o600);
    let read = |key: &str, mode| config::parse(&format!("{NEEDED}[click]\ncookie_key = {key}\n"), "x.toml", folder.path(), mode);
    for (key, warning) in [
        ("{ file = \"private\" }", None),
        ("{ file = \"public\" }", Some("everybody on this machine can read `public`")),
        ("\"hunter2\"", Some("`cookie_key` stands in the file itself, for every reader of the file")),
    ] {
        let loaded = read(key, Secrets::Required).unwrap();
        assert!(!format!("{loaded:?} {}", loaded.warnings.to_json()).contains("hunter2"), "{key}");
        assert_eq!(loaded.config.click.cookie_key.unwrap().reveal(), "hunter2", "{key}");
        assert_eq!(loaded.warnings.iter().map(|fault| fault.message.as_str()).next(), warning, "{key}");
    }
    for key in ["{ file = \"absent\" }", "{ file = \"empty\" }", "{ env = \"SELVEDGE_NOT_THERE\" }"] {
        assert!(read(key, Secrets::Required).is_err(), "{key}");
        let loaded = read(key, Secrets::Optional).unwrap();
        assert!(loaded.config.click.cookie_key.is_none());
        assert!(loaded.warnings.iter().any(|fault| fault.severity == Severity::Warning), "{key}");
    }
    for key in ["{ env = \"hunter2-hunter2\" }", "[\"hunter2\"]", "\"hunter2", "{ evn = \"hunter2\" }", "\"a\"\ncookie_kye = \"hunter2\""] {
        let faults = read(key, Secrets::Required).unwrap_err();
        assert!(!format!("{faults} {faults:?} {}", faults.to_json()).contains("hunter2"), "{key}: {faults}");
    }
}

fn check(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_selvedge")).arg("check").args(arguments).env_remove("IMPACT_AUTH_TOKEN").output().unwrap()
}

#[test]
fn check_reports_every_fault_at_once_and_exits_with_2() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bad.toml");
    let text = "[listen]\nhttp = \"nowhere\"\n[[site]]\nhosts = [\"a b\"]\n[click]\nwindow = \"0s\"\npolcy = \"last\"\n\
                [[impact.program]]\nname = \"us\"\naccount_sid = \"IR1\"\napi_key = \"hunter2\"\nfilter = \"x\"\n";
    std::fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap();
    let expected = [
        (2, 8, "error"),
        (3, 1, "error"),
        (4, 10, "error"),
        (6, 10, "error"),
        (7, 1, "error"),
        (8, 1, "error"),
        (11, 11, "warning"),
        (12, 10, "error"),
    ];

    let output = check(&["--config", path]);
    assert_eq!(output.status.code(), Some(2));
    let report = String::from_utf8(output.stdout).unwrap();
    for (line, column, severity) in expected {
        assert!(report.contains(&format!("{path}:{line}:{column}: {severity}: ")), "{line}:{column}\n{report}");
    }
    assert!(!report.contains("hunter2") && !report.contains("fine"), "{report}");

    let output = check(&["--config", path, "--format", "json"]);
    assert_eq!(output.status.code(), Some(2));
    let rows: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).unwrap();
    for (line, column, severity) in expected {
        assert!(
            rows.iter().any(|row| row["file"] == path && row["line"] == line && row["column"] == column && row["severity"] == severity),
            "{line}:{column}"
        );
    }
    assert!(rows.iter().all(|row| row["message"].is_string() && row.get("help").is_some()));
    assert!(!String::from_utf8(output.stdout).unwrap().contains("hunter2"));
}

#[test]
fn check_of_a_good_file_says_so_and_needs_no_secret() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/config/selvedge.toml");
    let output = check(&["--config", path]);
    assert_eq!(output.status.code(), Some(0));
    let report = String::from_utf8(output.stdout).unwrap();
    assert!(report.contains(": warning: `api_key`: the environment variable `IMPACT_AUTH_TOKEN` is not set"), "{report}");
    let end = format!("{path}: fine\n1 site, 0 sources, 1 program; listens on 0.0.0.0:8080, admin on 127.0.0.1:9901\n");
    assert!(report.ends_with(&end), "{report}");
}

#[test]
fn check_of_what_is_no_readable_file_says_why() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("latin1.toml"), b"# caf\xe9\n").unwrap();
    for (name, why) in [("absent.toml", "there is no such file"), ("", "this is a folder"), ("latin1.toml", "this is not UTF-8 text: byte 5")] {
        let output = check(&["--config", folder.path().join(name).to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(2), "{name}");
        let report = String::from_utf8(output.stdout).unwrap();
        assert!(report.contains(&format!(": error: {why}")), "{report}");
    }
}

#[test]
fn a_wrong_command_line_exits_with_2() {
    assert_eq!(check(&["--confg", "x"]).status.code(), Some(2));
    assert_eq!(check(&["--format", "xml"]).status.code(), Some(2));
}
