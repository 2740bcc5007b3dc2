//! What a connection behind a proxy begins with: read as far as it goes, never behind its end, and the same in any pieces.

use selvedge::server::proxy_protocol::{Header, Step, step};

pub fn target(bytes: &[u8]) {
    let Some((header, end)) = read(bytes) else { return };
    assert!(end <= 4096);
    assert_eq!(step(&bytes[..end]), Ok(Step::Done(header)));
    assert_eq!(read(&[&bytes[..end], b"GET / HTTP/1.1\r\n"].concat()), Some((header, end)));
    let Header::Visitor(visitor) = header else { return };
    let (family, other) = if visitor.is_ipv4() { ("TCP4", "0.0.0.0") } else { ("TCP6", "::") };
    let line = format!("PROXY {family} {} {other} {} 0\r\n", visitor.ip(), visitor.port());
    assert_eq!(read(line.as_bytes()), Some((header, line.len())));
}

/// The header and its length, read as from a socket.
fn read(bytes: &[u8]) -> Option<(Header, usize)> {
    let mut seen = 0;
    loop {
        let before = seen;
        match step(&bytes[..seen]).ok()? {
            Step::Done(header) => return Some((header, seen)),
            Step::More(more) => seen += more,
            Step::Line => seen += bytes[seen..].iter().position(|byte| *byte == b'\n')? + 1,
        }
        assert!(seen > before);
        if seen > bytes.len() {
            return None;
        }
    }
}
