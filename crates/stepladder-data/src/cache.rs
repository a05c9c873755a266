//! The folder of photo caches: where it is, which file belongs to which data, what may be deleted, and when.
//!
//! Files are only ever added whole (written under another name, then renamed) and may be deleted at any time: a process that
//! uses one holds it open. What lies in a file is `format`'s business.

mod features;
pub(crate) mod format;

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use stepladder_model::ImageSize;

use crate::error::DataError;
use crate::scaling::Scaling;

pub use features::FeatureCache;

const EXTENSION: &str = "photos";
/// Of the caches of features.
const FEATURES: &str = "features";
const UNFINISHED: &str = ".unfinished-";

/// Where decoded photos are kept, and how much of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheConfig {
    /// The folder; it is made where it is missing.
    pub dir: PathBuf,
    /// What all cache files together may take, in bytes. Beyond it, those used longest ago are deleted, but never
    /// one in use.
    pub limit_bytes: u64,
    /// Threads that read and decode.
    pub threads: usize,
    /// How photos are scaled.
    pub scaling: Scaling,
    /// Whether whole photos are kept beside, for [`Augmentation::cuts_whole_photos`](crate::Augmentation::cuts_whole_photos).
    pub whole_photos: bool,
}

impl CacheConfig {
    /// 20 GiB: the decoded photos of about 400,000 pictures at 128 pixels.
    pub const DEFAULT_LIMIT: u64 = 20 << 30;

    /// A cache in `dir` with the default limit, built by as many threads as the machine runs at once.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            dir: dir.into(),
            limit_bytes: Self::DEFAULT_LIMIT,
            threads,
            scaling: Scaling::default(),
            whole_photos: false,
        }
    }

    /// A cache in the folder that the environment names: `STEPLADDER_CACHE`, else `stepladder` in the user's cache folder
    /// (`XDG_CACHE_HOME` or `~/.cache`; `~/Library/Caches` on macOS; `%LOCALAPPDATA%` on Windows).
    pub fn from_environment() -> Result<Self, DataError> {
        default_dir(|name| {
            std::env::var_os(name)
                .filter(|v| !v.is_empty())
                .map(PathBuf::from)
        })
        .map(Self::new)
        .ok_or(DataError::NoCacheDir)
    }

    /// The same with another limit, in bytes.
    pub fn with_limit_bytes(mut self, limit_bytes: u64) -> Self {
        self.limit_bytes = limit_bytes;
        self
    }

    /// The same with another number of threads.
    pub fn with_threads(mut self, threads: usize) -> Self {
        self.threads = threads.max(1);
        self
    }

    /// The same with photos scaled by another rule.
    pub fn with_scaling(mut self, scaling: Scaling) -> Self {
        self.scaling = scaling;
        self
    }

    /// The same with or without whole photos.
    pub fn with_whole_photos(mut self, whole_photos: bool) -> Self {
        self.whole_photos = whole_photos;
        self
    }
}

fn default_dir(variable: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    if let Some(dir) = variable("STEPLADDER_CACHE") {
        return Some(dir);
    }
    // The XDG specification says that relative paths are to be ignored.
    let base = match variable("XDG_CACHE_HOME").filter(|dir| dir.is_absolute()) {
        Some(dir) => Some(dir),
        None if cfg!(windows) => variable("LOCALAPPDATA"),
        None if cfg!(target_os = "macos") => variable("HOME").map(|home| home.join("Library/Caches")),
        None => variable("HOME").map(|home| home.join(".cache")),
    };
    base.map(|base| base.join("stepladder"))
}

/// The path of the cache for the data with this key.
pub(crate) fn path_for(dir: &Path, key: &[u8; 32], size: ImageSize) -> PathBuf {
    let hash = blake3::Hash::from_bytes(*key).to_hex();
    dir.join(format!("{}-{size}.{EXTENSION}", &hash[..32]))
}

/// A new file that [`publish`] makes a cache, or that is gone when it is dropped.
pub(crate) fn create(dir: &Path) -> io::Result<tempfile::NamedTempFile> {
    fs::create_dir_all(dir)?;
    let file = tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(dir)?;
    // Held while it is written, so that `make_room` of another process takes it for what it is.
    let _ = file.as_file().lock_shared();
    Ok(file)
}

/// Gives a complete file its name, replacing an older one.
///
/// It is not forced to the disk first, which can take longer than all the decoding. What a power cut may leave of it is noticed by the checksums of
/// header, index and each photo, and it can be made again.
pub(crate) fn publish(file: tempfile::NamedTempFile, path: &Path) -> io::Result<File> {
    file.persist(path).map_err(|e| e.error)
}

