//! What a visit leaves behind.

/// A request for the site, as far as clicks are concerned.
pub struct Visit;
/// What to do with the click of a visit.
pub struct Capture;
/// Decides.
pub fn decide() {}
