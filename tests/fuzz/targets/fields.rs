//! The fields of a request and of an answer, one to a line: who asks, what goes on, and what ends here.

use super::fields;
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TE, TRANSFER_ENCODING, UPGRADE, USER_AGENT};
use http::{HeaderMap, HeaderName, Method, Version};
use selvedge::click::hygiene::{is_bot, is_document, is_prefetch};
use selvedge::proxy::headers::{check_framing, check_loop, ready_request, ready_response, ready_switch};

/// Fields that never reach the next hop.
const HOP_BY_HOP: [&str; 4] = ["keep-alive", "proxy-connection", "proxy-authorization", "proxy-authenticate"];

pub fn target(bytes: &[u8]) {
    let came = fields(bytes);
    let _ = (is_document(&Method::GET, &came), is_prefetch(&came));
    if let Some(agent) = came.get(USER_AGENT) {
        assert!(is_bot(agent.as_bytes(), &[]) || !is_bot(agent.as_bytes(), &["no such agent".to_owned()]));
    }
    if check_framing(&came).is_ok() && came.contains_key(TRANSFER_ENCODING) {
        assert!(came[TRANSFER_ENCODING].as_bytes().eq_ignore_ascii_case(b"chunked"));
        assert!(came.get_all(TRANSFER_ENCODING).iter().count() == 1 && !came.contains_key(CONTENT_LENGTH));
    }
    request(&came);
    let mut answer = came.clone();
    ready_response(&mut answer);
    ends_here(&came, &answer);
    assert!([CONNECTION, UPGRADE, TE, TRANSFER_ENCODING].iter().all(|name| !answer.contains_key(name)));
    let mut again = answer.clone();
    ready_response(&mut again);
    assert_eq!(again, answer);
    let mut switch = came.clone();
    ready_switch(&mut switch);
    assert_eq!(switch.get(UPGRADE), came.get(UPGRADE));
}

fn request(came: &HeaderMap) {
    for version in [Version::HTTP_10, Version::HTTP_11] {
        let mut sent = came.clone();
        let upgrade = ready_request(&mut sent, version);
        ends_here(came, &sent);
        assert!(check_loop(&sent).is_err(), "our own mark is missing");
        assert_eq!(sent.get_all(UPGRADE).iter().count(), usize::from(upgrade.is_some()));
        let anew = |value: &&http::HeaderValue| *value == "upgrade" || *value == "te";
        assert!(sent.get_all(CONNECTION).iter().all(|value| anew(&value)));
        assert!(sent.get_all(TE).iter().all(|value| value == "trailers"));
        assert_eq!(sent.get(TRANSFER_ENCODING), came.get(TRANSFER_ENCODING));
        assert_eq!(sent.get(HOST), came.get(HOST));
    }
}

/// No field of one connection, and none that `Connection` names, goes on.
fn ends_here(came: &HeaderMap, sent: &HeaderMap) {
    assert!(HOP_BY_HOP.iter().all(|name| !sent.contains_key(*name)));
    let named = came.get_all(CONNECTION).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    for name in named.filter_map(|token| HeaderName::from_bytes(token.trim_ascii()).ok()) {
        let is_set_anew = [CONNECTION, UPGRADE, TE, HOST, CONTENT_LENGTH, TRANSFER_ENCODING].contains(&name)
            || ["cdn-loop", "close", "keep-alive"].contains(&name.as_str());
        assert!(is_set_anew || !sent.contains_key(&name), "{name} goes on");
    }
}
