//! What every kernel runs in: the instruction set, the threads, and the memory that is reused.
//!
//! Work is cut into items by the shape alone, never by the number of threads; an item's result does not depend on who
//! computes it, and sums over items are taken in the items' order. So the same input gives the same bytes on any
//! number of threads.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::{
    buffer::BufferPool,
    isa::{Isa, UnknownIsa},
    team,
};

/// Why a [`Context`] could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ContextError {
    /// The environment names an instruction set that does not exist.
    #[error("{variable}: {0}", variable = crate::isa::ISA_VARIABLE)]
    Isa(#[from] UnknownIsa),
    /// The system refused the threads.
    #[error("cannot start {threads} threads: {source}; ask for fewer")]
    Threads {
        /// How many were asked for.
        threads: usize,
        /// What the thread pool said.
        source: rayon::ThreadPoolBuildError,
    },
}

/// Instruction set, threads and memory of the kernels.
#[derive(Debug)]
pub struct Context {
    isa: Isa,
    threads: Threads,
    buffers: BufferPool,
}

/// Who does the work.
#[derive(Debug)]
enum Threads {
    /// The caller alone.
    Caller,
    /// A pool of the context's own.
    Own(rayon::ThreadPool),
    /// The pool that the caller is in at that time.
    Callers,
}

impl Context {
    /// `threads` threads (at least one) on the best instruction set of this CPU, capped by [`crate::ISA_VARIABLE`].
    ///
    /// # Errors
    ///
    /// The variable names no instruction set, or the system refuses the threads.
    pub fn new(threads: usize) -> Result<Context, ContextError> {
        Self::with_isa(Isa::from_environment()?, threads)
    }

    /// `threads` threads (at least one) on `isa`, or on the best below it that this CPU can run.
    ///
    /// # Errors
    ///
    /// The system refuses the threads.
    pub fn with_isa(isa: Isa, threads: usize) -> Result<Context, ContextError> {
        let pool = (threads > 1)
            .then(|| {
                rayon::ThreadPoolBuilder::new()
                    .num_threads(threads)
                    .thread_name(|i| format!("kernels-{i}"))
                    .build()
                    .map_err(|source| ContextError::Threads { threads, source })
            })
            .transpose()?;
        Ok(Context {
            isa: Isa::capped(isa),
            threads: pool.map_or(Threads::Caller, Threads::Own),
            buffers: BufferPool::new(),
        })
    }

    /// The threads of whichever rayon pool a kernel's caller is in (outside all, rayon's global one), on `isa` or on the
    /// best below it that this CPU can run. For a program that installs its own pool around all its work: kernels then
    /// wake no threads beside it.
    pub fn on_callers_pool(isa: Isa) -> Context {
        Context {
            isa: Isa::capped(isa),
            threads: Threads::Callers,
            buffers: BufferPool::new(),
        }
    }

    /// The instruction set that kernels run on.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// The number of threads.
    pub fn threads(&self) -> usize {
        match &self.threads {
            Threads::Caller => 1,
            Threads::Own(pool) => pool.current_num_threads(),
            Threads::Callers => rayon::current_num_threads(),
        }
    }

    /// The memory that kernels and their callers share.
    pub fn buffers(&self) -> &BufferPool {
        &self.buffers
    }

    /// Runs `step` on one of the context's threads. A kernel called outside wakes the threads and waits for them, some
    /// ten microseconds each time; inside, its caller is one of them.
    pub fn enter<R: Send>(&self, step: impl FnOnce() -> R + Send) -> R {
        match &self.threads {
            Threads::Own(pool) => pool.install(step),
            Threads::Caller | Threads::Callers => step(),
        }
    }

    /// Runs `step`, a pass of many kernels, on one of the context's threads, while the others wait awake for what it has for
    /// them. They then need no waking from one kernel to the next, which in a pass over one photo would take as long as some
    /// of the kernels. Threads that are busy with something else are not waited for.
    pub fn together<R: Send>(&self, step: impl FnOnce() -> R + Send) -> R {
        let threads = self.threads();
        if threads <= 1 || team::is_led() {
            return step();
        }
        self.enter(|| team::lead(threads - 1, step))
    }

