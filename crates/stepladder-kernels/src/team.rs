//! Threads that wait awake from kernel to kernel.
//!
//! Between two kernels of a pass lie microseconds of bookkeeping; a thread that falls asleep there costs tens of
//! microseconds to wake, each time. A [`Team`] borrows the threads of a rayon pool for one pass: they spin until its leader,
//! the thread that the pass runs on, opens the next job.

use std::{
    any::Any,
    cell::{Cell, UnsafeCell},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    ptr,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

/// Turns of the loop that waits before it lets other threads have the core: some tens of microseconds, after which the gap is
/// not bookkeeping, or the core is wanted.
const SPINS: u32 = 1 << 10;

thread_local! {
    /// The team that this thread leads, if it leads one.
    static LED: Cell<*const Team> = const { Cell::new(ptr::null()) };
}

/// Runs `step` on a thread of the rayon pool around the caller, with `members` more of them ready for its jobs as soon as
/// they have nothing else to do.
pub(crate) fn lead<R: Send>(members: usize, step: impl FnOnce() -> R + Send) -> R {
    let team = Team::new();
    rayon::scope(|scope| {
        for _ in 0..members {
            scope.spawn(|_| team.serve());
        }
        let _leader = Leader::of(&team);
        step()
    })
}

/// Whether this thread leads a team.
pub(crate) fn is_led() -> bool {
    !LED.get().is_null()
}

/// Runs `work` once on this thread, and at the same time once on each member of its team that is ready. False, without having
/// run it, where this thread leads none, or the team is at work already.
pub(crate) fn run(work: &(dyn Fn() + Sync)) -> bool {
    // Safety: the pointer is set by `Leader`, which borrows the team and takes the pointer back when it is dropped.
    let team = unsafe { LED.get().as_ref() };
    team.is_some_and(|team| team.run(work))
}

/// A leader's jobs for its members.
struct Team {
    /// The number of the job that members may begin; 0 if there is none.
    open: AtomicUsize,
    /// Members that are at the open job, or about to see that it is closed.
    active: AtomicUsize,
    /// Written by the leader, while no job is open and no member active; read by members that are active at an open job.
    job: UnsafeCell<*const (dyn Fn() + Sync)>,
    /// Jobs so far; the leader's own.
    jobs: Cell<usize>,
    /// Whether the leader is within a job; its own.
    busy: Cell<bool>,
    /// No more jobs will come.
    over: AtomicBool,
    /// What the first member that panicked said.
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

// Safety: members use the atomics, the mutex, and `job` under the protocol of `open` and `active`; `jobs` and `busy` are used
// on the leader's thread alone, since only `LED` leads to `Team::run`.
unsafe impl Sync for Team {}

impl Team {
    fn new() -> Team {
        Team {
            open: AtomicUsize::new(0),
            active: AtomicUsize::new(0),
            job: UnsafeCell::new(&(|| {})),
            jobs: Cell::new(0),
            busy: Cell::new(false),
            over: AtomicBool::new(false),
            panic: Mutex::new(None),
        }
    }

    fn run(&self, work: &(dyn Fn() + Sync)) -> bool {
        if self.busy.replace(true) {
            return false;
        }
        self.jobs.set(self.jobs.get() + 1);
        // Safety: no job is open and no member is active, so nobody reads; and `work` lives until this function ends, before
        // which `Closing` has seen every member leave it.
        unsafe {
            *self.job.get() = std::mem::transmute::<&(dyn Fn() + Sync), &(dyn Fn() + Sync)>(work);
        }
        self.open.store(self.jobs.get(), Ordering::SeqCst);
        {
            let _closing = Closing(self);
            work();
        }
        let panic = self.panic.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
        true
    }

    /// A member's part: each job once, until the leader has no more.
    fn serve(&self) {
        let (mut last, mut turns) = (0, 0);
        while !self.over.load(Ordering::Acquire) {
            let open = self.open.load(Ordering::SeqCst);
            if open == 0 || open == last {
                turns += 1;
                if turns < SPINS {
                    std::hint::spin_loop();
                } else {
                    std::thread::yield_now();
                }
                continue;
            }
            // The leader closes a job before it looks for active members. Either it sees this one and waits, or this one sees
            // that the job is closed.
            self.active.fetch_add(1, Ordering::SeqCst);
            if self.open.load(Ordering::SeqCst) == open {
                // Safety: the leader waits for this member, which is active, before it lets go of the job.
                let work = unsafe { &**self.job.get() };
                if let Err(panic) = catch_unwind(AssertUnwindSafe(work)) {
                    *self.panic.lock().unwrap_or_else(PoisonError::into_inner) = Some(panic);
                }
            }
            self.active.fetch_sub(1, Ordering::Release);
            (last, turns) = (open, 0);
        }
    }
}

/// Ends a job, even by a panic, when all members have left it.
struct Closing<'a>(&'a Team);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.open.store(0, Ordering::SeqCst);
        while self.0.active.load(Ordering::SeqCst) > 0 {
            std::hint::spin_loop();
        }
        self.0.busy.set(false);
    }
}

