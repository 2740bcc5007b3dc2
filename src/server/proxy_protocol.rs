//! The PROXY protocol, versions 1 and 2: a proxy that passes connections on says first whose each is.
//! <https://www.haproxy.org/download/2.6/doc/proxy-protocol.txt>

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// What version 2 begins with; no other protocol does.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// What version 1 begins with.
const WORD: &[u8] = b"PROXY ";
/// No header of either version is shorter: `PROXY UNKNOWN` and the end of its line.
const HEADER_BYTES_MIN: usize = 15;
/// The longest line of version 1, with its end.
const LINE_BYTES_MAX: usize = 107;
/// The part of version 2 that says how long the rest is.
const FIXED_BYTES: usize = 16;
/// The longest header of version 2, as nginx has it: certificates of visitors fit.
const HEADER_BYTES_MAX: usize = 4096;
/// The additional field that holds a checksum (CRC-32C).
const CRC32C: u8 = 3;

/// Whose a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// This visitor's.
    Visitor(SocketAddr),
    /// The proxy's own, or of somebody whom it cannot name by an address.
    Own,
}

/// How the reading goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The header is all there, and nothing more was read.
    Done(Header),
    /// So many bytes more belong to it.
    More(usize),
    /// All up to the end of the line belongs to it.
    Line,
}

