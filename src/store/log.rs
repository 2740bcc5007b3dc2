//! The write-ahead log, as far as it must be known to see that it is damaged: SQLite takes the first frame that is not
//! what was written for the log's end, and says nothing of what was acknowledged behind it.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::Path;

const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
/// The first word of a log; its last bit says in which byte order sums are made.
const MAGIC: u32 = 0x377f_0682;

/// What is in a log.
#[derive(Debug, Default)]
pub(super) struct Log {
    pages: HashSet<i64>,
    /// Whether transactions that were complete lie behind a frame that is damaged: they are lost.
    pub(super) is_broken: bool,
}

impl Log {
    /// Reads the log beside a database; one that is not there is empty.
    pub(super) fn read(path: &Path) -> io::Result<Self> {
        match fs::read(path) {
            Ok(bytes) => Ok(Self::of(&bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }

    /// Whether it has a frame of this page.
    pub(super) fn holds(&self, page: i64) -> bool {
        self.pages.contains(&page)
    }

    fn of(bytes: &[u8]) -> Self {
        let mut log = Self::default();
        let Some((header, frames)) = bytes.split_at_checked(HEADER) else { return log };
        let (magic, page_size) = (word(header, 0), word(header, 8) as usize);
        let is_log = magic & !1 == MAGIC && page_size.is_power_of_two() && (512..=65_536).contains(&page_size);
        let mut sum = Sum { is_big: magic & 1 == 1, words: [0, 0] };
        sum.add(header.get(..24).unwrap_or_default());
        if !is_log || sum.words != [word(header, 24), word(header, 28)] {
            // It is synced before the first frame is written: a header that is wrong was right.
            log.is_broken = header.iter().any(|byte| *byte != 0);
            return log;
        }
        let salts = header.get(16..24);
        // One transaction may have been under way when the power failed; it has one commit.
        let mut lost_commits = 0;
        let mut is_whole = true;
        for frame in frames.chunks_exact(FRAME_HEADER + page_size) {
            if frame.get(8..16) != salts {
                is_whole = false;
                continue;
            }
            sum.add(frame.get(..8).unwrap_or_default());
            sum.add(frame.get(FRAME_HEADER..).unwrap_or_default());
            is_whole &= sum.words == [word(frame, 16), word(frame, 20)];
            if is_whole {
                log.pages.insert(i64::from(word(frame, 0)));
            } else if word(frame, 4) != 0 {
                lost_commits += 1;
            }
        }
        log.is_broken = lost_commits > 1;
        log
    }
}

/// SQLite's running sum of a log.
struct Sum {
    is_big: bool,
    words: [u32; 2],
}

impl Sum {
    fn add(&mut self, bytes: &[u8]) {
        let read = if self.is_big { u32::from_be_bytes } else { u32::from_le_bytes };
        let [mut one, mut two] = self.words;
        for pair in bytes.as_chunks::<8>().0 {
            let [a, b, c, d, e, f, g, h] = *pair;
            one = one.wrapping_add(read([a, b, c, d])).wrapping_add(two);
            two = two.wrapping_add(read([e, f, g, h])).wrapping_add(one);
        }
        self.words = [one, two];
    }
}

/// The big-endian word at `at`.
fn word(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(|bytes| bytes.first_chunk()).map_or(0, |word| u32::from_be_bytes(*word))
}
