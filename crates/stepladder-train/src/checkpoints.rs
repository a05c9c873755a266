//! The checkpoints of a run: where they lie, which can be used, which are kept, and the thread that writes them.
//!
//! `checkpoints/step-<n>.safetensors` are the last two; `checkpoints/best-<epoch>.safetensors` are the best weights that they refer
//! to. One is written at a time, while training goes on.

use crate::checkpoint::{Checkpoint, Snapshot, read_sealed, write_sealed};
use crate::error::TrainError;
use crate::log::FoundLog;
use crate::room::when_there_is_room;
use crate::training::Observer;
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::{Scope, ScopedJoinHandle};
use stepladder_classifier::WeightsError;
use stepladder_nn::Array;
use stepladder_run::{Folder, RunDirectory};

/// How many checkpoints are kept beside that of the last epoch's end: the second is for the day when the first cannot be read.
const KEPT: usize = 2;

/// The file of the checkpoint at `step`.
pub(crate) fn checkpoint_name(step: u64) -> String {
    format!("step-{step:09}.safetensors")
}

/// The file of the best weights, found in `epoch`.
fn best_name(epoch: usize) -> String {
    format!("best-{epoch:05}.safetensors")
}

/// A checkpoint with everything that it refers to. Nothing was changed to read it.
#[derive(Debug)]
pub(crate) struct Restored {
    pub snapshot: Snapshot,
    pub best: Option<Vec<Array>>,
    pub steps: FoundLog,
    pub epochs: FoundLog,
}

/// The newest checkpoint that is whole; `None` if there is none. Those passed over are said.
///
/// A checkpoint is judged by itself: whatever became of the logs, training goes on from it. Where only its best weights are lost, an older
/// one that has its own comes first.
///
/// # Errors
///
/// A file that cannot be read may be whole: the command ends, and another one may read it.
pub(crate) fn newest(run: &RunDirectory, observer: &dyn Observer) -> Result<Option<Restored>, TrainError> {
    let folder = run.checkpoint_folder()?;
    let found = listed(&folder, "step-")?;
    let mut without_best = None;
    for name in found.iter().rev() {
        let whole = Snapshot::read(&folder, name).and_then(|snapshot| {
            let best = best_of(&folder, &snapshot.place);
            if best.as_ref().is_err_and(TrainError::is_damage) && without_best.is_none() {
                without_best = Some(name);
            }
            Ok((snapshot, best?))
        });
        match whole {
            Ok((snapshot, best)) => return with_logs(run, snapshot, best, observer).map(Some),
            Err(error) if error.is_damage() => observer.note(&format!(
                "{} cannot be used ({error}); going back to the one before",
                folder.path().join(name).display()
            )),
            Err(error) => return Err(unread(error)),
        }
    }
    match without_best {
        Some(name) => without_its_best(run, &folder, name, observer).map(Some),
        None if found.is_empty() => Ok(None),
        None => {
            observer.note("no checkpoint is whole; training starts from its first step");
            Ok(None)
        }
    }
}

/// The checkpoint `name`, whose best weights are lost.
fn without_its_best(
    run: &RunDirectory,
    folder: &Folder,
    name: &str,
    observer: &dyn Observer,
) -> Result<Restored, TrainError> {
    let mut snapshot = Snapshot::read(folder, name).map_err(unread)?;
    observer.note(&format!(
        "the weights of the best epoch so far are lost; going on from {}, and the best epoch from here on is kept",
        folder.path().join(name).display()
    ));
    (snapshot.place.best_epoch, snapshot.place.best_figure) = (None, None);
    with_logs(run, snapshot, None, observer)
}

/// The checkpoint after `step` steps.
pub(crate) fn restore(
    run: &RunDirectory,
    step: u64,
    observer: &dyn Observer,
) -> Result<Restored, TrainError> {
    let folder = run.checkpoint_folder()?;
    let snapshot = Snapshot::read(&folder, &checkpoint_name(step))?;
    let best = best_of(&folder, &snapshot.place)?;
    with_logs(run, snapshot, best, observer)
}

