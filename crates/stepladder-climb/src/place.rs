//! Where a climb and its runs lie: `climbs/<data>-<n>`, and in it `<rung>-seed<seed>` for each run.

use crate::error::ClimbError;
use crate::record::ClimbRecord;
use crate::request::ClimbPlace;
use crate::settings::Settings;
use crate::training::is_of;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use stepladder_files::Folder;
use stepladder_train::TrainingRequest;

/// Held for as long as a climb is at work in a directory.
const LOCK: &str = ".lock";

/// A climb's directory, held against other climbs until this is dropped.
pub(crate) struct ClimbDirectory {
    pub path: PathBuf,
    /// What an earlier call has left.
    pub earlier: Option<ClimbRecord>,
    _lock: File,
}

impl ClimbDirectory {
    /// Finds the directory of the climb with these settings and `rungs` and `seeds`, or makes a new one.
    pub fn open(
        place: &ClimbPlace,
        name: &str,
        settings: &Settings,
        names: &Names<'_>,
    ) -> Result<ClimbDirectory, ClimbError> {
        match place {
            ClimbPlace::Exactly(path) => exactly(path, settings, names),
            ClimbPlace::Below(parent) => below(parent, name, settings, names),
        }
    }

    /// The directory for a run: the one that has this run already, else the first that is free. A directory of a rung that
    /// has been edited since keeps what it has.
    pub fn run(&self, request: &TrainingRequest) -> Result<(String, PathBuf), ClimbError> {
        let base = format!("{}-seed{}", request.rung.name, request.seed);
        for n in 1_u64.. {
            let name = if n == 1 {
                base.clone()
            } else {
                format!("{base}-{n}")
            };
            let path = self.path.join(&name);
            let free = !path.try_exists().map_err(ClimbError::read(&path))?;
            if free || is_of(&path, request).map_err(ClimbError::read(&path))? {
                return Ok((name, path));
            }
        }
        unreachable!("there is a free number below 2^64")
    }
}

/// What is climbed. With a budget it is a setting too, because the time was divided over it.
pub(crate) struct Names<'a> {
    pub rungs: Vec<&'a str>,
    pub seeds: &'a [u64],
}

/// The first thing in which an earlier climb differs from this one.
fn difference(earlier: &ClimbRecord, settings: &Settings, names: &Names<'_>) -> Option<String> {
    let differing = earlier.settings.difference(settings);
    if differing.is_some() || settings.budget_seconds.is_none() {
        return differing;
    }
    let rungs = earlier.rungs.iter().map(|rung| rung.rung.as_str());
    if !rungs.eq(names.rungs.iter().copied()) {
        return Some("a budget divided over other rungs".to_string());
    }
    (earlier.seeds != names.seeds).then(|| "a budget divided over other seeds".to_string())
}

fn exactly(path: &Path, settings: &Settings, names: &Names<'_>) -> Result<ClimbDirectory, ClimbError> {
    std::fs::create_dir_all(path).map_err(ClimbError::write(path))?;
    let mut entries = std::fs::read_dir(path).map_err(ClimbError::read(path))?;
    let used = entries.any(|entry| entry.is_ok_and(|entry| entry.file_name() != LOCK));
    let earlier = ClimbRecord::read(path)?;
    match &earlier {
        None if used => Err(ClimbError::NoClimb {
            path: path.to_path_buf(),
        }),
        Some(earlier) if let Some(difference) = difference(earlier, settings, names) => {
            Err(ClimbError::OtherClimb {
                path: path.to_path_buf(),
                difference,
            })
        }
        _ => hold(path),
    }
}

/// The last climb with these settings below `parent`, or the next number.
fn below(
    parent: &Path,
    name: &str,
    settings: &Settings,
    names: &Names<'_>,
) -> Result<ClimbDirectory, ClimbError> {
    std::fs::create_dir_all(parent).map_err(ClimbError::write(parent))?;
    let numbered = |n: u64| parent.join(format!("{name}-{n}"));
    let mut last = 0;
    while numbered(last + 1)
        .try_exists()
        .map_err(ClimbError::read(parent))?
    {
        last += 1;
    }
    for n in (1..=last).rev() {
        // A document that cannot be read is not the one looked for; it stays as it is.
        let earlier = ClimbRecord::read(&numbered(n)).ok().flatten();
        if earlier.is_some_and(|earlier| difference(&earlier, settings, names).is_none()) {
            return hold(&numbered(n));
        }
    }
    for n in last + 1.. {
        let path = numbered(n);
        match std::fs::create_dir(&path) {
            Ok(()) => return hold(&path),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(source) => return Err(ClimbError::Write { path, source }),
        }
    }
    unreachable!("there is a free number below 2^64")
}

