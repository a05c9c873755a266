//! The board: all runs as they were at the last look, kept up to date by a thread of its own.
//!
//! Runs in training and runs that a page shows are looked at closely and often; the others, and the folders for new ones, now and then, so
//! that looking costs a training little.

use crate::run::{RunView, WatchedRun};
use crate::search::{self, Found};
use crate::state::State;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How often runs at work and runs that are shown are looked at.
const CLOSELY: Duration = Duration::from_millis(400);

/// How often all others are, and the folders.
const NOW_AND_THEN: Duration = Duration::from_secs(3);

/// The most pieces of a log that are read at one look.
const PIECES: usize = 64;

/// How long a page's wish to see a run lasts; pages renew it.
const WISH: Duration = Duration::from_secs(10);

/// All runs, at one moment.
#[derive(Debug, Default)]
pub(crate) struct Runs {
    pub views: Vec<Arc<RunView>>,
}

impl Runs {
    pub fn get(&self, id: &str) -> Option<&Arc<RunView>> {
        self.views.iter().find(|view| view.id == id)
    }

    /// The run that whoever asks for none wants to see: the one that began to train last, else the last one.
    pub fn foremost(&self) -> Option<&Arc<RunView>> {
        self.views
            .iter()
            .max_by_key(|view| (view.state == State::Training, view.started, &view.name))
    }
}

/// The runs that pages show, and until when.
#[derive(Debug, Default)]
struct Wishes(Mutex<HashMap<String, Instant>>);

impl Wishes {
    fn add(&self, id: &str) {
        let mut wishes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        wishes.insert(id.to_string(), Instant::now() + WISH);
    }

    fn has(&self, id: &str) -> bool {
        let mut wishes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        wishes.retain(|_, until| *until > now);
        wishes.contains_key(id)
    }
}

/// The board, and the thread that keeps it.
pub(crate) struct Board {
    runs: watch::Receiver<Arc<Runs>>,
    wishes: Arc<Wishes>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Board {
    /// Looks once, and goes on looking until the board is dropped.
    ///
    /// # Errors
    ///
    /// The system refuses a thread.
    pub fn start(roots: Vec<PathBuf>) -> std::io::Result<Board> {
        let mut watched = Watched::new(roots);
        let wishes = Arc::<Wishes>::default();
        watched.look(&wishes);
        let (sender, runs) = watch::channel(watched.published());
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, wished) = (Arc::clone(&stop), Arc::clone(&wishes));
        let thread = std::thread::Builder::new()
            .name("lookout".into())
            .spawn(move || {
                while !stopped.load(Ordering::Relaxed) {
                    // Stopping does not wait for the next look.
                    std::thread::park_timeout(CLOSELY);
                    if watched.look(&wished) {
                        sender.send_replace(watched.published());
                    }
                }
            })?;
        Ok(Board {
            runs,
            wishes,
            stop,
            thread: Some(thread),
        })
    }

    /// The runs, and a sign whenever they change.
    pub fn runs(&self) -> watch::Receiver<Arc<Runs>> {
        self.runs.clone()
    }

    /// The runs as they are.
    pub fn now(&self) -> Arc<Runs> {
        Arc::clone(&self.runs.borrow())
    }

    /// Looks at a run closely for a while.
    pub fn wish(&self, id: &str) {
        self.wishes.add(id);
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

/// The runs that are looked at.
struct Watched {
    roots: Vec<PathBuf>,
    runs: Vec<(WatchedRun, Arc<RunView>)>,
    /// When all of them were last looked at.
    all: Option<Instant>,
}

impl Watched {
    fn new(roots: Vec<PathBuf>) -> Watched {
        Watched {
            roots,
            runs: Vec::new(),
            all: None,
        }
    }

    /// Looks at what is due; true if something changed.
    fn look(&mut self, wishes: &Wishes) -> bool {
        let mut changed = false;
        let all = self.all.is_none_or(|all| all.elapsed() >= NOW_AND_THEN);
        if all {
            changed |= self.find();
        }
        for (run, view) in &mut self.runs {
            let close = run.view().state == State::Training || wishes.has(&view.id);
            // A run that is done changes no more.
            let due = all && !run.view().state.is_done();
            if !close && !due {
                continue;
            }
            // A long log takes several looks, and the page need not see it grow.
            for _ in 0..PIECES {
                if !run.look(close) {
                    break;
                }
            }
            if *run.view() != **view {
                *view = Arc::new(run.view().clone());
                changed = true;
            }
        }
        if all {
            self.all = Some(Instant::now());
        }
        changed
    }

    /// Finds new runs and forgets those that are gone; true if there are any.
    fn find(&mut self) -> bool {
        let found = search::runs(&self.roots);
        let before = self.runs.len();
        let there: HashMap<&Path, _> = found
            .iter()
            .map(|found| (found.path.as_path(), found.made))
            .collect();
        self.runs
            .retain(|(run, view)| there.get(view.path.as_path()) == Some(&run.made()));
        let mut changed = self.runs.len() != before;
        let known: HashSet<PathBuf> = self.runs.iter().map(|(_, view)| view.path.clone()).collect();
        for found in found.iter().filter(|found| !known.contains(&found.path)) {
            self.add(found);
            changed = true;
        }
        changed
    }

    fn add(&mut self, found: &Found) {
        let mut run = WatchedRun::new(found);
        run.look(false);
        let view = Arc::new(run.view().clone());
        self.runs.push((run, view));
    }

    fn published(&self) -> Arc<Runs> {
        Arc::new(Runs {
            views: self.runs.iter().map(|(_, view)| Arc::clone(view)).collect(),
        })
    }
}
