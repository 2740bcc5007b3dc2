//! Click parameters in queries and URLs, against the plainest reading of the rule.

use percent_encoding::percent_decode;
use selvedge::click::{ClickId, Landed, parameter};

const NAMES: [&str; 2] = ["im_ref", "irclickid"];

pub fn target(bytes: &[u8]) {
    let landed = parameter::find(bytes, &NAMES);
    assert_eq!(landed, plainly(bytes));
    let mut parts = bytes.splitn(2, |byte| *byte == b'#');
    let before_fragment = parts.next().unwrap_or_default();
    let query = before_fragment.iter().position(|byte| *byte == b'?').map(|at| &before_fragment[at + 1..]);
    assert_eq!(parameter::find_in_url(bytes, &NAMES), plainly(query.unwrap_or_default()));
}

/// Of the strongest name with a valid value the last one; and why the last bad value of all is none.
fn plainly(query: &[u8]) -> Landed {
    let pairs = query.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = match pair.iter().position(|byte| *byte == b'=') {
            Some(at) => (&pair[..at], &pair[at + 1..]),
            None => (pair, &[][..]),
        };
        (percent_decode(name).collect::<Vec<u8>>(), percent_decode(value).collect::<Vec<u8>>(), value.len())
    });
    let ours: Vec<_> = pairs
        .filter_map(|(name, value, written)| {
            let rank = NAMES.iter().position(|known| known.as_bytes() == name)?;
            Some((rank, ClickId::parse(&value), written))
        })
        .collect();
    let best = ours.iter().filter(|(_, read, _)| read.is_ok()).map(|(rank, ..)| *rank).min();
    let id = ours.iter().rev().find(|(rank, read, _)| Some(*rank) == best && read.is_ok());
    // What is too long as it is written is not decoded to find another fault.
    let bad = ours.iter().rev().find_map(|(_, read, written)| match read {
        Err(_) if *written > 3 * 64 => Some(selvedge::click::BadClickId::TooLong),
        Err(why) => Some(*why),
        Ok(_) => None,
    });
    Landed { id: id.and_then(|(_, read, _)| read.clone().ok()), bad }
}
