//! Whether what happened is what must happen.

use crate::case::{Case, Wanted};
use crate::harness::find;
use crate::origin::Seen;
use crate::visitor::{Got, lower};

/// What is wrong with what a server did; nothing, if it is right.
pub(crate) fn faults(case: &Case, got: &Got, seen: &[Seen]) -> Vec<String> {
    let mut faults = Vec::new();
    let whole = seen.iter().filter(|request| request.is_whole).count();
    let (status, is_answered) = (got.finals.first().copied(), !got.is_silent);
    let is_refused = is_answered && status.is_none_or(|status| matches!(status, 400..=499 | 501 | 505));
    let is_served = got.is_whole && got.finals.iter().all(|status| (200..400).contains(status));
    let is_failed = matches!(status, Some(500..=599)) || !got.is_whole && is_answered;
    let (fits, reaches) = match &case.wanted {
        Wanted::Refused => (is_refused, 0),
        Wanted::Served => (is_served, 1),
        Wanted::Either => (is_refused || is_served, usize::from(is_served)),
        Wanted::Dropped => (is_served || is_answered && status.is_none(), whole.min(1)),
        Wanted::Failed => (is_failed, whole),
        Wanted::ServedOrFailed => (is_served || is_failed, whole),
        Wanted::Switched => (status == Some(101), 1),
        Wanted::Status(statuses) => (is_answered && statuses.contains(&status.unwrap_or(0)), 0),
    };
    if !fits {
        faults.push(outcome(got));
    }
    let reaches = case.reaches.unwrap_or(reaches);
    if whole != reaches {
        faults.push(format!("{whole} requests at the origin"));
    }
    if got.finals.len() > case.answers || fits && is_served && got.finals.len() < case.answers {
        faults.push(format!("{} answers", got.finals.len()));
    }
    faults.extend(seen.iter().flat_map(ambiguities));
    faults.extend(missing(case, got, seen));
    faults.extend(got.canary.clone());
    faults
}

/// What the visitor saw, in a word.
pub(crate) fn outcome(got: &Got) -> String {
    let status = match got.finals.first() {
        Some(0) => "no HTTP".to_owned(),
        Some(status) => status.to_string(),
        None if got.is_silent => "silence".to_owned(),
        None => "closed".to_owned(),
    };
    if !got.finals.is_empty() && !got.is_whole { format!("{status}, cut") } else { status }
}

fn missing(case: &Case, got: &Got, seen: &[Seen]) -> Vec<String> {
    let mut faults = Vec::new();
    let at_origin: Vec<u8> =
        seen.iter().flat_map(|request| [lower(&request.head), lower(&request.body)].concat()).collect();
    let at_visitor = lower(&got.bytes);
    // Who refuses has nothing to pass on.
    let has_passed = !seen.is_empty() || case.wanted != Wanted::Either;
    for (place, bytes, has, lacks) in [
        ("the origin", &at_origin, &case.origin_has, &case.origin_lacks),
        ("the visitor", &at_visitor, &case.visitor_has, &case.visitor_lacks),
    ] {
        let absent = has.iter().filter(|wanted| has_passed && find(bytes, wanted).is_none());
        faults.extend(absent.map(|wanted| format!("{place} does not get {}", shown(wanted))));
        let present = lacks.iter().filter(|unwanted| find(bytes, unwanted).is_some());
        faults.extend(present.map(|unwanted| format!("{place} gets {}", shown(unwanted))));
    }
    faults
}

fn shown(bytes: &[u8]) -> String {
    format!("`{}`", bytes.escape_ascii().to_string().trim_end_matches("\\r\\n"))
}

/// In what the head of a request at the origin could be read in two ways.
fn ambiguities(request: &Seen) -> Vec<String> {
    let mut found = Vec::new();
    let mut say = |what: &str| found.push(format!("the origin gets {what}"));
    let Some(lines) = request.head.strip_suffix(b"\r\n\r\n") else {
        say("half a head");
        return found;
    };
    let text: String = lines.iter().map(|byte| char::from(*byte)).collect();
    let mut lines = text.split("\r\n");
    let first: Vec<&str> = lines.next().unwrap().split(' ').collect();
    let has_target = first.len() == 3 && (first[1].starts_with('/') || first[..2] == ["OPTIONS", "*"]);
    if !has_target || !matches!(first[2], "HTTP/1.1" | "HTTP/1.0") {
        say("a bad request line");
    }
    if text.replace("\r\n", "").contains(|c: char| c < ' ' && c != '\t' || c == '\x7f') {
        say("a control character");
    }
    let mut names = Vec::new();
    for line in lines {
        let name = line.split(':').next().unwrap().to_ascii_lowercase();
        let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        if name.len() == line.len() || name.is_empty() || !name.chars().all(is_token) {
            say("a line that is no field");
        }
        if name.replace('_', "-") != name && ["transfer_encoding", "content_length"].contains(&name.as_str()) {
            say("a look-alike of a framing field");
        }
        names.push(name);
    }
    let count = |wanted: &str| names.iter().filter(|name| *name == wanted).count();
    if count("host") != 1 {
        say("no single Host");
    }
    if count("content-length") + count("transfer-encoding") > 1 {
        say("two framings");
    }
    if request.values("transfer-encoding").iter().any(|value| !value.eq_ignore_ascii_case("chunked")) {
        say("an odd Transfer-Encoding");
    }
    let is_number = |value: &String| !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    if !request.values("content-length").iter().all(is_number) {
        say("an odd Content-Length");
    }
    if request.values("upgrade").iter().any(|value| value.to_ascii_lowercase().contains("h2")) {
        say("an upgrade to HTTP/2");
    }
    found
}
