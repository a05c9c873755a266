//! Models of the Hugging Face hub, brought into the cache as Hugging Face's own programs bring them.
//!
//! Bytes are added to `blobs/SHA-256.incomplete`, from where an earlier download ended, and become `blobs/SHA-256` once their hash
//! is the promised one. `refs/main` is written last: a model that is named there is whole.

use super::server::{HubServer, Promise};
use super::{FILES, Hub, HubModel, check, hexadecimal};
use crate::error::WeightsError;
use crate::open::{LONGEST_CONFIG, sha256};
use crate::read::LARGEST_FILE;
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;
use ureq::Body;
use ureq::http::{Response, StatusCode};

/// Attempts in a row that bring nothing new before a download fails.
const ATTEMPTS: u32 = 3;

/// Bytes that are read at once.
const PIECE: usize = 1 << 16;

/// Told how many bytes of how many have come; `false` ends the download.
pub type Transferred<'a> = dyn FnMut(u64, Option<u64>) -> bool + 'a;

impl HubServer {
    /// Downloads the main version of `name`, which is OWNER/NAME, into the cache: its weights and, where it has one, its
    /// `config.json`. What an earlier download brought is not asked for again.
    ///
    /// # Errors
    ///
    /// Where `name` is no such name, or the hub does not have it, cannot be reached or promises no SHA-256; where the content is
    /// not the promised one; where it cannot be written; and where `transferred` says no.
    pub fn download(
        &self,
        name: &str,
        hub: &Hub,
        transferred: &mut Transferred<'_>,
    ) -> Result<HubModel, WeightsError> {
        check(name)?;
        let (file, promise) = self.weights_of(name)?;
        let download = Download {
            server: self,
            name,
            model: hub.folder(name),
            promise,
        };
        download.weights(file, transferred)?;
        download.config()?;
        download.write_reference()?;
        hub.find(name)
    }

    /// The first of the usual files of weights that the hub has.
    fn weights_of(&self, name: &str) -> Result<(&'static str, Promise), WeightsError> {
        for file in FILES {
            if let Some(promise) = self.promise(name, file)? {
                return Ok((file, promise));
            }
        }
        Err(WeightsError::NotOnHub {
            name: name.to_owned(),
            endpoint: self.endpoint().to_owned(),
            files: FILES.join(" or "),
        })
    }
}

/// A version of a model on its way into its folder of the cache.
struct Download<'a> {
    server: &'a HubServer,
    name: &'a str,
    model: PathBuf,
    promise: Promise,
}

/// What ends a request: for good, or until the rest is asked for again.
enum Ended {
    ForGood(WeightsError),
    Broken(ureq::Error),
}

impl From<WeightsError> for Ended {
    fn from(error: WeightsError) -> Ended {
        Ended::ForGood(error)
    }
}

