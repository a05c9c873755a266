//! A full disk pauses a training instead of ending it: what could not be written is tried again until there is room.

use crate::error::TrainError;
use crate::training::Observer;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How often a full disk is asked again.
const PAUSE: Duration = Duration::from_millis(500);

/// Does `work`; while it fails because the disk is full, says so once and tries again, until the user interrupts.
pub(crate) fn when_there_is_room<T>(
    observer: &dyn Observer,
    interrupt: &AtomicBool,
    mut work: impl FnMut() -> Result<T, TrainError>,
) -> Result<T, TrainError> {
    let mut told = false;
    loop {
        match work() {
            Err(error) if error.is_full_disk() && !interrupt.load(Ordering::Relaxed) => {
                if !told {
                    observer.note(&format!(
                        "the disk is full: {error}. Training waits and goes on when there is room; Ctrl-C stops it"
                    ));
                    told = true;
                }
                std::thread::sleep(PAUSE);
            }
            outcome => {
                if told && outcome.is_ok() {
                    observer.note("there is room again; training goes on");
                }
                return outcome;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::training::tests::Quiet;
    use std::io::ErrorKind;
    use std::path::Path;

    fn failure(kind: ErrorKind) -> TrainError {
        TrainError::write(Path::new("steps.jsonl"), kind.into())
    }

    #[test]
    fn a_full_disk_is_waited_for_and_said_once() {
        let observer = Quiet::default();
        let mut left = 2;
        let outcome = when_there_is_room(&observer, &AtomicBool::new(false), || {
            left -= 1;
            if left >= 0 {
                Err(failure(ErrorKind::StorageFull))
            } else {
                Ok(7)
            }
        });
        assert_eq!(outcome.unwrap(), 7);
        let notes = observer.notes.lock().unwrap();
        assert_eq!(notes.len(), 2);
        assert!(notes[0].contains("steps.jsonl") && notes[0].contains("disk is full"));
    }

    #[test]
    fn other_failures_and_an_interrupt_end_it() {
        let observer = Quiet::default();
        let work = |kind| move || Err::<(), _>(failure(kind));
        let no = AtomicBool::new(false);
        assert!(when_there_is_room(&observer, &no, work(ErrorKind::PermissionDenied)).is_err());
        let yes = AtomicBool::new(true);
        assert!(when_there_is_room(&observer, &yes, work(ErrorKind::StorageFull)).is_err());
        assert!(observer.notes.lock().unwrap().is_empty());
    }
}
