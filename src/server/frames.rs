//! The frames of HTTP/2 that a visitor sends beside its requests: as many as anybody needs, and no flood of them.
//!
//! Each PING and SETTINGS costs an answer, and those that h2 ignores cost the looking. Who asks for something pays with it;
//! what is left is a budget that time and useful bytes renew.

/// What HTTP/2 begins with (RFC 9113 §3.4): no frame.
const PREFACE_BYTES: usize = 24;
/// The head of a frame (RFC 9113 §4.1).
const HEAD_BYTES: usize = 9;
/// The types of frames that are counted elsewhere: DATA, HEADERS and CONTINUATION by h2, RST_STREAM by its limit of resets;
/// WINDOW_UPDATE needs no answer, and comes with what was read.
const COUNTED_ELSEWHERE: [u8; 5] = [0x0, 0x1, 0x3, 0x8, 0x9];
/// How long one more takes: 20 a second, for whoever keeps a connection alive by them.
const RENEWED_EVERY_MS: u64 = 50;
/// How many bytes that go either way are worth one more: clients measure the line by pings while bodies pass.
const RENEWED_BY_BYTES: u64 = 1024;

/// Reads the heads of a connection's frames as its bytes come in.
#[derive(Debug)]
pub(super) struct Frames {
    head: [u8; HEAD_BYTES],
    /// How much of the head is there.
    read: usize,
    /// What goes by unread: the preface, and the payload of the frame whose head was read.
    skip: usize,
    /// How many other frames may come at once: a browser sends a dozen, a gRPC client one for each round trip.
    most: u64,
    /// How many of them may still come.
    budget: u64,
    /// Useful bytes that have not renewed the budget yet.
    bytes: u64,
    /// Until when time has renewed it, in milliseconds since the connection began.
    renewed_at: u64,
}

impl Frames {
    /// For a connection on which `most` frames that ask for nothing may come at once.
    pub(super) fn new(most: u32) -> Self {
        let most = u64::from(most);
        Self { head: [0; HEAD_BYTES], read: 0, skip: PREFACE_BYTES, most, budget: most, bytes: 0, renewed_at: 0 }
    }

    /// These bytes have come in, so long after the connection began; whether that was one frame too many.
    pub(super) fn are_flood(&mut self, mut bytes: &[u8], now: u64) -> bool {
        self.passed(bytes.len());
        while !bytes.is_empty() {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = bytes.get(skipped..).unwrap_or_default();
            let fits = bytes.len().min(HEAD_BYTES - self.read);
            let (more, rest) = bytes.split_at(fits);
            if let Some(place) = self.head.get_mut(self.read..self.read + fits) {
                place.copy_from_slice(more);
            }
            self.read += fits;
            bytes = rest;
            if self.read == HEAD_BYTES && !self.is_affordable(now) {
                return true;
            }
        }
        false
    }

    /// So many bytes have gone either way.
    pub(super) fn passed(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes as u64);
    }

    /// A head is there: what follows it goes by.
    fn is_affordable(&mut self, now: u64) -> bool {
        let [high, middle, low, kind, ..] = self.head;
        self.skip = u32::from_be_bytes([0, high, middle, low]) as usize;
        self.read = 0;
        if COUNTED_ELSEWHERE.contains(&kind) {
            return true;
        }
        if self.budget == 0 {
            self.renew(now);
        }
        match self.budget.checked_sub(1) {
            Some(left) => {
                self.budget = left;
                true
            }
            None => false,
        }
    }

    fn renew(&mut self, now: u64) {
        let by_time = now.saturating_sub(self.renewed_at) / RENEWED_EVERY_MS;
        self.budget = (by_time + self.bytes / RENEWED_BY_BYTES).min(self.most);
        (self.renewed_at, self.bytes) = (now, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PREFACE: &[u8; PREFACE_BYTES] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    const PING: u8 = 6;
    const SETTINGS: u8 = 4;
    const DATA: u8 = 0;

    fn frame(kind: u8, payload: usize) -> Vec<u8> {
        let length = u32::try_from(payload).unwrap().to_be_bytes();
        [&length[1..], &[kind, 0, 0, 0, 0, 0], &vec![PING; payload]].concat()
    }

    fn begun() -> Frames {
        let mut frames = Frames::new(1000);
        assert!(!frames.are_flood(PREFACE, 0));
        frames
    }

    /// How many of them are taken, all at one moment.
    fn taken(frames: &mut Frames, kind: u8, payload: usize, now: u64) -> u64 {
        (0..100_000).find(|_| frames.are_flood(&frame(kind, payload), now)).unwrap_or(u64::MAX)
    }

    #[test]
    fn a_flood_is_more_than_anybody_needs() {
        // What it costs itself is worth little.
        assert!((1000..1000 + 40).contains(&taken(&mut begun(), PING, 8, 0)));
        assert!((1000..1000 + 40).contains(&taken(&mut begun(), SETTINGS, 6, 0)));
        assert_eq!(taken(&mut begun(), DATA, 8, 0), u64::MAX);
    }

    #[test]
    fn time_and_bytes_renew_what_may_be_sent() {
        let spent = || {
            let mut frames = begun();
            assert!((0..1000).all(|_| !frames.are_flood(&frame(PING, 8), 0)));
            frames
        };
        // The pings themselves were 17 KB.
        assert_eq!(taken(&mut spent(), PING, 8, 0), 16);
        assert_eq!(taken(&mut spent(), PING, 8, 1000), 20 + 16);
        let mut served = spent();
        served.passed(10 * 1024);
        assert_eq!(taken(&mut served, PING, 8, 0), 10 + 16);
        assert_eq!(taken(&mut spent(), PING, 8, 1_000_000_000), 1000 + 16, "no more than at first");
    }

    proptest! {
        /// However the bytes come in, as many frames are seen.
        #[test]
        fn frames_are_seen_in_any_pieces(sizes in prop::collection::vec(0_usize..40, 1..60), cut in 1_usize..30) {
            let all: Vec<u8> = PREFACE.iter().copied().chain(sizes.iter().flat_map(|size| frame(PING, *size))).collect();
            let mut frames = Frames::new(1000);
            for piece in all.chunks(cut) {
                prop_assert!(!frames.are_flood(piece, 0));
            }
            prop_assert_eq!(frames.budget, 1000 - sizes.len() as u64);
            prop_assert_eq!((frames.read, frames.skip), (0, 0));
        }
    }
}
