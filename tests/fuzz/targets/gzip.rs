//! Bodies in gzip: bounded whatever they say, and whole or not at all.

use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::CONTENT_ENCODING;
use http::{HeaderMap, HeaderValue};
use selvedge::proxy::calls::body::{BODY_BYTES_MAX, Plain, Sealed, open};
use std::io::Write;

pub fn target(bytes: &[u8]) {
    match opened(bytes) {
        Ok(plain) => {
            assert!(plain.len() <= BODY_BYTES_MAX);
            assert_eq!(opened(&gzip(&plain)), Ok(plain));
        }
        Err(sealed) => assert_ne!(sealed, Sealed::Encoding),
    }
    assert_eq!(opened(&gzip(bytes)).as_deref(), Ok(bytes));
}

fn opened(body: &[u8]) -> Result<Vec<u8>, Sealed> {
    let headers = HeaderMap::from_iter([(CONTENT_ENCODING, HeaderValue::from_static("gzip"))]);
    open(&headers, body).map(|plain| match plain {
        Plain::Same => panic!("gzip is not plain"),
        Plain::Inflated(plain) => plain,
    })
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}
