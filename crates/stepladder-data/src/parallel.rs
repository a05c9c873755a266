//! Work on numbered items by several threads, whose results arrive on the calling thread as they come.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crossbeam_channel::Sender;

/// Runs `work` for 0..`count` on `threads` threads and hands each result to `consume` on this one, as they come. Few results wait
/// at any time. The first error of `consume` ends it all.
pub(crate) fn in_parallel<T: Send, E>(
    count: usize,
    threads: usize,
    work: impl Fn(usize) -> T + Sync,
    mut consume: impl FnMut(usize, T) -> Result<(), E>,
) -> Result<(), E> {
    let next = AtomicUsize::new(0);
    let stopped = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (results, arrived) = crossbeam_channel::bounded(threads.max(1));
        for _ in 0..threads.max(1) {
            let results: Sender<(usize, T)> = results.clone();
            scope.spawn(|| {
                let results = results;
                while !stopped.load(Ordering::Relaxed) {
                    let item = next.fetch_add(1, Ordering::Relaxed);
                    // The receiver is gone only after an error.
                    if item >= count || results.send((item, work(item))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(results);
        let outcome = arrived
            .iter()
            .try_for_each(|(item, result)| consume(item, result));
        stopped.store(true, Ordering::Relaxed);
        outcome
    })
}
