//! What is wrong with a filter is shown at its place, also through the quotes of the configuration file.

use selvedge::config;
use selvedge::fault::Faults;
use selvedge::filter::{BYTES_MAX, DEPTH_MAX, Filter};
use selvedge::secret::Secrets;
use std::path::Path;

fn report(filter: &str) -> String {
    let mut faults = Faults::new("filter", filter);
    faults.push(Filter::parse(filter).err().unwrap_or_else(|| panic!("{filter} has no fault")));
    faults.to_text()
}

/// Each fault, with a `^` under the place in the filter and a word of the message and of the help.
const CASES: &[(&str, &str, &str, &str)] = &[
    ("", "^", "a value is missing here", "a path"),
    ("a = ", "    ^", "a value is missing here", "a path"),
    ("a = and b", "    ^^^", "a value is missing here", "`\\and`"),
    ("a = 'b", "    ^^", "no closing '", "the quote that begins it"),
    ("region = United States", "                ^^^^^^", "does not belong", "'United States'"),
    ("a = \u{201c}b\u{201d}", "    ^", "no place here", "straight quotes"),
    ("a == 1", "  ^^", "`==` is no comparison", "single `=`"),
    ("a && b", "  ^", "`&` has no place", "`and`"),
    ("a || b", "  ^", "`|` has no place", "`or`"),
    ("a AND b", "  ^^^", "does not belong", "did you mean `and`?"),
    ("(a = 1", "      ^", "not closed", "`)`"),
    ("a = 1)", "     ^", "was not opened", "leave it out"),
    ("a = 1 = 2", "      ^", "only two values", "`and` or `or`"),
    ("a in b in c", "       ^^", "only two values", "`and` or `or`"),
    ("(a) = 1", "    ^", "only two values", "`and` or `or`"),
    ("a in (1)", "     ^", "in brackets", "['track', 'page']"),
    ("a in [1, 2", "          ^", "`,` or `]` is missing", "a path"),
    ("a in [1,]", "        ^", "a value is missing", "a path"),
    ("!a = 1", "   ^", "cannot be compared", "`!=`"),
    ("!true", " ^^^^", "constant", "`!=`"),
    ("!!a", " ^", "needs a path", "`!( … )`"),
    ("contians(a, 'b')", "^^^^^^^^", "no function `contians`", "did you mean `contains`?"),
    ("match(event)", "^^^^^", "does not take 1 argument\n", "match(text, pattern)"),
    ("length(a, b)", "^^^^^^", "does not take 2 arguments", "length(value)"),
    ("a..b = 1", "  ^", "a step of the path is missing", "single dots"),
    ("a. = 1", "  ^", "a step of the path is missing", "single dots"),
    ("a\\", " ^", "ends with a backslash", "takes the next character"),
    ("1st = 1", "^^^", "neither a number nor a path", "a backslash before it"),
    ("a = 1.2.3", "    ^^^^^", "neither a number nor a path", "digits"),
    ("properties.größe = 1", "             ^", "`ö` has no place", "backslash"),
    ("properties.\u{fc} = 1", "           ^", "`\u{fc}` has no place", "letters A to Z, digits, `_` and `-`"),
    ("\u{fc} = 1", "^", "`\u{fc}` has no place", "letters A to Z"),
    (".a = 1", "^", "`.` has no place", "begins with a name"),
    ("not a", "^^^", "no word `not`", "`!( … )`"),
    ("not(a)", "^^^", "no function `not`", "`!( … )`"),
    ("a and not b.c", "      ^^^", "no word `not`", "`!( … )`"),
    ("a not in [1]", "  ^^^", "no word `not`", "`!( … )`"),
    ("a <> 1", "   ^", "`<>` is no comparison", "`!=`"),
    ("properties.products[0].sku = 1", "                   ^", "does not belong", "no element of a list"),
    (r"a = 'it\'s'", "    ^^^^^", "nothing is escaped", "\"it's\""),
];

#[test]
fn each_fault_has_its_place_and_its_help() {
    for (filter, caret, message, help) in CASES {
        let report = report(filter);
        let lines: Vec<&str> = report.lines().collect();
        let message_line = format!("{}\n", lines[0]);
        assert!(message_line.starts_with(&format!("filter:1:{}: error: ", caret.find('^').unwrap() + 1)), "{report}");
        assert!(message_line.contains(message), "{filter}: {report}");
        // Nothing is shown of an empty line.
        assert!(filter.is_empty() || lines[2] == format!("    {caret}"), "{report}");
        assert!(report.contains("    help: ") && report.contains(help), "{filter}: {report}");
    }
}

#[test]
fn length_and_depth_are_bounded() {
    let nested = |open: &str, inner: &str, close: &str, depth| open.repeat(depth) + inner + &close.repeat(depth);
    for (open, close) in [("(", ")"), ("!(", ")"), ("[", "]"), ("lowercase(", ")")] {
        assert!(Filter::parse(&nested(open, "a", close, DEPTH_MAX)).is_ok(), "{open}");
        let fault = Filter::parse(&nested(open, "a", close, DEPTH_MAX + 1)).unwrap_err();
        assert!(fault.message.contains("nests more than 64 deep"), "{}", fault.message);
        assert!(Filter::parse(&nested(open, "a", close, 1_000)).is_err());
    }
    let long = |length| format!("'{}'", "x".repeat(length - 2));
    assert!(Filter::parse(&long(BYTES_MAX)).is_ok());
    assert!(Filter::parse(&long(BYTES_MAX + 1)).unwrap_err().message.contains("16384 are the most"));
    // Breadth is not depth.
    assert!(Filter::parse(&vec!["a"; 3_000].join(" or ")).is_ok());
}