/// Opens a cache and marks it as in use, now.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let file = stepladder_files::open(path)?;
    // Neither is needed to read: a file system without locks or a read-only one serves as well.
    let _ = file.lock_shared();
    let _ = file.set_modified(SystemTime::now());
    Ok(file)
}

/// Opens a cache to mend it, if it is still the file at `path` that is in use as `file`.
pub(crate) fn open_to_mend(path: &Path, file: &File) -> io::Result<File> {
    let folder = stepladder_files::Folder::open(path.parent().unwrap_or(Path::new("")))?;
    let name = path.file_name().unwrap_or_default();
    match folder.holds(name, file) {
        true => File::options().write(true).open(path),
        false => Err(io::ErrorKind::NotFound.into()),
    }
}

/// Deletes the caches used longest ago until all together take no more than `limit` bytes, and what crashed processes have
/// left. Files in use stay, `keep` in any case. What cannot be deleted is left for the next time.
pub(crate) fn make_room(dir: &Path, limit: u64, keep: &[&Path]) {
    let Ok(listing) = fs::read_dir(dir) else { return };
    let mut total = 0_u64;
    let mut candidates = Vec::new();
    for entry in listing.flatten() {
        let path = entry.path();
        let Ok(metadata) = entry.metadata() else { continue };
        let used = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        let unfinished = entry.file_name().to_string_lossy().starts_with(UNFINISHED);
        if unfinished {
            // A fresh one may belong to a process that has not locked it yet.
            let age = SystemTime::now().duration_since(used).unwrap_or_default();
            if age > Duration::from_secs(3600) && !in_use(&path) {
                let _ = fs::remove_file(&path);
            }
        } else if path.extension().is_some_and(|e| e == EXTENSION || e == FEATURES) && metadata.is_file() {
            total += metadata.len();
            if !keep.contains(&path.as_path()) {
                candidates.push((used, path, metadata.len()));
            }
        }
    }
    candidates.sort();
    for (_, path, len) in candidates {
        if total <= limit {
            break;
        }
        if !in_use(&path) && fs::remove_file(&path).is_ok() {
            total -= len;
        }
    }
}

/// Whether some process holds the lock that [`open`] takes. Where there are no locks, the answer is no, and a file that is
/// deleted nevertheless stays readable for those who have it open.
fn in_use(path: &Path) -> bool {
    stepladder_files::open(path).is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_follows_the_environment() {
        let home = |extra: &'static str| {
            move |name: &str| match name {
                "HOME" => Some(PathBuf::from("/home/ann")),
                name if extra.split('=').next() == Some(name) => extra.split('=').nth(1).map(PathBuf::from),
                _ => None,
            }
        };
        assert_eq!(
            default_dir(home("STEPLADDER_CACHE=here")),
            Some(PathBuf::from("here"))
        );
        assert_eq!(
            default_dir(home("XDG_CACHE_HOME=/fast")),
            Some(PathBuf::from("/fast/stepladder"))
        );
        assert_eq!(default_dir(|_| None), None);
        if cfg!(target_os = "linux") {
            let expected = Some(PathBuf::from("/home/ann/.cache/stepladder"));
            assert_eq!(default_dir(home("")), expected);
            assert_eq!(default_dir(home("XDG_CACHE_HOME=relative")), expected);
        }
    }

    #[test]
    fn the_oldest_go_first_and_those_in_use_stay() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let make = |name: &str, age: u64| {
            let path = dir.path().join(name);
            fs::write(&path, vec![0; 1000]).expect("writable");
            let file = File::options().write(true).open(&path).expect("just written");
            file.set_modified(SystemTime::now() - Duration::from_secs(age))
                .expect("writable");
            path
        };
        let used = make("used.photos", 9000);
        let oldest = make("oldest.photos", 5000);
        let recent = make("recent.photos", 10);
        let stale = make(".unfinished-x", 90_000);
        let other = make("notes.txt", 90_000);
        let lock = File::open(&used).expect("exists");
        lock.lock_shared().expect("locks");
        make_room(dir.path(), 2500, &[&recent]);
        assert!(used.exists() && recent.exists() && other.exists());
        assert!(!oldest.exists() && !stale.exists());
        make_room(dir.path(), 0, &[&recent]);
        assert!(used.exists() && recent.exists());
        drop(lock);
        make_room(dir.path(), 0, &[&recent]);
        assert!(!used.exists() && recent.exists());
    }
}
