//! The checkpoints of a run: where they lie, which can be used, which are kept, and the thread that writes them.
//!
//! `checkpoints/step-<n>.safetensors` are the last two; `checkpoints/best-<epoch>.safetensors` are the best weights that they refer
//! to. One is written at a time, while training goes on.

use crate::checkpoint::{Checkpoint, Snapshot, read_sealed, write_sealed};
use crate::error::TrainError;
use crate::log::Log;
use crate::room::when_there_is_room;
use crate::training::Observer;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::{Scope, ScopedJoinHandle};
use stepladder_nn::Array;
use stepladder_run::RunDirectory;

/// How many checkpoints are kept beside that of the last epoch's end: the second is for the day when the first cannot be read.
const KEPT: usize = 2;

/// The file of the checkpoint at `step`.
pub(crate) fn checkpoint_path(run: &RunDirectory, step: u64) -> PathBuf {
    run.checkpoints().join(format!("step-{step:09}.safetensors"))
}

/// The file of the best weights, found in `epoch`.
pub(crate) fn best_path(run: &RunDirectory, epoch: usize) -> PathBuf {
    run.checkpoints().join(format!("best-{epoch:05}.safetensors"))
}

/// A checkpoint with everything that it refers to.
#[derive(Debug)]
pub(crate) struct Restored {
    pub snapshot: Snapshot,
    pub best: Option<Vec<Array>>,
    pub steps: Log,
    pub epochs: Log,
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Log({} bytes)", self.length())
    }
}

/// The newest checkpoint that is whole; `None` if there is none. Those passed over are said.
pub(crate) fn newest(run: &RunDirectory, observer: &dyn Observer) -> Result<Option<Restored>, TrainError> {
    let found = listed(run, "step-")?;
    let any = !found.is_empty();
    for path in found.into_iter().rev() {
        match restore(run, &path) {
            Ok(restored) => return Ok(Some(restored)),
            Err(error) => observer.note(&format!(
                "{} cannot be used ({error}); going back to the one before",
                path.display()
            )),
        }
    }
    if any {
        observer.note("no checkpoint is whole; training starts from its first step");
    }
    Ok(None)
}

/// A checkpoint, with the logs cut back to it.
pub(crate) fn restore(run: &RunDirectory, path: &Path) -> Result<Restored, TrainError> {
    let snapshot = Snapshot::read(path)?;
    let best = match snapshot.place.best_epoch {
        Some(epoch) => Some(read_sealed::<usize>(&best_path(run, epoch))?.1),
        None => None,
    };
    Ok(Restored {
        best,
        steps: Log::open(&run.steps(), snapshot.place.steps_bytes)?,
        epochs: Log::open(&run.epochs(), snapshot.place.epochs_bytes)?,
        snapshot,
    })
}

/// The files in the folder of checkpoints whose names begin so, oldest first.
fn listed(run: &RunDirectory, prefix: &str) -> Result<Vec<PathBuf>, TrainError> {
    let folder = run.checkpoints();
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(TrainError::write(&folder, source)),
    };
    let begins = |path: &PathBuf| {
        path.file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with(prefix))
    };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(begins);
    paths.sort();
    Ok(paths)
}

/// What one write puts down.
pub(crate) struct Job {
    pub snapshot: Snapshot,
    /// New best weights, which the snapshot refers to.
    pub best: Option<(usize, Arc<[Array]>)>,
    /// Logs whose content must be on the disk before the checkpoint is.
    pub logs: [File; 2],
}

/// Writes checkpoints, one at a time, on a thread of its own.
pub(crate) struct Writer<'scope, 'env> {
    scope: &'scope Scope<'scope, 'env>,
    run: &'env RunDirectory,
    observer: &'env dyn Observer,
    interrupt: &'env AtomicBool,
    writing: Option<ScopedJoinHandle<'scope, Result<(), TrainError>>>,
    /// The checkpoints that stay, each with the epoch of its best weights.
    kept: Vec<(PathBuf, Option<usize>)>,
}

