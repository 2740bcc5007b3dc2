//! Reading a call's body: bounded, and never at the price of forwarding it.

use crate::metrics::Label;
use crate::proxy::body::{Body, BodyError};
use bytes::{Bytes, BytesMut};
use flate2::read::MultiGzDecoder;
use http::HeaderMap;
use http::header::CONTENT_ENCODING;
use http_body_util::BodyExt;
use std::io::Read;

/// How much of a body is read, plain or inflated: four of Segment's largest batches. What is larger streams on.
pub const BODY_BYTES_MAX: usize = 2 * 1024 * 1024;

/// A body that was read as far as it may be.
pub enum Received {
    /// All of it.
    Whole(Bytes),
    /// The beginning of one that is too large, and the rest.
    Prefix(Bytes, Body),
}

/// What a body is once its encoding is undone.
pub enum Plain {
    /// It was plain.
    Same,
    /// It was gzip, and is this.
    Inflated(Vec<u8>),
}

/// Why a body stays as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sealed {
    /// Its encoding is neither identity nor gzip.
    Encoding,
    /// It is no gzip, or cut short.
    BadGzip,
    /// It inflates to more than [`BODY_BYTES_MAX`].
    Bomb,
}

impl Label for Sealed {
    fn label(self) -> &'static str {
        match self {
            Self::Encoding => "encoding",
            Self::BadGzip => "bad_gzip",
            Self::Bomb => "too_large_inflated",
        }
    }
}

/// Reads `body` up to [`BODY_BYTES_MAX`].
///
/// # Errors
/// The client's: it went away or is too slow, or its framing is broken.
pub async fn read(mut body: Body) -> Result<Received, BodyError> {
    let mut whole = BytesMut::new();
    let mut first: Option<Bytes> = None;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        match first.take() {
            None if whole.is_empty() => first = Some(data),
            None => whole.extend_from_slice(&data),
            Some(earlier) => {
                whole.extend_from_slice(&earlier);
                whole.extend_from_slice(&data);
            }
        }
        if whole.len().max(first.as_ref().map_or(0, Bytes::len)) > BODY_BYTES_MAX {
            return Ok(Received::Prefix(first.unwrap_or_else(|| whole.freeze()), body));
        }
    }
    Ok(Received::Whole(first.unwrap_or_else(|| whole.freeze())))
}

/// Undoes the encoding that the headers name.
///
/// # Errors
/// [`Sealed`]: the body goes on as it came.
pub fn open(headers: &HeaderMap, body: &[u8]) -> Result<Plain, Sealed> {
    let mut encodings = headers.get_all(CONTENT_ENCODING).iter();
    let named = encodings.next().map(|value| value.as_bytes().trim_ascii().to_ascii_lowercase());
    match (named.as_deref(), encodings.next()) {
        (None | Some(b"" | b"identity"), None) => Ok(Plain::Same),
        (Some(b"gzip" | b"x-gzip"), None) => inflate(body).map(Plain::Inflated),
        _ => Err(Sealed::Encoding),
    }
}

fn inflate(body: &[u8]) -> Result<Vec<u8>, Sealed> {
    let limit = BODY_BYTES_MAX as u64 + 1;
    let mut plain = Vec::with_capacity(body.len().saturating_mul(4).min(BODY_BYTES_MAX));
    let read = MultiGzDecoder::new(body).take(limit).read_to_end(&mut plain);
    match read {
        Err(_) => Err(Sealed::BadGzip),
        Ok(_) if plain.len() > BODY_BYTES_MAX => Err(Sealed::Bomb),
        Ok(_) => Ok(plain),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use http::HeaderValue;
    use std::io::Write;

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    fn opened(encoding: &'static str, body: &[u8]) -> Result<Vec<u8>, Sealed> {
        let mut headers = HeaderMap::new();
        if !encoding.is_empty() {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
        open(&headers, body).map(|plain| match plain {
            Plain::Same => body.to_vec(),
            Plain::Inflated(plain) => plain,
        })
    }

    #[test]
    fn what_is_opened_and_what_stays_sealed() {
        let two_members = [gzip(b"{\"a\":"), gzip(b"1}")].concat();
        let cut = gzip(b"{\"a\":1}");
        let bomb = gzip(&vec![b' '; BODY_BYTES_MAX + 1]);
        assert_eq!(opened("", b"{}"), Ok(b"{}".to_vec()));
        assert_eq!(opened("identity", b"{}"), Ok(b"{}".to_vec()));
        assert_eq!(opened("GZIP", &gzip(b"{}")), Ok(b"{}".to_vec()));
        assert_eq!(opened("gzip", &two_members), Ok(b"{\"a\":1}".to_vec()));
        assert_eq!(opened("gzip", &cut[..cut.len() - 4]), Err(Sealed::BadGzip));
        assert_eq!(opened("gzip", b"{}"), Err(Sealed::BadGzip));
        assert_eq!(opened("gzip", &bomb), Err(Sealed::Bomb));
        for other in ["br", "zstd", "deflate", "gzip, br"] {
            assert_eq!(opened(other, b"x"), Err(Sealed::Encoding));
        }
    }
}
