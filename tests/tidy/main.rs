//! The rules of the house, as a test: each fails with its sentence, the file and the line.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test may stop where it fails"
)]

mod source;

use source::{Source, item_end, line_of};
use std::path::Path;

/// The rooms, lowest first. A room imports only from lines above its own, never from its own line.
const LAYERS: &[&[&str]] = &[
    // 0: the words that everybody uses; a fault is worded with them, and a click's settings are read with faults.
    &["clock", "secret", "units", "metrics"],
    &["fault"],
    &["click"],
    // 1
    &["segment", "filter"],
    // 2
    &["destination", "store", "attribution"],
    // 3
    &["outbox", "links", "live"],
    // 4
    &["proxy", "delivery"],
    // 5
    &["server", "admin", "connect"],
    // 6
    &["demo"],
    // 7
    &["config"],
    &["app"],
    &["cli"],
    &["main"],
];

/// Crates that only some rooms may name, with the places below `src/` that may.
const CRATES: &[(&str, &[&str])] = &[
    ("hyper", &["proxy/", "server/", "cli/bench"]),
    ("hyper_util", &["proxy/", "server/", "cli/bench"]),
    ("hyper_rustls", &["proxy/", "server/", "cli/bench"]),
    ("reqwest", &["destination/", "connect/", "cli/node"]),
    ("axum", &["admin/", "demo/", "demo."]),
    ("maud", &["admin/", "cli/bench", "demo/"]),
    ("sha1", &["destination/impact/email"]),
    ("moka", &["links/"]),
    ("rusqlite", &["store/"]),
    ("prometheus_client", &["metrics/"]),
    ("psl", &["click/cookie/"]),
    ("clap", &["cli/"]),
    ("hdrhistogram", &["cli/bench"]),
    ("rustix", &["cli/bench", "cli/connect/", "server/descriptors"]),
    ("toml", &["fault/", "config/"]),
    ("mimalloc", &["main.rs"]),
];

/// Rooms that read no clock, socket or file, and what would give them one.
const PURE_ROOMS: &[&str] = &["click", "segment", "filter", "attribution"];
const IMPURE: &[&str] = &["tokio::", "std::fs", "std::net::Tcp", "std::thread", "Clock::", "fastrand::"];

/// Names that belong to one vendor, and the places below `src/` that may say them.
const VENDOR_NAMES: &[&str] = &["\"irclickid\"", "\"impactRadius\"", "\"Impact Partnership Cloud\"", "\"IR_"];
const VENDOR_PLACES: &[&str] = &["destination/impact/", "demo"];

/// Words that name nothing.
const EMPTY_WORDS: &[&str] = &["util", "utils", "common", "helper", "helpers", "manager", "misc"];

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;

/// Marks of unfinished work, in two halves, so that this file can hold them.
const UNFINISHED: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];

#[test]
fn the_house_is_tidy() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = Vec::new();
    for folder in ["src", "tests", "benches"] {
        collect(root, &root.join(folder), &mut sources);
    }
    assert!(sources.len() > 50, "only {} files were found", sources.len());
    let test_files: Vec<String> = sources.iter().flat_map(|source| source.test_files.clone()).collect();
    for source in &mut sources {
        let below =
            |file: &String| source.path.strip_prefix(file.as_str()).is_some_and(|rest| rest.starts_with(['.', '/']));
        source.is_test |= test_files.iter().any(below);
    }
    let wrong: Vec<String> = sources.iter().flat_map(faults).collect();
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

fn collect(root: &Path, folder: &Path, sources: &mut Vec<Source>) {
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        let place = path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
        if path.is_dir() && !place.ends_with("/node_modules") && !place.ends_with("/target") {
            collect(root, &path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sources.push(Source::new(&place, &std::fs::read_to_string(&path).unwrap()));
        }
    }
}

fn faults(source: &Source) -> Vec<String> {
    let mut all = Vec::new();
    for rule in [sizes, words, layers, crates, purity, vendors, panics, unfinished] {
        let found = rule(source);
        all.extend(found.into_iter().map(|(line, sentence)| format!("{}:{line}: {sentence}", source.path)));
    }
    all
}

type Found = Vec<(usize, String)>;

fn sizes(source: &Source) -> Found {
    let mut found = Vec::new();
    let lines = source.text.lines().count();
    if lines > FILE_LINES_MAX {
        found.push((lines, format!("a file has at most {FILE_LINES_MAX} lines; this one has {lines}")));
    }
    for (at, name) in words_after(&source.code, "fn") {
        let (first, last) = (line_of(&source.code, at), line_of(&source.code, item_end(source.code.as_bytes(), at)));
        let lines = last - first + 1;
        if lines > FUNCTION_LINES_MAX {
            found.push((first, format!("a function has at most {FUNCTION_LINES_MAX} lines; {name} has {lines}")));
        }
    }
    found
}

