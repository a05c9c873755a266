//! File descriptors: each connection takes one, and the rest of the program needs some for itself, to read a newer model for example.

/// Kept for everything but connections.
const RESERVE: u64 = 64;

/// How many connections the system has descriptors for. Raises the limit of this process as far as it may.
#[cfg(unix)]
pub(crate) fn for_connections() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    let limit = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => maximum,
        Err(_) => current,
    };
    // None is no limit.
    let left = limit.map_or(u64::MAX, |limit| limit.saturating_sub(RESERVE).max(1));
    usize::try_from(left)
        .unwrap_or(usize::MAX)
        .min(tokio::sync::Semaphore::MAX_PERMITS)
}

#[cfg(not(unix))]
pub(crate) fn for_connections() -> usize {
    tokio::sync::Semaphore::MAX_PERMITS
}
