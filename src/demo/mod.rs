//! The other side of every wire: a small shop as origin, and stand-ins for Segment and impact.com.
//!
//! They speak the documented protocols with their errors, listen on loopback only, and remember what they were sent. The demo is
//! made of them, and the integration tests lean on them: what a stand-in answers can be [scripted](Script), down to a
//! cut connection.
//!
//! **Invariant:** a stand-in knows nothing of the proxy in front of it; it sees requests, as the real one would.

mod door;
mod exchange;
pub mod impact;
mod script;
mod seen;
pub mod segment;
pub mod shop;

pub use impact::Impact;
pub use script::{Answer, Script};
pub use seen::Seen;
pub use segment::Segment;
pub use shop::Shop;