fn words(source: &Source) -> Found {
    let names = ["fn", "mod", "struct", "enum", "trait", "type", "const"];
    let mut named: Vec<_> = names.iter().flat_map(|word| words_after(&source.code, word)).collect();
    named.extend(source.path.split(['/', '.']).map(|part| (0, part)));
    let empty =
        named.into_iter().filter(|(_, name)| split_name(name).iter().any(|w| EMPTY_WORDS.contains(&w.as_str())));
    empty
        .map(|(at, name)| (line_of(&source.code, at), format!("a name says what a thing is for; {name} does not")))
        .collect()
}

fn layers(source: &Source) -> Found {
    let Some(room) = source.room() else { return Vec::new() };
    // The crate's root is the map: it names every room.
    if room == "lib" {
        return Vec::new();
    }
    let Some(own) = layer(room) else {
        return vec![(1, format!("every room has its layer; {room} is not in the table"))];
    };
    let mut found = Vec::new();
    for (at, other) in imports(source) {
        if other != room && layer(&other).is_some_and(|layer| layer >= own) && !source.is_test {
            let line = line_of(&source.code, at);
            found.push((line, format!("a room imports only from rooms below its own; {other} is not below {room}")));
        }
    }
    found
}

fn crates(source: &Source) -> Found {
    let Some(place) = source.in_src().filter(|_| !source.is_test) else { return Vec::new() };
    let mut found = Vec::new();
    for (name, places) in CRATES.iter().filter(|(_, places)| !places.iter().any(|p| place.starts_with(p))) {
        for at in paths_from(&source.code, name) {
            found.push((line_of(&source.code, at), format!("the crate {name} is named only in {}", places.join(", "))));
        }
    }
    found
}

fn purity(source: &Source) -> Found {
    if source.is_test || !source.room().is_some_and(|room| PURE_ROOMS.contains(&room)) {
        return Vec::new();
    }
    let found = IMPURE.iter().flat_map(|word| source.code.match_indices(word));
    found.map(|(at, word)| (line_of(&source.code, at), format!("this room is pure; {word} is not"))).collect()
}

fn vendors(source: &Source) -> Found {
    let Some(place) = source.in_src().filter(|_| !source.is_test) else { return Vec::new() };
    if VENDOR_PLACES.iter().any(|p| place.starts_with(p)) {
        return Vec::new();
    }
    let found = VENDOR_NAMES.iter().flat_map(|name| source.uncommented.match_indices(name));
    found
        .map(|(at, name)| {
            (line_of(&source.text, at), format!("only destination/impact says {name}\u{201d}; others get it as data"))
        })
        .collect()
}

fn panics(source: &Source) -> Found {
    if source.is_test {
        return Vec::new();
    }
    let found = [".unwrap()", ".expect("].into_iter().flat_map(|call| source.code.match_indices(call));
    found.map(|(at, call)| (line_of(&source.code, at), format!("bad input never panics; {call} does"))).collect()
}

fn unfinished(source: &Source) -> Found {
    let found = UNFINISHED.iter().flat_map(|mark| source.text.match_indices(mark));
    let found = found.filter(|(at, mark)| is_whole_word(&source.text, *at, mark.len()));
    found
        .map(|(at, mark)| (line_of(&source.text, at), format!("what is unfinished is an issue, not a {mark}")))
        .collect()
}

fn layer(room: &str) -> Option<usize> {
    LAYERS.iter().position(|rooms| rooms.contains(&room))
}

/// The rooms that a file names by `crate::…`, by the library's name, or by a `super::` that leaves its room.
fn imports(source: &Source) -> Vec<(usize, String)> {
    let code = &source.code;
    let mut roots: Vec<usize> = paths_from(code, "crate").into_iter().map(|at| at + "crate::".len()).collect();
    roots.extend(paths_from(code, "selvedge").into_iter().map(|at| at + "selvedge::".len()));
    let is_top = source
        .in_src()
        .is_some_and(|place| !place.contains('/') || place.matches('/').count() == 1 && place.ends_with("/mod.rs"));
    if is_top {
        roots.extend(paths_from(code, "super").into_iter().map(|at| at + "super::".len()));
    }
    roots.into_iter().flat_map(|at| first_names(code, at)).collect()
}

/// The first names of the path, or of each path in the braces, that begins at `at`.
fn first_names(code: &str, at: usize) -> Vec<(usize, String)> {
    let Some(group) = code[at..].strip_prefix('{') else { return vec![(at, name_at(code, at).to_owned())] };
    let mut names = Vec::new();
    let mut depth = 0;
    let mut is_start = true;
    for (offset, c) in group.char_indices() {
        match c {
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            '{' => depth += 1,
            ',' if depth == 0 => is_start = true,
            c if is_start && !c.is_whitespace() => {
                names.push((at + 1 + offset, name_at(code, at + 1 + offset).to_owned()));
                is_start = false;
            }
            _ => {}
        }
    }
    names
}