/// Takes the directory for this process.
fn hold(path: &Path) -> Result<ClimbDirectory, ClimbError> {
    let file = path.join(LOCK);
    let folder = Folder::open(path).map_err(ClimbError::read(path))?;
    let lock = folder.append(LOCK).map_err(ClimbError::write(&file))?;
    match lock.try_lock() {
        Err(TryLockError::WouldBlock) => Err(ClimbError::Busy {
            path: path.to_path_buf(),
        }),
        // A file system without locks serves as well.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(ClimbDirectory {
            path: path.to_path_buf(),
            // Read again: whoever held the directory until now may have written.
            earlier: ClimbRecord::read(path)?,
            _lock: lock,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stepladder_data::DataRequest;
    use stepladder_train::data_record;

    fn settings(size: usize, budget_seconds: Option<f64>) -> Settings {
        Settings {
            data: data_record(&DataRequest::path("a.zip")),
            photos: 3,
            photos_hash: "00".to_string(),
            size: Some(size.into()),
            epochs: None,
            budget_seconds,
            split_seed: 0,
            test_fraction: 0.1,
            moving_statistics: false,
            device: "cpu".to_string(),
            precision: "f32".to_string(),
        }
    }

    fn open(place: &ClimbPlace, settings: &Settings, seeds: &[u64]) -> Result<ClimbDirectory, ClimbError> {
        let names = Names {
            rungs: Vec::new(),
            seeds,
        };
        let directory = ClimbDirectory::open(place, "photos", settings, &names)?;
        ClimbRecord::new(&directory.path, settings.clone(), seeds).write(&directory.path)?;
        Ok(directory)
    }

    #[test]
    fn a_climb_with_the_same_settings_is_found_again_and_another_gets_a_number() {
        let folder = tempfile::tempdir().unwrap();
        let place = ClimbPlace::Below(folder.path().join("climbs"));
        let name = |settings: &Settings, seeds: &[u64]| {
            let directory = open(&place, settings, seeds).unwrap();
            directory.path.file_name().unwrap().to_string_lossy().into_owned()
        };
        assert_eq!(name(&settings(64, None), &[0]), "photos-1");
        assert_eq!(name(&settings(96, None), &[0]), "photos-2");
        assert_eq!(name(&settings(64, None), &[0, 1]), "photos-1");
        assert_eq!(name(&settings(64, Some(60.0)), &[0]), "photos-3");
        assert_eq!(name(&settings(64, Some(60.0)), &[0]), "photos-3");
        assert_eq!(name(&settings(64, Some(60.0)), &[0, 1]), "photos-4");
    }

    #[test]
    fn a_named_directory_must_be_free_or_of_this_climb() {
        let folder = tempfile::tempdir().unwrap();
        let place = ClimbPlace::Exactly(folder.path().join("mine"));
        drop(open(&place, &settings(64, None), &[0]).unwrap());
        let message = open(&place, &settings(96, None), &[0]).err().unwrap().to_string();
        assert!(message.contains("size 64 px there, 96 px here"), "{message}");
        std::fs::write(folder.path().join("thesis.tex"), "x").unwrap();
        let place = ClimbPlace::Exactly(folder.path().to_path_buf());
        let message = open(&place, &settings(64, None), &[0]).err().unwrap().to_string();
        assert!(message.contains("holds no climb"), "{message}");
    }

    #[test]
    fn two_climbs_do_not_share_a_directory_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let place = ClimbPlace::Below(folder.path().to_path_buf());
        let held = open(&place, &settings(64, None), &[0]).unwrap();
        let message = open(&place, &settings(64, None), &[0]).err().unwrap().to_string();
        assert!(message.contains("another climb is at work"), "{message}");
        drop(held);
        open(&place, &settings(64, None), &[0]).unwrap();
    }
}
