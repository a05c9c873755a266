//! What others ask of a training while it runs: `request.json` in its directory, written whole by whoever asks (`watch` does),
//! and taken up between two steps. A training looks for it twice a second at most.
//!
//! What was asked for is done, whatever is asked for next: a request to stop, which takes a checkpoint too, replaces any other, and a
//! request for a checkpoint replaces none.

use crate::directory::RunDirectory;
use crate::error::RunError;
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::time::{Duration, Instant};

/// Something that a training does on request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunRequest {
    /// Take a checkpoint now.
    Checkpoint,
    /// Take a checkpoint and stop, as at Ctrl-C.
    Stop,
}

/// `request.json`.
#[derive(Serialize, Deserialize)]
struct Document {
    request: RunRequest,
}

/// The longest request that is read, in bytes.
const LIMIT: u64 = 1 << 10;

/// How often a training looks for requests.
const EVERY: Duration = Duration::from_millis(500);

/// The file of a request.
const FILE: &str = "request.json";

impl RunDirectory {
    /// Asks the process that trains the run; [`RunDirectory::is_training`] says whether there is one.
    ///
    /// # Errors
    ///
    /// The directory cannot be written to.
    pub fn ask(&self, request: RunRequest) -> Result<(), RunError> {
        let failed = |source| RunError::write(&self.path().join(FILE), source);
        let document = serde_json::to_vec_pretty(&Document { request });
        let document = document.map_err(|error| failed(error.into()))?;
        let folder = self.folder()?;
        match request {
            RunRequest::Stop => folder.replace(FILE, |file| file.write_all(&document)),
            // Whatever waits there takes a checkpoint as well.
            RunRequest::Checkpoint => folder.create(FILE, &document).map(drop),
        }
        .map_err(failed)
    }

    /// What was asked and is not taken up yet.
    pub fn asked(&self) -> Option<RunRequest> {
        read(&self.folder().ok()?.read_all(FILE, LIMIT).ok()?)
    }

    /// Forgets what was asked of an earlier session, so that a run which was told to stop can go on.
    pub(crate) fn forget_requests(&self) {
        // There rarely is one; and one that cannot be removed is asked again, which loses nothing.
        if let Ok(folder) = self.folder() {
            let _ = folder.remove(FILE);
        }
    }
}

fn read(document: &[u8]) -> Option<RunRequest> {
    let document: Document = serde_json::from_slice(document).ok()?;
    Some(document.request)
}

/// The requests to a training, as the training sees them.
#[derive(Debug)]
pub struct Requests {
    run: RunDirectory,
    looked: Instant,
}

impl Requests {
    /// Requests since the run was locked ([`RunDirectory::lock`]), which forgets those of earlier sessions.
    pub fn new(run: &RunDirectory) -> Requests {
        Requests {
            run: run.clone(),
            looked: Instant::now(),
        }
    }

    /// The request that came since the last look, if it is time to look.
    pub fn poll(&mut self) -> Option<RunRequest> {
        if self.looked.elapsed() < EVERY {
            return None;
        }
        self.looked = Instant::now();
        if !self.run.path().join(FILE).exists() {
            return None;
        }
        // What makes no sense goes too.
        read(&self.run.folder().ok()?.take(FILE, LIMIT).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(requests: &mut Requests) -> Option<RunRequest> {
        requests.looked = Instant::now().checked_sub(EVERY).unwrap();
        requests.poll()
    }

    #[test]
    fn a_request_is_taken_up_once() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDirectory::open(folder.path());
        run.ask(RunRequest::Stop).unwrap();
        let _lock = run.lock().unwrap();
        assert_eq!(run.asked(), None, "that was of an earlier session");
        // Asked while the photos are prepared, before the first step.
        run.ask(RunRequest::Checkpoint).unwrap();
        let mut requests = Requests::new(&run);
        assert_eq!(run.asked(), Some(RunRequest::Checkpoint));
        assert_eq!(requests.poll(), None, "it is not time to look yet");
        assert_eq!(due(&mut requests), Some(RunRequest::Checkpoint));
        assert_eq!(due(&mut requests), None);
        assert_eq!(run.asked(), None);
    }

    #[test]
    fn a_stop_outlives_what_is_asked_after_it() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDirectory::open(folder.path());
        let mut requests = Requests::new(&run);
        for asked in [
            [RunRequest::Stop, RunRequest::Checkpoint],
            [RunRequest::Checkpoint, RunRequest::Stop],
            [RunRequest::Stop, RunRequest::Stop],
        ] {
            for request in asked {
                run.ask(request).unwrap();
            }
            assert_eq!(due(&mut requests), Some(RunRequest::Stop));
            assert_eq!(due(&mut requests), None);
        }
    }

    #[test]
    fn nonsense_is_no_request_and_goes() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDirectory::open(folder.path());
        let mut requests = Requests::new(&run);
        for text in ["", "{", "{\"request\":\"explode\"}", &"9".repeat(1 << 20)] {
            let file = folder.path().join(FILE);
            std::fs::write(&file, text).unwrap();
            assert_eq!(due(&mut requests), None);
            assert!(!file.exists());
        }
    }
}
