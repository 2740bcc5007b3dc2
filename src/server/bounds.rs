//! What one connection may have of this machine: the settings of `[limits]` that its HTTP keeps.

use crate::fault::{Section, form};
use std::time::Duration;

/// What bounds the memory and the work that one connection is worth.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The largest head of a request by HTTP/1.1, in bytes; what is read ahead never grows beyond it. Default: 64 KiB. Above it
    /// the answer is 431. The target alone has at most 65,534 bytes (414).
    pub head_size: usize,
    /// Fields in a head, and in trailers. Default: 100, more than any browser sends. Above it the answer is 431.
    pub fields: usize,
    /// Requests at once on one connection. Default: 100, as many as a page has.
    pub streams: u32,
    /// Requests that were taken back before they were begun. Default: 20; more of them at once are a flood of resets.
    pub resets: usize,
    /// Requests that broke the protocol and were reset. Default: 128; more of them end the connection.
    pub errors: usize,
    /// The largest list of fields by HTTP/2, in bytes; the number of CONTINUATION frames follows from it. Default: 32 KiB.
    pub header_list: u32,
    /// What may be under way to us of one request, in bytes. Default: 256 KiB.
    pub stream_window: u32,
    /// The same of all requests of a connection: an upload's memory. Default: 1 MiB.
    pub connection_window: u32,
    /// What waits for a visitor who does not read, of one answer, in bytes. Default: 64 KiB.
    pub send_buffer: usize,
    /// PING, SETTINGS and other frames that ask for nothing, at once. Default: 1,000; 20 a second renew them, and each KiB that goes
    /// either way one more.
    pub frames: u32,
    /// How often a silent visitor with a request under way is asked whether he is there, and how long he may take to say so.
    /// Default: 20 s.
    pub ping: Duration,
}

const KIB: u32 = 1024;
const MIB: u32 = 1024 * KIB;
/// The largest window there is (RFC 9113 §6.9.1), and the one that every connection begins with.
const WINDOW_MAX: u32 = i32::MAX as u32;
const WINDOW_MIN: u32 = 65_535;
/// The least that hyper can read a head into.
const HEAD_SIZE_MIN: u32 = 8 * KIB;
/// More is for nobody; what is counted has room for it.
const COUNT_MAX: u32 = 1_000_000;

impl Default for Bounds {
    fn default() -> Self {
        Self {
            head_size: 64 * 1024,
            fields: 100,
            streams: 100,
            resets: 20,
            errors: 128,
            header_list: 32 * KIB,
            stream_window: 256 * KIB,
            connection_window: MIB,
            send_buffer: 64 * 1024,
            frames: 1000,
            ping: Duration::from_secs(20),
        }
    }
}

impl Bounds {
    /// Reads them from `[limits]`.
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let usual = Self::default();
        let mut count = |key| section.count(key, 1..=COUNT_MAX);
        let (fields, streams, frames) = (count("fields"), count("http2_streams"), count("http2_frames"));
        let (resets, errors) = (count("http2_resets"), count("http2_errors"));
        let mut size = |key, least, most| section.size(key, least..=most);
        let long = |number: Option<u32>| number.and_then(|number| usize::try_from(number).ok());
        Self {
            head_size: long(size("head_size", HEAD_SIZE_MIN, MIB)).unwrap_or(usual.head_size),
            fields: long(fields).unwrap_or(usual.fields),
            streams: streams.unwrap_or(usual.streams),
            resets: long(resets).unwrap_or(usual.resets),
            errors: long(errors).unwrap_or(usual.errors),
            header_list: size("http2_header_list", KIB, MIB).unwrap_or(usual.header_list),
            stream_window: size("http2_stream_window", WINDOW_MIN, WINDOW_MAX).unwrap_or(usual.stream_window),
            connection_window: size("http2_connection_window", WINDOW_MIN, WINDOW_MAX)
                .unwrap_or(usual.connection_window),
            send_buffer: long(size("http2_send_buffer", KIB, 64 * MIB)).unwrap_or(usual.send_buffer),
            frames: frames.unwrap_or(usual.frames),
            ping: section.value("http2_ping", &form::TIMEOUT).unwrap_or(usual.ping),
        }
    }
}
