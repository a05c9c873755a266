//! How long work reports its progress: a trait that the command line implements with a bar.

/// Told how far a pass over the photos is. Called from one thread at a time.
pub trait Progress: Sync {
    /// `total` steps of `what` begin, such as 3,666 of "photos".
    fn start(&self, total: u64, what: &str);
    /// `n` more steps are done.
    fn advance(&self, n: u64);
    /// The pass has ended, whether all of it was done or not.
    fn finish(&self);
    /// Asked between steps; once it is true the work stops with [`DataError::Cancelled`](crate::DataError::Cancelled).
    fn is_cancelled(&self) -> bool {
        false
    }
}

/// Reports nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoProgress;

impl Progress for NoProgress {
    fn start(&self, _total: u64, _what: &str) {}
    fn advance(&self, _n: u64) {}
    fn finish(&self) {}
}