impl Download<'_> {
    fn weights(&self, file: &'static str, transferred: &mut Transferred<'_>) -> Result<(), WeightsError> {
        let Some(sha256) = &self.promise.sha256 else {
            let what = "the SHA-256 of its weights (X-Linked-Etag)";
            return Err(self.server.unclear(self.name, what));
        };
        let blob = self.blobs()?.join(sha256);
        if let Some(bytes) = self.promise.size.filter(|size| *size > LARGEST_FILE) {
            return Err(WeightsError::TooLarge {
                path: blob,
                bytes,
                limit: LARGEST_FILE,
            });
        }
        if !blob.exists() {
            self.blob(file, &blob, sha256, transferred)?;
        }
        self.place(&blob, file)
    }

    fn blob(
        &self,
        file: &str,
        blob: &Path,
        sha256: &str,
        transferred: &mut Transferred<'_>,
    ) -> Result<(), WeightsError> {
        let path = blob.with_file_name(format!("{sha256}.incomplete"));
        let failed = |error| io_failed(&path, error);
        let mut options = File::options();
        let mut incomplete = options
            .create(true)
            .append(true)
            .read(true)
            .open(&path)
            .map_err(failed)?;
        // Another command may be downloading the same.
        incomplete.lock().map_err(failed)?;
        if blob.exists() {
            return Ok(());
        }
        self.transfer(file, &mut incomplete, &path, transferred)?;
        incomplete.sync_all().map_err(failed)?;
        if hash(&mut incomplete).map_err(failed)? != sha256 {
            fs::remove_file(&path).map_err(failed)?;
            return Err(WeightsError::NotAsPromised {
                name: self.name.to_owned(),
                endpoint: self.server.endpoint().to_owned(),
            });
        }
        fs::rename(&path, blob).map_err(failed)
    }

    /// Adds to the file until it is whole, and asks again for the rest where a connection breaks.
    fn transfer(
        &self,
        file: &str,
        incomplete: &mut File,
        path: &Path,
        transferred: &mut Transferred<'_>,
    ) -> Result<(), WeightsError> {
        let length = |incomplete: &File| incomplete.metadata().map_or(0, |found| found.len());
        let (mut longest, mut attempts) = (length(incomplete), 0);
        loop {
            let error = match self.rest(file, incomplete, path, transferred) {
                Ok(()) => return Ok(()),
                Err(Ended::ForGood(error)) => return Err(error),
                Err(Ended::Broken(error)) => error,
            };
            attempts = if length(incomplete) > longest {
                0
            } else {
                attempts + 1
            };
            longest = longest.max(length(incomplete));
            if attempts == ATTEMPTS {
                return Err(self.server.failed(self.name, error));
            }
            std::thread::sleep(Duration::from_secs(attempts.into()));
        }
    }

    /// One request for what is missing.
    fn rest(
        &self,
        file: &str,
        incomplete: &mut File,
        path: &Path,
        transferred: &mut Transferred<'_>,
    ) -> Result<(), Ended> {
        let failed = |error| io_failed(path, error);
        let mut length = incomplete.metadata().map_err(failed)?.len();
        if self.promise.size == Some(length) {
            return Ok(());
        }
        let answer = self.server.request(self.name, file, length);
        let mut answer = answer.map_err(Ended::Broken)?;
        let status = answer.status();
        if !continues_at(&answer, length) {
            // The whole from its beginning, or no such byte: what is here is of something else.
            incomplete.set_len(0).map_err(failed)?;
            length = 0;
            if status != StatusCode::OK {
                return Err(match status {
                    StatusCode::RANGE_NOT_SATISFIABLE | StatusCode::PARTIAL_CONTENT => {
                        Ended::Broken(io::Error::from(ErrorKind::InvalidData).into())
                    }
                    status => self.server.refused(self.name, status).into(),
                });
            }
        }
        self.append(answer.body_mut(), length, incomplete, path, transferred)
    }

    fn append(
        &self,
        body: &mut Body,
        mut length: u64,
        incomplete: &mut File,
        path: &Path,
        transferred: &mut Transferred<'_>,
    ) -> Result<(), Ended> {
        let size = self.promise.size;
        let mut reader = body.as_reader();
        let mut piece = vec![0; PIECE];
        loop {
            if !transferred(length, size) {
                let name = self.name.to_owned();
                return Err(WeightsError::DownloadStopped { name }.into());
            }
            let count = reader
                .read(&mut piece)
                .map_err(|error| Ended::Broken(error.into()))?;
            if count == 0 {
                break;
            }
            length += count as u64;
            if length > size.unwrap_or(LARGEST_FILE) {
                let what = "the length of what it sends";
                return Err(self.server.unclear(self.name, what).into());
            }
            let written = incomplete.write_all(&piece[..count]);
            written.map_err(|error| io_failed(path, error))?;
        }
        match size.filter(|size| length < *size) {
            Some(_) => Err(Ended::Broken(io::Error::from(ErrorKind::UnexpectedEof).into())),
            None => Ok(()),
        }
    }

    /// timm's `config.json`, which some models do not have.
    fn config(&self) -> Result<(), WeightsError> {
        let answer = self.server.request(self.name, "config.json", 0);
        let mut answer = answer.map_err(|error| self.server.failed(self.name, error))?;
        match answer.status() {
            StatusCode::NOT_FOUND => return Ok(()),
            status if !status.is_success() => return Err(self.server.refused(self.name, status)),
            _ => {}
        }
        let body = answer.body_mut().with_config().limit(LONGEST_CONFIG);
        let json = body
            .read_to_vec()
            .map_err(|error| self.server.failed(self.name, error))?;
        let blob = self.blobs()?.join(sha256(&json));
        stepladder_files::write_atomically(&blob, &json).map_err(|error| io_failed(&blob, error))?;
        self.place(&blob, "config.json")
    }

    /// Names the version as the main one.
    fn write_reference(&self) -> Result<(), WeightsError> {
        let path = self.folder("refs")?.join("main");
        let commit = self.promise.commit.as_bytes();
        stepladder_files::write_atomically(&path, commit).map_err(|error| io_failed(&path, error))
    }

    /// A blob under its name in the snapshot: a link where there are links, as in Hugging Face's programs.
    fn place(&self, blob: &Path, name: &str) -> Result<(), WeightsError> {
        let at = self.folder("snapshots")?.join(&self.promise.commit);
        fs::create_dir_all(&at).map_err(|error| io_failed(&at, error))?;
        let at = at.join(name);
        if at.exists() {
            return Ok(());
        }
        #[cfg(unix)]
        let placed = {
            let blob = blob.file_name().unwrap_or_default();
            std::os::unix::fs::symlink(Path::new("../../blobs").join(blob), &at)
        };
        #[cfg(not(unix))]
        let placed = fs::hard_link(blob, &at).or_else(|_| fs::copy(blob, &at).map(|_| ()));
        placed.map_err(|error| io_failed(&at, error))
    }

    fn blobs(&self) -> Result<PathBuf, WeightsError> {
        self.folder("blobs")
    }

    fn folder(&self, name: &str) -> Result<PathBuf, WeightsError> {
        let folder = self.model.join(name);
        fs::create_dir_all(&folder).map_err(|error| io_failed(&folder, error))?;
        Ok(folder)
    }
}

/// Whether an answer brings the bytes from this one on.
fn continues_at(answer: &Response<Body>, length: u64) -> bool {
    let range = answer.headers().get("content-range");
    let range = range.and_then(|range| range.to_str().ok()).unwrap_or_default();
    match answer.status() {
        StatusCode::PARTIAL_CONTENT => range.starts_with(&format!("bytes {length}-")),
        status => length == 0 && status == StatusCode::OK,
    }
}

/// The SHA-256 of a file from its beginning, in hexadecimal digits.
fn hash(file: &mut File) -> io::Result<String> {
    file.seek(SeekFrom::Start(0))?;
    let mut hasher = Sha256::new();
    io::copy(file, &mut hasher)?;
    Ok(hexadecimal(&hasher.finalize()))
}

fn io_failed(path: &Path, source: io::Error) -> WeightsError {
    WeightsError::Io {
        path: path.to_owned(),
        source,
    }
}
