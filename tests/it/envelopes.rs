//! Bodies: what is spliced, what goes on byte for byte, and what that costs.

use crate::harness::{Answer, PATIENCE, Stage, find};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;

const URL: &str = r#""context":{"page":{"url":"https://shop.example/?im_ref=abc"}}"#;
const REFERRER: &str = r#""referrer":{"id":"abc","type":"impactRadius"},"#;

/// What a bomb inflates to.
const BOMB_BYTES: usize = 64 << 20;
/// How many of them go off at once.
const BOMBS: usize = 8;
/// Less than half of what the bombs of one moment would hold if they were inflated whole; what is held are the buffers of
/// so many bodies at their limit, and the allocator's rest.
const PEAK_BYTES_MAX: u64 = (BOMBS * BOMB_BYTES) as u64 * 2 / 5;

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn enriched(call: &str) -> String {
    call.replace(r#""context":{"#, &format!(r#""context":{{{REFERRER}"#))
}

/// The same bytes in three chunks.
fn chunked(path: &str, lines: &str, body: &[u8]) -> Vec<u8> {
    let head =
        format!("POST {path} HTTP/1.1\r\nHost: shop.example\r\n{lines}Transfer-Encoding: chunked\r\n\r\n").into_bytes();
    let chunks = body.chunks(body.len() / 3 + 1).map(|piece| {
        let size = format!("{:x}\r\n", piece.len()).into_bytes();
        [size.as_slice(), piece, b"\r\n"].concat()
    });
    [head, chunks.collect::<Vec<_>>().concat(), b"0\r\n\r\n".to_vec()].concat()
}

#[tokio::test]
async fn a_compressed_call_goes_on_plain_if_it_is_spliced_and_as_it_came_if_not() {
    let stage = Stage::set().await;
    let lines = "Content-Encoding: gzip\r\nContent-MD5: abc\r\nDigest: sha-256=abc\r\n";
    let batch = format!(r#"{{"batch":[{{"type":"page",{URL}}},{{"type":"page"}}],"sentAt":"x"}}"#);
    let packed = gzip(batch.as_bytes());
    for as_chunks in [false, true] {
        stage.segment.forget();
        let request = chunked("/cdp/v1/b", lines, &packed);
        let status = if as_chunks {
            stage.edge.send(request).await.status()
        } else {
            stage.post("/cdp/v1/b", lines, &packed).await
        };
        assert_eq!(status, 200);
        let seen = &stage.segment.seen()[0];
        let plain = enriched(&batch);
        assert_eq!(String::from_utf8_lossy(&seen.body), plain);
        for gone in ["content-encoding", "content-md5", "digest", "transfer-encoding"] {
            assert_eq!(seen.header(gone), None, "{gone}");
        }
        assert_eq!(seen.header("content-length"), Some(plain.len().to_string().as_str()));
    }
    let idle = gzip(br#"{"batch":[{"type":"page"}]}"#);
    let seen = stage.forwarded("/cdp/v1/b", lines, &idle).await;
    assert_eq!((seen.header("content-encoding"), seen.body.as_ref()), (Some("gzip"), idle.as_slice()));
}

#[tokio::test]
async fn a_call_in_chunks_is_spliced_whatever_its_media_type() {
    let stage = Stage::set().await;
    let call = format!(r#"{{ "n":1.10,"big":12345678901234567890,{URL} ,"n":2}}"#);
    for media in ["text/plain", "text/plain;charset=UTF-8", "application/json", "application/octet-stream"] {
        stage.segment.forget();
        let request = chunked("/cdp/v1/p", &format!("Content-Type: {media}\r\n"), call.as_bytes());
        assert_eq!(stage.edge.send(request).await.status(), 200);
        let seen = &stage.segment.seen()[0];
        assert_eq!(String::from_utf8_lossy(&seen.body), enriched(&call), "{media}");
        assert_eq!(seen.header("content-type"), Some(media));
    }
}

#[tokio::test]
async fn what_cannot_be_read_goes_on_byte_for_byte_and_is_counted() {
    let stage = Stage::set().await;
    stage.segment.script().always(selvedge::demo::Answer::status(200).body("taken"));
    let call = format!(r#"{{{URL},"type":"page"}}"#);
    let packed = gzip(call.as_bytes());
    let deep = format!("{{{URL},\"a\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    let long = format!(r#"{{{URL},"a":"{}"}}"#, "x".repeat(2 << 20));
    let pile = format!(r#"{{"batch":[{}{{{URL},"type":"page"}}]}}"#, r#"{"type":"page"},"#.repeat(2_500));
    for (path, encoding, body, outcome) in [
        ("/cdp/v1/p", "br", packed.clone(), "encoding"),
        ("/cdp/v1/p", "zstd", packed.clone(), "encoding"),
        ("/cdp/v1/p", "deflate", packed.clone(), "encoding"),
        ("/cdp/v1/p", "gzip, gzip", packed.clone(), "encoding"),
        ("/cdp/v1/p", "gzip", packed[..packed.len() - 5].to_vec(), "bad_gzip"),
        ("/cdp/v1/p", "gzip", call.clone().into_bytes(), "bad_gzip"),
        ("/cdp/v1/p", "gzip", gzip(&vec![b' '; BOMB_BYTES]), "too_large_inflated"),
        ("/cdp/v1/p", "gzip", gzip(&gzip(&vec![b' '; BOMB_BYTES])), "not_json"),
        ("/cdp/v1/p", "identity", long.clone().into_bytes(), "too_large"),
        ("/cdp/v1/b", "gzip", gzip(long.as_bytes()), "too_large_inflated"),
        ("/cdp/v1/p", "identity", deep.clone().into_bytes(), "too_deep"),
        ("/cdp/v1/p", "gzip", gzip(deep.as_bytes()), "too_deep"),
        ("/cdp/v1/p", "identity", vec![], "not_json"),
        ("/cdp/v1/p", "identity", b"a=1&b=2".to_vec(), "not_json"),
        ("/cdp/v1/p", "identity", b"\xff\xfe{\0}\0".to_vec(), "not_json"),
        ("/cdp/v1/p", "identity", call.as_bytes()[..call.len() - 1].to_vec(), "not_json"),
        ("/cdp/v1/p", "identity", b"[{}]".to_vec(), "unknown_shape"),
        ("/cdp/v1/p", "identity", b"null".to_vec(), "unknown_shape"),
        ("/cdp/v1/batch", "identity", call.clone().into_bytes(), "unknown_shape"),
        ("/cdp/v1/batch", "identity", br#"{"batch":{"0":{}}}"#.to_vec(), "unknown_shape"),
        ("/cdp/v1/batch", "identity", pile.into_bytes(), "too_many_calls"),
    ] {
        let series = format!("selvedge_envelopes_total{{outcome=\"{outcome}\"}}");
        let before = stage.edge.count(&series).await;
        let lines = if encoding == "identity" { String::new() } else { format!("Content-Encoding: {encoding}\r\n") };
        for request in [None, Some(chunked(path, &lines, &body))] {
            stage.segment.forget();
            let answer = match request {
                None => stage.call(path, &lines, &body).await,
                Some(request) => stage.edge.send(request).await,
            };
            assert_eq!((answer.status(), answer.text().as_str()), (200, "taken"), "{outcome}");
            let seen = &stage.segment.seen()[0];
            assert!(seen.body == body, "{outcome}, {encoding}: {} of {} bytes", seen.body.len(), body.len());
            assert_eq!(seen.header("content-encoding"), (encoding != "identity").then_some(encoding));
        }
        assert_eq!(stage.edge.count(&series).await, before + 2, "{outcome}");
    }
    assert_eq!(stage.edge.count(r#"selvedge_http_requests_total{route="segment",code="2xx"}"#).await, 42);
}

#[tokio::test]
async fn many_bombs_at_once_find_little_memory() {
    let stage = Stage::set().await;
    stage.segment.script().always(selvedge::demo::Answer::status(200));
    let bombs = [
        ("Content-Encoding: gzip\r\n", gzip(&vec![b'['; BOMB_BYTES])),
        ("Content-Encoding: gzip\r\n", gzip(&[b"{\"a\":\"".as_slice(), &vec![b'x'; 2 << 20]].concat())),
        ("", vec![b'['; 2 << 20]),
        ("", vec![b'{'; 3 << 20]),
    ];
    let blast = async |round: usize| {
        let calls =
            (0..BOMBS).map(|_| stage.call("/cdp/v1/b", bombs[round % bombs.len()].0, &bombs[round % bombs.len()].1));
        futures_util::future::join_all(calls).await
    };
    for round in 0..12 {
        let answers: Vec<Answer> = tokio::time::timeout(PATIENCE, blast(round)).await.unwrap();
        assert!(answers.iter().all(|answer| answer.status() == 200), "round {round}");
        stage.segment.forget();
    }
    let peak = stage.edge.peak_bytes();
    assert!(peak < PEAK_BYTES_MAX, "it held {} KiB", peak >> 10);
}

/// A call of this many bytes that has a click.
fn call_of(bytes: usize) -> String {
    let frame = format!(r#"{{"type":"page",{URL},"a":""}}"#);
    frame.replace(r#""a":"""#, &format!(r#""a":"{}""#, "x".repeat(bytes - frame.len())))
}

#[tokio::test]
async fn a_call_that_would_pass_a_limit_is_left_and_counted() {
    let stage = Stage::set().await;
    stage.segment.script().always(selvedge::demo::Answer::status(200));
    let series = "selvedge_calls_untouched_total{reason=\"too_large\"}";
    // The last that fits, and the first that does not.
    for (call, fits) in [(call_of(32_768 - REFERRER.len()), true), (call_of(32_768), false)] {
        let before = stage.edge.count(series).await;
        for (path, body) in [("/cdp/v1/p", call.clone()), ("/cdp/v1/b", format!(r#"{{"batch":[{call}]}}"#))] {
            let seen = stage.forwarded(path, "", &body).await;
            let expected = if fits { enriched(&body) } else { body };
            assert!(seen.body == expected.as_bytes(), "{path}, {} bytes", call.len());
        }
        assert_eq!(stage.edge.count(series).await - before, if fits { 0 } else { 2 });
    }
    // Sixteen calls, each with room, in a batch that has none.
    for (missing, fits) in [(16 * REFERRER.len(), true), (REFERRER.len(), false)] {
        let before = stage.edge.count(series).await;
        let calls = vec![call_of(31_000); 16].join(",");
        let frame = format!(r#"{{"pad":"","batch":[{calls}]}}"#);
        let pad = format!(r#""pad":"{}""#, "x".repeat(512_000 - missing - frame.len()));
        let body = frame.replace(r#""pad":"""#, &pad);
        let seen = stage.forwarded("/cdp/v1/b", "", &body).await;
        let expected = if fits { enriched(&body) } else { body.clone() };
        assert!(seen.body == expected.as_bytes(), "{} bytes", body.len());
        assert_eq!(stage.edge.count(series).await - before, if fits { 0 } else { 16 });
    }
}

#[tokio::test]
async fn what_is_delivered_here_is_switched_off_before_a_referrer_gets_the_room() {
    let stage = Stage::set().await;
    stage.segment.script().always(selvedge::demo::Answer::status(200));
    let order = |bytes: usize, order: &str| {
        let frame = format!(
            r#"{{"type":"track","event":"Order Completed","messageId":"{order}","userId":"customer-1",{URL},"a":""}}"#
        );
        frame.replace(r#""a":"""#, &format!(r#""a":"{}""#, "x".repeat(bytes - frame.len())))
    };
    let off = r#""integrations":{"Impact Partnership Cloud":false},"#;
    for (number, room, referrer_fits) in [(1, REFERRER.len() + off.len(), true), (2, off.len() + 10, false)] {
        for (path, batch) in [("/cdp/v1/t", false), ("/cdp/v1/b", true)] {
            let call = order(32_768 - room, &format!("{path}{number}"));
            let expected = call.replacen('{', &format!("{{{off}"), 1);
            let expected = if referrer_fits { enriched(&expected) } else { expected };
            let envelope = |call: &str| if batch { format!(r#"{{"batch":[{call}]}}"#) } else { call.to_owned() };
            let seen = stage.forwarded(path, "", envelope(&call)).await;
            assert!(seen.body == envelope(&expected), "{path} with {room} bytes of room");
        }
    }
    assert_eq!(stage.edge.count("selvedge_calls_untouched_total{reason=\"too_large\"}").await, 2);
}

#[tokio::test]
async fn a_body_that_breaks_off_reaches_nobody() {
    let stage = Stage::set().await;
    let mut connection = stage.edge.connect().await;
    connection.write("POST /cdp/v1/t HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{\"event\"").await;
    drop(connection);
    let answer =
        stage.edge.send("POST /cdp/v1/t HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n").await;
    assert_eq!(answer.status(), 400);
    assert_eq!(stage.post("/cdp/v1/t", "", "{}").await, 200);
    assert_eq!(stage.segment.seen().len(), 1);
    assert!(find(&stage.segment.seen()[0].body, b"event").is_none());
}