/// Makes this thread a team's leader for as long as it lives, and lets the members go in the end.
struct Leader<'a> {
    team: &'a Team,
    before: *const Team,
}

impl<'a> Leader<'a> {
    fn of(team: &'a Team) -> Leader<'a> {
        Leader {
            team,
            before: LED.replace(team),
        }
    }
}

impl Drop for Leader<'_> {
    fn drop(&mut self) {
        LED.set(self.before);
        self.team.over.store(true, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(threads: usize) -> rayon::ThreadPool {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap()
    }

    /// Counts up to `items`, as kernels do.
    fn count(items: usize, work: impl Fn(usize) + Sync) -> bool {
        let next = AtomicUsize::new(0);
        run(&|| {
            loop {
                let item = next.fetch_add(1, Ordering::Relaxed);
                if item >= items {
                    break;
                }
                work(item);
            }
        })
    }

    #[test]
    fn every_item_of_every_job_is_done_before_the_next_job() {
        for threads in [1, 2, 3, 8] {
            pool(threads).install(|| {
                lead(threads - 1, || {
                    let mut sums = vec![0_usize; 300];
                    for (job, sum) in sums.iter_mut().enumerate() {
                        let total = AtomicUsize::new(0);
                        assert!(count(job, |item| {
                            total.fetch_add(item + 1, Ordering::Relaxed);
                        }));
                        *sum = total.into_inner();
                    }
                    for (job, sum) in sums.into_iter().enumerate() {
                        assert_eq!(sum, job * (job + 1) / 2, "{threads} threads");
                    }
                });
            });
        }
    }

    #[test]
    fn without_a_leader_or_within_a_job_nothing_is_run() {
        assert!(!count(1, |_| panic!("nobody leads")));
        pool(2).install(|| {
            lead(1, || {
                assert!(is_led());
                // A member leads no team, and the leader is busy.
                assert!(count(20, |_| assert!(!count(1, |_| panic!("within a job")))));
            });
        });
        assert!(!is_led());
    }

    #[test]
    fn a_panic_reaches_the_leader_and_the_threads_live_on() {
        let pool = pool(3);
        for culprit in [0, 50, 99] {
            let outcome = catch_unwind(AssertUnwindSafe(|| {
                pool.install(|| {
                    lead(2, || {
                        count(100, |item| assert_ne!(item, culprit, "as planned"));
                    })
                })
            }));
            assert!(outcome.is_err());
        }
        assert_eq!(pool.install(|| lead(2, || 7)), 7);
    }

    #[test]
    fn teams_can_lead_side_by_side() {
        let pool = pool(4);
        let done = AtomicUsize::new(0);
        pool.scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|_| {
                    lead(3, || {
                        for _ in 0..50 {
                            count(10, |_| {
                                done.fetch_add(1, Ordering::Relaxed);
                            });
                        }
                    });
                });
            }
        });
        assert_eq!(done.into_inner(), 6 * 50 * 10);
    }
}
