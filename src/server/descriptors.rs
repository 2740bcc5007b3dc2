//! File descriptors: each connection takes one, and the way to its origin another.

use super::limits::Limits;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What store, listeners and deliveries take, with room to spare.
const OTHERS: u64 = 256;

/// Takes as many as the system gives: what shells and service managers set first (often 1,024) is meant for programs that
/// still use `select`. Says so when even that is too little for the limit of connections.
pub fn raise(limits: &Limits) {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
    {
        tracing::warn!(%error, "the limit of open files cannot be raised");
    }
    let connections = u64::try_from(limits.connections).unwrap_or(u64::MAX);
    let needed = connections.saturating_mul(2).saturating_add(OTHERS);
    if let Some(open_files) = getrlimit(Resource::Nofile).current
        && open_files < needed
    {
        tracing::warn!(
            open_files,
            needed,
            connections,
            "too few files may be open for that many connections: raise the limit (`ulimit -n`, LimitNOFILE), or lower \
             `connections` of [limits]"
        );
    }
}