/// The best weights that a checkpoint refers to.
fn best_of(folder: &Folder, place: &Checkpoint) -> Result<Option<Vec<Array>>, TrainError> {
    match place.best_epoch {
        Some(epoch) => Ok(Some(read_sealed::<usize>(folder, &best_name(epoch))?.1)),
        None => Ok(None),
    }
}

/// Whether the best weights of `epoch` lie in the run.
pub(crate) fn has_best(run: &RunDirectory, epoch: usize) -> bool {
    run.checkpoints().join(best_name(epoch)).exists()
}

fn with_logs(
    run: &RunDirectory,
    snapshot: Snapshot,
    best: Option<Vec<Array>>,
    observer: &dyn Observer,
) -> Result<Restored, TrainError> {
    let restored = Restored {
        best,
        steps: FoundLog::find(run, &run.steps(), snapshot.place.steps_bytes)?,
        epochs: FoundLog::find(run, &run.epochs(), snapshot.place.epochs_bytes)?,
        snapshot,
    };
    for log in [&restored.steps, &restored.epochs] {
        if !log.is_whole() {
            observer.note(&format!(
                "{} lacks lines from before step {}; it goes on from there, with a gap",
                log.path().display(),
                restored.snapshot.place.step
            ));
        }
    }
    Ok(restored)
}

/// An error of reading that leaves open what the file holds.
fn unread(error: TrainError) -> TrainError {
    match error {
        TrainError::Weights(WeightsError::Io { path, source }) => {
            TrainError::UnreadCheckpoint { path, source }
        }
        error => error,
    }
}

/// The files whose names begin so, oldest first.
fn listed(folder: &Folder, prefix: &str) -> Result<Vec<String>, TrainError> {
    let names = folder
        .names()
        .map_err(|source| TrainError::read(folder.path(), source))?;
    let names = names.into_iter().filter_map(|name| name.into_string().ok());
    Ok(names.filter(|name| name.starts_with(prefix)).collect())
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
    kept: Vec<(String, Option<usize>)>,
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
        let kept = from.map(|(step, best)| (checkpoint_name(step), best));
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
        let name = checkpoint_name(job.snapshot.place.step);
        self.kept.retain(|(kept, _)| *kept != name);
        self.kept.push((name.clone(), job.snapshot.place.best_epoch));
        let anchor = job.snapshot.place.anchor.map(checkpoint_name);
        let mut surplus = self.kept.len().saturating_sub(KEPT);
        self.kept.retain(|(kept, _)| {
            let goes = surplus > 0 && anchor.as_ref() != Some(kept);
            surplus = surplus.saturating_sub(1);
            !goes
        });

        let (run, observer, interrupt) = (self.run, self.observer, self.interrupt);
        let kept = self.kept.clone();
        self.writing = Some(self.scope.spawn(move || {
            put_down(run, &name, job, observer, interrupt)?;
            prune(run, &kept);
            Ok(())
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
    name: &str,
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
    // Made again, if someone took it away.
    let folder = run.checkpoint_folder()?;
    if let Some((epoch, weights)) = job.best {
        let write = || write_sealed(&folder, &best_name(epoch), &epoch, &weights);
        when_there_is_room(observer, interrupt, write)?;
    }
    when_there_is_room(observer, interrupt, || job.snapshot.write(&folder, name))
}

/// Removes what only a training in progress needs.
pub(crate) fn remove_checkpoints(run: &RunDirectory) {
    prune(run, &[]);
    // What cannot be removed costs space, and nothing else.
    if let Ok(folder) = run.folder() {
        let _ = folder.remove_folder("checkpoints");
    }
}

/// Removes checkpoints and best weights that nothing needs any more, and what a kill left half written. What cannot be removed costs space,
/// and nothing else.
fn prune(run: &RunDirectory, kept: &[(String, Option<usize>)]) {
    let Ok(folder) = run.checkpoint_folder() else {
        return;
    };
    let best = kept.iter().filter_map(|(_, best)| *best);
    let mut needed: Vec<String> = best.map(best_name).collect();
    needed.extend(kept.iter().map(|(name, _)| name.clone()));
    for prefix in ["step-", "best-", ".stepladder-"] {
        let found = listed(&folder, prefix).unwrap_or_default();
        for name in found.iter().filter(|name| !needed.contains(name)) {
            let _ = folder.remove(name);
        }
    }
}
