//! The cases, as they stand in `cases/*.txt`.
//!
//! A file is one theme: its first line is the heading. A case begins with `== name, RFC section, verdict`, and has lines of these
//! kinds, bytes with the escapes `\r \n \t \0 \\ \xNN`, and `\*N;` for N times the byte before it:
//!
//! * `> ` is a line that the visitor sends, with CRLF; `>> ` are bytes without an end. With a `+` in front they are sent as soon as
//!   something came back.
//! * `< ` and `<< ` are what the origin answers to each request; nothing: a 200 with the body `ok`.
//! * anything else is a word of [`Case::word`].

use std::path::Path;

/// What must become of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Nothing of it counts: a status that blames the visitor, or a closed connection.
    Refused,
    /// It reaches the origin, and the origin's answer the visitor.
    Served,
    /// One of the two.
    Either,
    /// It is served, or the connection is closed: who stops to send may have gone, and which it is, is a matter of time.
    Dropped,
    /// It reaches the origin, whose answer cannot be used: a 502 or 504, or an answer that visibly breaks off.
    Failed,
    /// Its answer reaches the visitor with the fault mended, or it is failed.
    ServedOrFailed,
    /// Both sides have left HTTP.
    Switched,
    /// One of these statuses; 0 is a closed connection.
    Status(Vec<u16>),
}

/// What the visitor does when all is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It waits for the answer.
    Waits,
    /// It says that it will send no more.
    HalfCloses,
}

/// One case.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) theme: String,
    pub(crate) name: String,
    pub(crate) rfc: String,
    pub(crate) verdict: String,
    pub(crate) wanted: Wanted,
    pub(crate) sends: Vec<u8>,
    pub(crate) sends_later: Vec<u8>,
    pub(crate) end: End,
    pub(crate) answer: Vec<u8>,
    pub(crate) answers_early: bool,
    pub(crate) origin_closes: bool,
    /// How many final answers are due.
    pub(crate) answers: usize,
    /// How many whole requests may reach the origin; `None`: as the verdict says.
    pub(crate) reaches: Option<usize>,
    pub(crate) origin_has: Vec<Vec<u8>>,
    pub(crate) origin_lacks: Vec<Vec<u8>>,
    pub(crate) visitor_has: Vec<Vec<u8>>,
    pub(crate) visitor_lacks: Vec<Vec<u8>>,
    /// What follows on the same connection is not the canary's, since bytes of this case are left over in it.
    pub(crate) leaves_bytes: bool,
    /// Whether the answer is to a HEAD.
    pub(crate) is_head: bool,
}

/// All cases, in the order of their files.
pub(crate) fn all(folder: &str) -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance").join(folder);
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().flat_map(|file| theme(&std::fs::read_to_string(file).unwrap())).collect()
}

fn theme(text: &str) -> Vec<Case> {
    let mut blocks = text.split("\n== ");
    let heading = blocks.next().unwrap().lines().next().unwrap().trim_start_matches("# ");
    blocks.map(|block| Case::read(heading, block)).collect()
}

impl Case {
    fn read(theme: &str, block: &str) -> Self {
        let mut lines = block.lines();
        let first = lines.next().unwrap();
        let mut parts = first.splitn(3, ", ");
        let mut part = || parts.next().unwrap_or_else(|| panic!("== {first}: name, RFC section, verdict")).to_owned();
        let (name, rfc, verdict) = (part(), part(), part());
        let mut case = Self {
            theme: theme.to_owned(),
            wanted: wanted(&verdict),
            name,
            rfc,
            verdict,
            sends: Vec::new(),
            sends_later: Vec::new(),
            end: End::Waits,
            answer: Vec::new(),
            answers_early: false,
            origin_closes: false,
            answers: 1,
            reaches: None,
            origin_has: Vec::new(),
            origin_lacks: Vec::new(),
            visitor_has: Vec::new(),
            visitor_lacks: Vec::new(),
            leaves_bytes: false,
            is_head: false,
        };
        lines.filter(|line| !line.is_empty()).for_each(|line| case.line(line));
        if case.answer.is_empty() && !case.origin_closes {
            case.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec();
        }
        case.is_head = case.sends.starts_with(b"HEAD ");
        case
    }

    fn line(&mut self, line: &str) {
        let (mark, rest) = line.split_once(' ').unwrap_or((line, ""));
        let end = if mark.ends_with(">>") || mark.ends_with("<<") { "" } else { "\r\n" };
        let bytes = [unescaped(rest), end.into()].concat();
        match mark {
            ">" | ">>" => self.sends.extend(bytes),
            "+>" | "+>>" => self.sends_later.extend(bytes),
            "<" | "<<" => self.answer.extend(bytes),
            _ => self.word(line),
        }
    }

    fn word(&mut self, line: &str) {
        let number = || line.rsplit(' ').next().unwrap().parse().unwrap();
        let mut said = false;
        for (start, list) in [
            ("origin has ", &mut self.origin_has),
            ("origin lacks ", &mut self.origin_lacks),
            ("visitor has ", &mut self.visitor_has),
            ("visitor lacks ", &mut self.visitor_lacks),
        ] {
            if let Some(bytes) = line.strip_prefix(start) {
                list.push(unescaped(bytes).to_ascii_lowercase());
                said = true;
            }
        }
        match line {
            _ if said => {}
            "origin answers early" => self.answers_early = true,
            "origin closes" => self.origin_closes = true,
            "visitor half-closes" => self.end = End::HalfCloses,
            "leaves bytes" => self.leaves_bytes = true,
            _ if line.starts_with("answers ") => self.answers = number(),
            _ if line.starts_with("reaches ") => self.reaches = Some(number()),
            _ => panic!("{}: {line:?} says nothing", self.name),
        }
    }
}

fn wanted(verdict: &str) -> Wanted {
    match verdict {
        "refused" => Wanted::Refused,
        "served" => Wanted::Served,
        "served or refused" => Wanted::Either,
        "served or dropped" => Wanted::Dropped,
        "served or failed" => Wanted::ServedOrFailed,
        "failed" => Wanted::Failed,
        "switched" => Wanted::Switched,
        statuses => Wanted::Status(statuses.split(" or ").map(|status| status.parse().unwrap_or(0)).collect()),
    }
}

/// `\\*N;` repeats the byte before it, so that there are N of it.
fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        match rest.next().unwrap() {
            b'r' => bytes.push(b'\r'),
            b'n' => bytes.push(b'\n'),
            b't' => bytes.push(b'\t'),
            b'0' => bytes.push(0),
            b'x' => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
            }
            b'*' => {
                let digits: String = rest.by_ref().take_while(|byte| *byte != b';').map(char::from).collect();
                let repeated = *bytes.last().unwrap();
                bytes.resize(bytes.len() + digits.parse::<usize>().unwrap() - 1, repeated);
            }
            other => bytes.push(other),
        }
    }
    bytes
}