/// What begins a connection is no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it does not begin with a PROXY header: {0}")]
pub struct Malformed(&'static str);

/// Judges what was read of a header so far.
///
/// # Errors
/// [`Malformed`]: it is none, and will not become one.
pub fn step(seen: &[u8]) -> Result<Step, Malformed> {
    if seen.len() < HEADER_BYTES_MIN {
        return Ok(Step::More(HEADER_BYTES_MIN - seen.len()));
    }
    if seen.starts_with(SIGNATURE) {
        return binary(seen);
    }
    let Some(line) = seen.strip_prefix(WORD) else { return Err(Malformed("something else came")) };
    match line.strip_suffix(b"\r\n") {
        _ if seen.len() > LINE_BYTES_MAX => Err(Malformed("its line is too long")),
        Some(line) => words(line).map(Step::Done).ok_or(Malformed("its line cannot be read")),
        None if line.contains(&b'\n') || seen.len() == LINE_BYTES_MAX => Err(Malformed("its line does not end")),
        None => Ok(Step::Line),
    }
}

/// A line of version 1, behind its first word.
fn words(line: &[u8]) -> Option<Header> {
    let text = std::str::from_utf8(line).ok()?;
    if text == "UNKNOWN" || text.starts_with("UNKNOWN ") {
        return Some(Header::Own);
    }
    let mut words = text.split(' ');
    let (family, source, destination) = (words.next()?, words.next()?, words.next()?);
    let (source, _): (IpAddr, IpAddr) = match family {
        "TCP4" => (source.parse::<Ipv4Addr>().ok()?.into(), destination.parse::<Ipv4Addr>().ok()?.into()),
        "TCP6" => (source.parse::<Ipv6Addr>().ok()?.into(), destination.parse::<Ipv6Addr>().ok()?.into()),
        _ => return None,
    };
    let (port, _) = (port(words.next()?)?, port(words.next()?)?);
    words.next().is_none().then_some(Header::Visitor(SocketAddr::new(source, port)))
}

fn port(word: &str) -> Option<u16> {
    let is_plain = word == "0" || word.bytes().all(|byte| byte.is_ascii_digit()) && !word.starts_with('0');
    is_plain.then(|| word.parse().ok())?
}

/// A header of version 2.
fn binary(seen: &[u8]) -> Result<Step, Malformed> {
    let Some(&[command, family, high, low]) = seen.get(SIGNATURE.len()..).and_then(|rest| rest.first_chunk()) else {
        return Ok(Step::More(FIXED_BYTES.saturating_sub(seen.len())));
    };
    let whole = FIXED_BYTES + usize::from(u16::from_be_bytes([high, low]));
    if whole > HEADER_BYTES_MAX {
        return Err(Malformed("it is too long"));
    }
    let Some(more) = whole.checked_sub(seen.len()) else { return Err(Malformed("it is longer than it says")) };
    if more > 0 {
        return Ok(Step::More(more));
    }
    let rest = seen.get(FIXED_BYTES..).unwrap_or_default();
    let (header, fields) = match (command, family) {
        // The proxy asks for itself: whatever it adds is to be passed over.
        (0x20, _) => return Ok(Step::Done(Header::Own)),
        (0x21, 0x00) => (Header::Own, Some(rest)),
        (0x21, 0x11) => visitor(rest, |ip: [u8; 4]| ip.into())?,
        (0x21, 0x21) => visitor(rest, |ip: [u8; 16]| ip.into())?,
        // Two names of UNIX sockets.
        (0x21, 0x31) => (Header::Own, rest.get(216..)),
        _ => return Err(Malformed("its command or family is unknown")),
    };
    let fields = fields.ok_or(Malformed("its addresses are cut short"))?;
    check_fields(seen, fields).map(|()| Step::Done(header))
}

/// Two addresses with their ports: the visitor's, and what stands behind them.
fn visitor<const N: usize>(rest: &[u8], ip: impl Fn([u8; N]) -> IpAddr) -> Result<(Header, Option<&[u8]>), Malformed> {
    let read = || {
        let (source, rest) = rest.split_first_chunk::<N>()?;
        let (_, rest) = rest.split_first_chunk::<N>()?;
        let (&port, rest) = rest.split_first_chunk::<2>()?;
        let (_, rest) = rest.split_first_chunk::<2>()?;
        Some((Header::Visitor(SocketAddr::new(ip(*source), u16::from_be_bytes(port))), Some(rest)))
    };
    read().ok_or(Malformed("its addresses are cut short"))
}

/// Walks the additional fields of version 2: each must be whole, and a checksum must be right.
fn check_fields(header: &[u8], mut fields: &[u8]) -> Result<(), Malformed> {
    while let Some((&[kind, high, low], rest)) = fields.split_first_chunk() {
        let length = usize::from(u16::from_be_bytes([high, low]));
        let (value, behind) = rest.split_at_checked(length).ok_or(Malformed("a field in it is cut short"))?;
        if kind == CRC32C {
            let at = header.len() - rest.len();
            let sum = value.try_into().map(u32::from_be_bytes).map_err(|_| Malformed("its checksum is none"))?;
            let (before, after) = (header.get(..at).unwrap_or_default(), header.get(at + length..).unwrap_or_default());
            if crc32c(&[before, &[0; 4], after]) != sum {
                return Err(Malformed("its checksum is wrong"));
            }
        }
        fields = behind;
    }
    if fields.is_empty() { Ok(()) } else { Err(Malformed("a field in it is cut short")) }
}

/// Bit by bit, for headers are short, and checksums in them rare.
fn crc32c(pieces: &[&[u8]]) -> u32 {
    let bit = |sum: u32, _| (sum >> 1) ^ (0x82F6_3B78 * (sum & 1));
    !pieces.iter().copied().flatten().fold(!0, |sum, byte| (0..8).fold(sum ^ u32::from(*byte), bit))
}

/// Reads the header that a connection begins with, and nothing behind it.
pub(super) async fn read(stream: &mut TcpStream) -> io::Result<Header> {
    let mut seen = Vec::with_capacity(LINE_BYTES_MAX);
    loop {
        let more = match step(&seen).map_err(io::Error::other)? {
            Step::Done(header) => return Ok(header),
            Step::More(more) => more,
            Step::Line => line_end(stream).await?,
        };
        let already = seen.len();
        seen.resize(already + more, 0);
        stream.read_exact(seen.get_mut(already..).unwrap_or_default()).await?;
    }
}

/// How much of what has come belongs to the line.
async fn line_end(stream: &TcpStream) -> io::Result<usize> {
    let mut ahead = [0; LINE_BYTES_MAX];
    let come = stream.peek(&mut ahead).await?;
    let line = ahead.get(..come).unwrap_or_default();
    match line.iter().position(|byte| *byte == b'\n') {
        Some(end) => Ok(end + 1),
        None if come == 0 => Err(io::ErrorKind::UnexpectedEof.into()),
        None => Ok(come),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A header of version 2 with these bytes behind its fixed part.
    fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [SIGNATURE, &[command, family][..], &length, rest].concat()
    }

    fn read_of(source: SocketAddr) -> [Vec<u8>; 2] {
        let port = source.port();
        match source.ip() {
            IpAddr::V4(ip) => {
                let rest = [&ip.octets()[..], &[9; 4], &port.to_be_bytes(), &[0, 80]].concat();
                [format!("PROXY TCP4 {ip} 9.9.9.9 {port} 80\r\n").into_bytes(), v2(0x21, 0x11, &rest)]
            }
            IpAddr::V6(ip) => {
                let rest = [&ip.octets()[..], &[9; 16], &port.to_be_bytes(), &[0, 80]].concat();
                [format!("PROXY TCP6 {ip} ::9 {port} 80\r\n").into_bytes(), v2(0x21, 0x21, &rest)]
            }
        }
    }

    fn ended(bytes: &[u8]) -> Result<Header, Malformed> {
        match step(bytes)? {
            Step::Done(header) => Ok(header),
            unfinished => panic!("{unfinished:?}: {bytes:?}"),
        }
    }

    proptest! {
        #[test]
        fn any_visitor_is_read_in_both_versions_and_no_part_of_the_header_is_enough(ip: IpAddr, port: u16) {
            let visitor = SocketAddr::new(ip, port);
            for header in read_of(visitor) {
                prop_assert_eq!(step(&header), Ok(Step::Done(Header::Visitor(visitor))));
                for end in 0..header.len() {
                    match step(&header[..end]) {
                        Ok(Step::More(more)) => prop_assert!(end + more <= header.len()),
                        Ok(Step::Line) => {}
                        other => prop_assert!(false, "{other:?} after {end}"),
                    }
                }
            }
        }
    }

    #[test]
    fn some_connections_are_the_proxys_own() {
        for line in ["PROXY UNKNOWN\r\n", "PROXY UNKNOWN ffff:f::1 ffff::2 65535 65535\r\n"] {
            assert_eq!(ended(line.as_bytes()), Ok(Header::Own));
        }
        for header in [v2(0x20, 0, b""), v2(0x20, 0x77, b"what"), v2(0x21, 0, b""), v2(0x21, 0x31, &[b'/'; 216])] {
            assert_eq!(ended(&header), Ok(Header::Own));
        }
    }

    #[test]
    fn fields_are_passed_over_and_a_checksum_is_tried() {
        let addresses = [192, 0, 2, 1, 9, 9, 9, 9, 0x12, 0x34, 0, 80];
        let visitor = Ok(Header::Visitor("192.0.2.1:4660".parse().unwrap()));
        assert_eq!(crc32c(&[b"123456789"]), 0xE306_9283);
        let mut whole = v2(0x21, 0x11, &[&addresses[..], b"\x01\0\x02h2\x03\0\x04\0\0\0\0\x04\0\0"].concat());
        let sum = crc32c(&[&whole]).to_be_bytes();
        whole[36..40].copy_from_slice(&sum);
        assert_eq!(ended(&whole), visitor);
        whole[36] ^= 1;
        assert_eq!(ended(&whole), Err(Malformed("its checksum is wrong")));
        for cut in [&b"\x01"[..], b"\x01\0", b"\x01\0\x02h", b"\x03\0\x01a"] {
            assert!(ended(&v2(0x21, 0x11, &[&addresses[..], cut].concat())).is_err(), "{cut:?}");
        }
    }

    #[test]
    fn nothing_else_is_a_header() {
        for line in [
            "GET / HTTP/1.1\r\n",
            "PROXYxTCP4 1.1.1.1 2.2.2.2 1 2\r\n",
            "PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n",
            "PROXY TCP4 1.1.1.1 2.2.2.2 1 2 3\r\n",
            "PROXY TCP4  1.1.1.1 2.2.2.2 1 2\r\n",
            "PROXY TCP4 1.1.1.1 2.2.2.2 +1 2\r\n",
            "PROXY TCP4 1.1.1.1 2.2.2.2 01 2\r\n",
            "PROXY TCP4 1.1.1.1 2.2.2.2 65536 2\r\n",
            "PROXY TCP4 ::1 ::2 1 2\r\n",
            "PROXY TCP6 1.1.1.1 2.2.2.2 1 2\r\n",
            "PROXY UDP4 1.1.1.1 2.2.2.2 1 2\r\n",
            "PROXY TCP4 1.1.1.1 2.2.2.2 1 2\n",
            "PROXY UNKNOWNS\r\n",
            &format!("PROXY UNKNOWN {}\r\n", "x".repeat(92)),
            &format!("PROXY UNKNOWN {}", "x".repeat(93)),
        ] {
            assert!(step(line.as_bytes()).is_err(), "{line}");
        }
        for header in [v2(0x22, 0x11, &[0; 12]), v2(0x11, 0x11, &[0; 12]), v2(0x21, 0x12, &[0; 12])] {
            assert!(step(&header).is_err(), "{header:?}");
        }
        for header in [v2(0x21, 0x11, &[0; 11]), v2(0x21, 0x21, &[0; 35]), v2(0x21, 0x31, &[0; 215])] {
            assert!(step(&header).is_err(), "{header:?}");
        }
        assert!(step(&v2(0x21, 0, &[0; 4081])[..16]).is_err());
    }
}
