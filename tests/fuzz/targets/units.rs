//! Durations and sizes: what is read is printed so that it is read again.

use selvedge::units::{DURATION_MAX, duration, print_duration, print_size, size};

pub fn target(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(read) = duration(text) {
        assert!(read <= DURATION_MAX);
        assert_eq!(duration(&print_duration(read)), Ok(read));
    }
    if let Ok(read) = size(text) {
        assert_eq!(size(&print_size(read)), Ok(read));
    }
}
