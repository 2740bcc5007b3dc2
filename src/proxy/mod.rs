//! The proxy's flows: a visit to the site, a call to Segment.
//!
//! **Invariant:** bodies stream; nothing here holds a whole body of the site's.
//! **Invariant:** where a request goes is decided by the configuration, never by what the visitor wrote.
//! **Invariant:** only [`rescue`] chooses a status of our own, and [`Https`] one that redirects.

pub mod body;
pub mod cacheable;
pub mod calls;
pub mod config;
#[doc = include_str!("conformance.md")]
pub mod conformance {}
pub mod edge;
pub mod forwarded;
pub mod headers;
mod hops;
pub mod host;
mod http2;
mod https;
mod idle;
mod landing;
mod missed;
mod patience;
pub mod regions;
pub mod rescue;
pub mod route;
pub mod shared;
pub mod shown;
pub mod site;
mod stopwatch;
pub mod trust;
pub mod tunnel;
pub mod upstream;
mod websocket;

pub use body::Body;
pub use calls::{Caller, Calls, Recorder};
pub use config::{HostMode, Site};
pub use edge::{Edge, Parts};
pub use forwarded::{Peer, VisitorFacts};
pub use https::Https;
pub use missed::Courier;
pub use patience::Pace;
pub use regions::Regions;
pub use shared::Shared;
pub use shown::ShownIp;
pub use trust::Trust;
pub use tunnel::Hold;
pub use upstream::{Protocol, Upstream, Waits};