/// Where `name::` begins a path.
fn paths_from(code: &str, name: &str) -> Vec<usize> {
    let start = format!("{name}::");
    let begins = |at: usize| !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
    code.match_indices(&start).map(|(at, _)| at).filter(|at| begins(*at)).collect()
}

/// The names that follow a keyword, with the keyword's place.
fn words_after<'a>(code: &'a str, keyword: &str) -> Vec<(usize, &'a str)> {
    let found = code.match_indices(keyword).filter(|(at, _)| is_whole_word(code, *at, keyword.len()));
    let named = found.map(|(at, _)| {
        let rest = &code[at + keyword.len()..];
        (at, name_at(rest, rest.len() - rest.trim_start().len()))
    });
    named.filter(|(_, name)| !name.is_empty()).collect()
}

fn name_at(code: &str, at: usize) -> &str {
    let rest = &code[at..];
    &rest[..rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())]
}

fn is_whole_word(text: &str, at: usize, length: usize) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    !text[..at].ends_with(is_part) && !text[at + length..].starts_with(is_part)
}

/// `HttpUtil` and `http_util` are `http` and `util`.
fn split_name(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_lower = false;
    for c in name.chars() {
        if c == '_' || (c.is_uppercase() && was_lower) {
            words.push(String::new());
        }
        was_lower = c.is_lowercase();
        words.last_mut().unwrap().extend(c.to_lowercase().filter(|c| *c != '_'));
    }
    words
}

#[test]
fn every_rule_finds_its_fault() {
    let long = format!("fn f() {{\n{}}}\n", "a();\n".repeat(69));
    let long_file = "a\n".repeat(501);
    for (path, text, fault) in [
        (
            "src/click/a.rs",
            "\nuse crate::segment::Call;\n",
            ":2: a room imports only from rooms below its own; segment is not below click",
        ),
        ("src/links/a.rs", "use crate::{click::Click, live::Live};", "live is not below links"),
        ("src/links/a.rs", "fn f(x: crate::outbox::Row) {}", "outbox is not below links"),
        ("src/live.rs", "use super::links;", "links is not below live"),
        ("src/cli/mod.rs", "fn f() { selvedge::main::x() }", "main is not below cli"),
        ("src/attic/mod.rs", "", "attic is not in the table"),
        ("src/store/a.rs", "use moka::sync::Cache;", "the crate moka is named only in links/"),
        ("src/click/a.rs", "fn f() { std::fs::read(p) }", "this room is pure; std::fs is not"),
        ("src/segment/a.rs", "const A: &str = \"impactRadius\";", "only destination/impact says"),
        ("src/units.rs", "fn f() { x.unwrap() }", "bad input never panics; .unwrap() does"),
        ("src/units.rs", "fn f() { x.expect(\"y\") }", "bad input never panics; .expect( does"),
        ("src/units.rs", concat!("// TO", "DO: later"), "what is unfinished is an issue"),
        ("src/units.rs", &long, "a function has at most 70 lines; f has 71"),
        ("src/units.rs", &long_file, ":501: a file has at most 500 lines"),
        ("src/store/common.rs", "", "a name says what a thing is for; common does not"),
        ("src/store/a.rs", "struct RowManager;", "RowManager does not"),
    ] {
        let found = faults(&Source::new(path, text));
        assert!(found.len() == 1 && found[0].contains(fault), "{path} {text:.60}: {found:?}");
    }
}

#[test]
fn what_is_allowed_is_let_alone() {
    for (path, text) in [
        ("src/proxy/a.rs", "use crate::{click::{Click, ClickId}, outbox};\nuse hyper::body::Body;"),
        (
            "src/click/a.rs",
            "//! See [`crate::proxy`].\n#[cfg(test)]\nmod tests {\n use crate::proxy;\n fn f() { x.unwrap() }\n}",
        ),
        ("tests/sdk/x.rs", "fn f() { x.unwrap() }"),
        ("src/store/a.rs", "use super::links; // the store's own\nfn f() { hyper_util(x); \"moka::sync\" }"),
        ("src/units.rs", "fn f() { x.unwrap_or(1); expect(y) }"),
        ("src/lib.rs", "pub mod cli;\npub use crate::cli::main;"),
        ("tests/it/main.rs", "use selvedge::cli; fn f() { x.unwrap() }"),
    ] {
        assert_eq!(faults(&Source::new(path, text)), Vec::<String>::new(), "{path}");
    }
}