/// The report of a configuration with this line in its program, without the warning about sources.
fn configured(setting: &str) -> (bool, String) {
    let text = format!(
        "[listen]\nhttp = \"127.0.0.1:0\"\n[[site]]\norigin = \"http://127.0.0.1:3000\"\n[[segment.source]]\n\
         write_key = \"k\"\n[[impact.program]]\nname = \"us\"\naccount_sid = \"IR1\"\n\
         api_key = {{ env = \"T\" }}\ncampaign_id = 1\n{setting}\n"
    );
    let faults = match config::parse(&text, "x.toml", Path::new(""), Secrets::Optional) {
        Ok(loaded) => loaded.warnings,
        Err(faults) => faults,
    };
    let ours = |line: &&str| !line.contains("environment variable") && !line.contains("needed to run");
    let report = faults.to_text();
    let ours: Vec<&str> = report.lines().filter(ours).collect();
    let start =
        ours.iter().position(|line| line.contains("`filter`") || line.contains("sample") || line.contains("drop_"));
    (faults.has_errors(), ours[start.unwrap_or(ours.len())..].join("\n"))
}

#[test]
fn a_faulty_filter_refuses_the_configuration_with_its_place() {
    for (setting, report) in [
        (
            "filter = 'region = \"United States\" und a'",
            "x.toml:12:36: error: `filter`: this does not belong to what stands before it\n    \
             filter = 'region = \"United States\" und a'\n                                       ^^^\n    \
             help: did you mean `and`?",
        ),
        (
            "filter = \"region = \\\"Süd\\\" nor a\"",
            "x.toml:12:28: error: `filter`: this does not belong to what stands before it\n    \
             filter = \"region = \\\"Süd\\\" nor a\"\n                               ^^^\n    help: did you mean `or`?",
        ),
        (
            "filter = '''\n  type = 'track'\n  and region == 'x'\n'''",
            "x.toml:14:14: error: `filter`: `==` is no comparison\n      and region == 'x'\n                 ^^\n    \
             help: FQL compares with a single `=`",
        ),
        (
            "filter = \"a =\"",
            "x.toml:12:14: error: `filter`: a value is missing here\n    filter = \"a =\"\n                 ^\n    \
             help: a value is a path, a text in quotes, a number, true, false, null, a list or a function",
        ),
    ] {
        let (refused, found) = configured(setting);
        assert!(refused && found == report, "{setting}\n{found}\n{report}");
    }
}

#[test]
fn a_path_that_begins_with_no_field_is_doubted() {
    let (refused, report) = configured("filter = 'properties.region = Canada'");
    assert!(!refused, "{report}");
    assert!(
        report.starts_with("x.toml:12:31: warning: `filter`: `Canada` is taken as a field of the call"),
        "{report}"
    );
    for (filter, column, help) in [
        (
            "properties.region = Canada",
            31,
            "a text stands in quotes: 'Canada'; a property is written `properties.Canada`",
        ),
        ("region = 1", 11, "a text stands in quotes: 'region'; a property is written `properties.region`"),
        (
            "contains(url.path, event)",
            20,
            "a text stands in quotes: 'url'; a property is written `properties.url.path`",
        ),
        ("userid != null", 11, "did you mean `userId`?"),
        ("property.a = 1", 11, "did you mean `properties`?"),
        ("ALL", 11, "did you mean `all`?"),
    ] {
        let (refused, report) = configured(&format!("filter = '{filter}'"));
        let place = format!("x.toml:12:{column}: warning: ");
        assert!(!refused && report.starts_with(&place) && report.ends_with(&format!("help: {help}")), "{report}");
    }
    for filter in ["userId = anonymousId", "type = true", "event = properties.b", "type = lowercase(event)", "all"] {
        let (refused, report) = configured(&format!("filter = '{filter}'"));
        assert!(!refused && report.is_empty(), "{filter}: {report}");
    }
}

#[test]
fn a_token_that_a_missing_quote_swallowed_is_not_shown() {
    let (refused, report) = configured("filter = '''\na = 1\napi_token = \"hunter2\" hunter2\n'''");
    assert!(refused && report.contains("x.toml:14:") && !report.contains("hunter2"), "{report}");
}

#[test]
fn the_other_settings_of_the_rule_are_checked_too() {
    for (setting, expected) in [
        ("sample = 1.5", "x.toml:12:10: error: `sample` must be a number from 0 to 1\n"),
        ("sample = nan", "x.toml:12:10: error: `sample` must be a number from 0 to 1\n"),
        ("sample = \"0.5\"", "x.toml:12:10: error: `sample` must be a number from 0 to 1, not a string\n"),
        ("sample_by = \"userId\"", "x.toml:12:13: error: `sample_by` without `sample` does nothing\n"),
        ("sample = 0.5\nsample_by = \"a b\"", "x.toml:13:13: error: `sample_by`: ` ` has no place here\n"),
        ("drop_properties = [\"properties.a\", \"b.\"]", "x.toml:12:36: error: `drop_properties`: a step of the path"),
    ] {
        let (refused, report) = configured(setting);
        assert!(refused && report.starts_with(expected), "{setting}\n{report}");
    }
    for setting in ["sample = 0", "sample = 1", "sample = 0.25\nsample_by = \"traits.plan\"", "filter = \"\""] {
        assert_eq!(configured(setting), (false, String::new()), "{setting}");
    }
}
