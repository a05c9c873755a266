//! What others ask of a training while it runs: `request.json` in its directory, written whole by whoever asks (`watch` does),
//! and taken up between two steps. A training looks for it twice a second at most.

use crate::directory::RunDirectory;
use crate::error::RunError;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
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

impl RunDirectory {
    /// What is asked of the training.
    fn request(&self) -> PathBuf {
        self.path().join("request.json")
    }

    /// Asks the process that trains the run; [`RunDirectory::is_training`] says whether there is one. A later request takes
    /// the place of one that was not taken up yet.
    ///
    /// # Errors
    ///
    /// The directory cannot be written to.
    pub fn ask(&self, request: RunRequest) -> Result<(), RunError> {
        self.write_json(&self.request(), &Document { request })
    }

    /// What was asked and is not taken up yet.
    pub fn asked(&self) -> Option<RunRequest> {
        let path = self.request();
        // Anything but a file, such as a pipe, might never be read to its end.
        if !path.metadata().is_ok_and(|metadata| metadata.is_file()) {
            return None;
        }
        let mut text = String::new();
        let file = File::open(path).ok()?;
        file.take(LIMIT).read_to_string(&mut text).ok()?;
        let document: Document = serde_json::from_str(&text).ok()?;
        Some(document.request)
    }
}

/// The requests to a training, as the training sees them.
#[derive(Debug)]
pub struct Requests {
    run: RunDirectory,
    looked: Instant,
}

impl Requests {
    /// Forgets what was asked of an earlier sitting, so that a run which was told to stop can go on.
    pub fn new(run: &RunDirectory) -> Requests {
        // There rarely is one; and one that cannot be removed is asked again, which loses nothing.
        let _ = std::fs::remove_file(run.request());
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
        let path = self.run.request();
        if !path.exists() {
            return None;
        }
        let asked = self.run.asked();
        // What makes no sense goes too.
        let _ = std::fs::remove_file(path);
        asked
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
        let mut requests = Requests::new(&run);
        assert_eq!(due(&mut requests), None, "that was of an earlier sitting");
        run.ask(RunRequest::Stop).unwrap();
        run.ask(RunRequest::Checkpoint).unwrap();
        assert_eq!(run.asked(), Some(RunRequest::Checkpoint));
        assert_eq!(requests.poll(), None, "it is not time to look yet");
        assert_eq!(due(&mut requests), Some(RunRequest::Checkpoint));
        assert_eq!(due(&mut requests), None);
        assert_eq!(run.asked(), None);
    }

    #[test]
    fn nonsense_is_no_request_and_goes() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDirectory::open(folder.path());
        let mut requests = Requests::new(&run);
        for text in ["", "{", "{\"request\":\"explode\"}", &"9".repeat(1 << 20)] {
            std::fs::write(run.request(), text).unwrap();
            assert_eq!(due(&mut requests), None);
            assert!(!run.request().exists());
        }
    }
}