impl<'scope, 'env> Writer<'scope, 'env> {
    /// A writer for a run whose newest usable checkpoint, if any, is `from`.
    pub fn new(
        scope: &'scope Scope<'scope, 'env>,
        run: &'env RunDirectory,
        observer: &'env dyn Observer,
        interrupt: &'env AtomicBool,
        from: Option<Checkpoint>,
    ) -> Writer<'scope, 'env> {
        let from = from.iter().flat_map(|place| {
            // The best weights were the same at the last epoch's end: only the end of an epoch finds better ones.
            let anchor = place.anchor.filter(|anchor| *anchor != place.step);
            anchor
                .into_iter()
                .chain([place.step])
                .map(|step| (step, place.best_epoch))
        });
        let kept = from.map(|(step, best)| (checkpoint_path(run, step), best));
        Writer {
            scope,
            run,
            observer,
            interrupt,
            writing: None,
            kept: kept.collect(),
        }
    }

    /// Keeps none of those written so far once the next is there.
    pub fn forget(&mut self) {
        self.kept.clear();
    }

    /// Whether a checkpoint is being written.
    pub fn is_busy(&self) -> bool {
        self.writing
            .as_ref()
            .is_some_and(|writing| !writing.is_finished())
    }

    /// Starts to write, once the one before is done.
    pub fn write(&mut self, job: Job) -> Result<(), TrainError> {
        self.wait()?;
        let path = checkpoint_path(self.run, job.snapshot.place.step);
        self.kept.retain(|(kept, _)| *kept != path);
        self.kept.push((path.clone(), job.snapshot.place.best_epoch));
        let anchor = job
            .snapshot
            .place
            .anchor
            .map(|step| checkpoint_path(self.run, step));
        let mut surplus = self.kept.len().saturating_sub(KEPT);
        self.kept.retain(|(kept, _)| {
            let goes = surplus > 0 && anchor.as_ref() != Some(kept);
            surplus = surplus.saturating_sub(1);
            !goes
        });

        let (run, observer, interrupt) = (self.run, self.observer, self.interrupt);
        let kept = self.kept.clone();
        self.writing = Some(self.scope.spawn(move || {
            put_down(run, &path, job, observer, interrupt)?;
            prune(run, &kept)
        }));
        Ok(())
    }

    /// Waits until everything is on the disk.
    pub fn wait(&mut self) -> Result<(), TrainError> {
        match self.writing.take().map(ScopedJoinHandle::join) {
            None => Ok(()),
            Some(Ok(outcome)) => outcome,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
        }
    }
}

/// Logs, then best weights, then the checkpoint that refers to both.
fn put_down(
    run: &RunDirectory,
    path: &Path,
    job: Job,
    observer: &dyn Observer,
    interrupt: &AtomicBool,
) -> Result<(), TrainError> {
    for log in &job.logs {
        let synced = || {
            log.sync_data()
                .map_err(|source| TrainError::write(run.path(), source))
        };
        when_there_is_room(observer, interrupt, synced)?;
    }
    if let Some((epoch, weights)) = job.best {
        let write = || write_sealed(&best_path(run, epoch), &epoch, &weights);
        when_there_is_room(observer, interrupt, write)?;
    }
    when_there_is_room(observer, interrupt, || job.snapshot.write(path))
}

/// Removes what only a training in progress needs.
pub(crate) fn remove_checkpoints(run: &RunDirectory) {
    // What cannot be removed costs space, and nothing else.
    let _ = prune(run, &[]);
    let _ = std::fs::remove_dir(run.checkpoints());
}

/// Removes checkpoints and best weights that nothing needs any more.
fn prune(run: &RunDirectory, kept: &[(PathBuf, Option<usize>)]) -> Result<(), TrainError> {
    let best = kept.iter().filter_map(|(_, best)| *best);
    let mut needed: Vec<PathBuf> = best.map(|epoch| best_path(run, epoch)).collect();
    needed.extend(kept.iter().map(|(path, _)| path.clone()));
    let mut found = listed(run, "step-")?;
    found.extend(listed(run, "best-")?);
    // What a kill left half written in the folder is removed with them.
    found.extend(listed(run, ".stepladder-")?);
    for path in found.iter().filter(|path| !needed.contains(path)) {
        // A file that cannot be removed costs space, and nothing else.
        let _ = std::fs::remove_file(path);
    }
    Ok(())
}