    /// Calls `work` once for each item below `items`, on all threads, in no set order.
    pub(crate) fn for_each(&self, items: usize, work: impl Fn(usize) + Sync) {
        let threads = self.threads().min(items);
        if threads <= 1 {
            return (0..items).for_each(work);
        }
        let next = AtomicUsize::new(0);
        // Relaxed: the counter only hands out numbers; the scope's end orders the items' writes before the return.
        let take = || {
            loop {
                let item = next.fetch_add(1, Ordering::Relaxed);
                if item >= items {
                    break;
                }
                work(item);
            }
        };
        if team::run(&take) {
            return;
        }
        self.enter(|| {
            rayon::scope(|scope| {
                for _ in 1..threads {
                    scope.spawn(|_| take());
                }
                take();
            });
        });
    }

    /// As [`Context::for_each`], giving each item its own part of `data`: `part` values, the last perhaps fewer.
    pub(crate) fn for_each_part<T: Send>(
        &self,
        data: &mut [T],
        part: usize,
        work: impl Fn(usize, &mut [T]) + Sync,
    ) {
        let shared = Shared::new(data);
        self.for_each(shared.length.div_ceil(part), |item| {
            let start = item * part;
            let length = part.min(shared.length - start);
            // Safety: items take disjoint ranges, and each item runs once.
            work(item, unsafe { shared.slice(start, length) });
        });
    }
}

/// A slice that several threads write to, each in places of its own.
pub(crate) struct Shared<'a, T> {
    start: *mut T,
    length: usize,
    of: std::marker::PhantomData<&'a mut [T]>,
}

// Safety: sending a Shared sends only the right to make disjoint `&mut [T]`, which is sound where T is Send; each use
// states why its ranges are disjoint.
unsafe impl<T: Send> Send for Shared<'_, T> {}
// Safety: as above.
unsafe impl<T: Send> Sync for Shared<'_, T> {}

impl<'a, T> Shared<'a, T> {
    /// Takes the slice for as long as the threads write to it.
    pub(crate) fn new(data: &'a mut [T]) -> Self {
        Shared {
            start: data.as_mut_ptr(),
            length: data.len(),
            of: std::marker::PhantomData,
        }
    }

    /// Where the slice starts; writes through it must stay within the slice and be disjoint among threads.
    #[inline(always)]
    pub(crate) fn start(&self) -> *mut T {
        self.start
    }

    /// A part of the slice.
    ///
    /// # Safety
    ///
    /// No other access to the same range happens while the returned slice lives.
    #[allow(clippy::mut_from_ref, reason = "the caller promises disjoint ranges")]
    pub(crate) unsafe fn slice(&self, start: usize, length: usize) -> &mut [T] {
        assert!(start <= self.length && length <= self.length - start);
        // Safety: the range is inside the slice, by the assertion; the caller promises that it is unaliased.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(start), length) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_runs_once() {
        for threads in [1, 2, 3, 8] {
            let context = Context::with_isa(Isa::Portable, threads).unwrap();
            let mut counts = vec![0_u32; 1003];
            context.for_each_part(&mut counts, 10, |item, part| {
                part.iter_mut()
                    .for_each(|count| *count += 1 + item as u32 / 100_000);
            });
            assert!(counts.iter().all(|count| *count == 1));
        }
    }

    #[test]
    fn a_context_can_work_in_its_callers_pool() {
        let context = Context::on_callers_pool(Isa::Portable);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
        let sum = AtomicUsize::new(0);
        pool.install(|| {
            assert_eq!(context.threads(), 3);
            context.for_each(100, |item| {
                assert_eq!(rayon::current_num_threads(), 3);
                sum.fetch_add(item, Ordering::Relaxed);
            });
        });
        assert_eq!(sum.into_inner(), 4950);
    }
}
