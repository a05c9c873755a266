//! What can go wrong with a data set as a whole ([`DataError`]) and with one photo of it ([`PhotoError`]).
//! The first stops the command; the second costs one photo, which is listed as skipped with the error's text as its reason.

use std::io;
use std::path::{Path, PathBuf};

use crate::names::shown_path;
use crate::remark::{Remark, some};

/// An error that stops the work on a data set. The message names the file, what is wrong and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The request names no data at all, or things that exclude each other.
    #[error("{0}")]
    Request(&'static str),
    /// A file or folder cannot be opened or listed.
    #[error("cannot read {}: {source}", shown(path))]
    Io {
        /// What was being read.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The file is neither a zip nor a table nor an IDX file.
    #[error("{name} is {what}; give a zip, a folder, a CSV or TSV table, or MNIST's IDX files")]
    NotData {
        /// The file as the user named it.
        name: String,
        /// What it is instead.
        what: String,
    },
    /// The archive's directory cannot be read.
    #[error("{name} is damaged or cut short ({reason}); download or pack it again")]
    DamagedArchive {
        /// The archive as the user named it.
        name: String,
        /// The zip reader's words.
        reason: String,
    },
    /// The archive or folder holds nothing that could be a photo.
    #[error("{name} holds no usable photos{}", hint(*skipped, example))]
    NoPhotos {
        /// The data as the user named it.
        name: String,
        /// How many files were set aside.
        skipped: usize,
        /// One of them with its reason.
        example: Option<Skipped>,
    },
    /// Photos lie in no class folder.
    #[error(
        "the photos in {name} are not in class folders; put each class into a folder of its own, or give a table with the columns file and class{}",
        in_names(pattern)
    )]
    NoClassFolders {
        /// The data as the user named it.
        name: String,
        /// A pattern by which the files' names hold the classes, if they seem to.
        pattern: Option<String>,
    },
    /// What was said of folders or of names fits no photo.
    #[error(
        "how the names in {name} are to be read fits none of the {photos} photos there, such as {}: {}; mend the layout or the pattern of classes",
        example.name,
        example.reason
    )]
    FitsNone {
        /// The data as the user named it.
        name: String,
        /// Photos that were tried.
        photos: usize,
        /// One of them with the reason.
        example: Skipped,
    },
    /// Folders that may be classes and may be parts.
    #[error(
        "{name} has folders that look like parts of the data (training, validation, test) rather than classes: {}{}",
        some(folders.iter().cloned()),
        in_names(pattern)
    )]
    LooksLikeParts {
        /// The data as the user named it.
        name: String,
        /// The folders.
        folders: Vec<String>,
        /// A pattern by which the files' names hold the classes, if they seem to.
        pattern: Option<String>,
    },
    /// Classes were asked for that the data does not have.
    #[error("{name} has no class {}{}; it has {}", asked.join(", "), meant(near), some(classes.iter().cloned()))]
    UnknownClasses {
        /// The data as the user named it.
        name: String,
        /// What was asked for and is not there.
        asked: Vec<String>,
        /// The classes that may have been meant.
        near: Vec<String>,
        /// The classes that there are.
        classes: Vec<String>,
    },
    /// What goes wrong where links were not followed, which may be why.
    #[error("{source}; symbolic links were not followed: {links} of them, such as {example}")]
    BehindLinks {
        /// What went wrong.
        source: Box<DataError>,
        /// How many links.
        links: usize,
        /// One of them.
        example: String,
    },
    /// One class only: there is nothing to tell apart.
    #[error("{name} has only one class, \"{class}\"; a classifier needs at least two class folders")]
    SingleClass {
        /// The data as the user named it.
        name: String,
        /// The only class.
        class: String,
    },
    /// Parts are declared, but none of the photos is for training.
    #[error(
        "{name} declares its parts, but no photo is in the training part; name one of them train, or declare no parts"
    )]
    NoTrainingPart {
        /// The data as the user named it.
        name: String,
    },
    /// The split by content leaves the training part empty, which takes a handful of photos.
    #[error(
        "none of the {photos} photos of {name} falls into the training part; add photos, or make the other parts smaller"
    )]
    TooFewPhotos {
        /// The data as the user named it.
        name: String,
        /// How many readable photos there are.
        photos: usize,
    },
    /// A class that appears in the validation or test part only.
    #[error(
        "class \"{class}\" has photos in the {part} part of {name} but none in the training part{}; check the spelling of its folder",
        near.as_ref().map(|near| format!(", which has \"{near}\"")).unwrap_or_default()
    )]
    ClassWithoutTraining {
        /// The data as the user named it.
        name: String,
        /// The class.
        class: String,
        /// Where it does appear.
        part: &'static str,
        /// A class of the training part with nearly the same name.
        near: Option<String>,
    },
    /// The validation or test part is one class that is not trained on, as of photos whose classes are not known.
    #[error(
        "all {photos} photos of the {part} part of {name} lie in the folder \"{class}\", and none of the training part does; they look unlabelled, so that there can be no figures of them"
    )]
    UnlabelledPart {
        /// The data as the user named it.
        name: String,
        /// The class.
        class: String,
        /// The part.
        part: &'static str,
        /// How many photos it has.
        photos: usize,
    },
    /// A table cannot be understood.
    #[error("{name}, line {line}: {message}")]
    Table {
        /// The table's file.
        name: String,
        /// Line number, from 1.
        line: u64,
        /// What is wrong and what is expected.
        message: String,
    },
    /// A table whose columns are not clear.
    #[error("{name}, line {line}: {message}")]
    TableColumns {
        /// The table's file.
        name: String,
        /// Line number, from 1.
        line: u64,
        /// What is wrong and what is expected.
        message: String,
        /// The column that seems to name files, if any does.
        file: Option<String>,
        /// A column that could be the class.
        class: Option<String>,
    },
    /// A table in an encoding that is not known.
    #[error("{name}, line {line}: {message}")]
    TableEncoding {
        /// The table's file.
        name: String,
        /// Line number, from 1.
        line: u64,
        /// What is wrong.
        message: String,
        /// An encoding that it could be in.
        likely: Option<&'static str>,
    },
    /// An IDX file is not what its header says.
    #[error("{name}: {message}")]
    Idx {
        /// The file.
        name: String,
        /// What is wrong and what is expected.
        message: String,
    },
    /// The cache folder cannot be written (full disk, no permission).
    #[error(
        "cannot write the photo cache in {}: {source}; make room there, or choose another folder with --cache or STEPLADDER_CACHE",
        shown(dir)
    )]
    CacheWrite {
        /// The cache folder.
        dir: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// No cache folder was given and the platform names none.
    #[error("no cache folder is known; name one with --cache or STEPLADDER_CACHE")]
    NoCacheDir,
    /// A cached photo does not read back as it was written.
    #[error(
        "the cached copy of {photo} in {} cannot be used ({reason}); put the photo back as it was, or start again with the photos as they are",
        shown(file)
    )]
    CacheRead {
        /// The cache file.
        file: PathBuf,
        /// The photo.
        photo: String,
        /// Why it failed.
        reason: String,
    },
    /// Fractions outside 0..1, or nothing left for training.
    #[error(
        "validation {validation} and test {test} leave nothing to train on; each must lie in 0..1 and their sum below 1"
    )]
    Fractions {
        /// The validation fraction.
        validation: f32,
        /// The test fraction.
        test: f32,
    },
    /// A thread that makes batches panicked, which is a mistake of ours.
    #[error(
        "the thread that makes batches died, which is a mistake in Stepladder; please report what was printed above"
    )]
    LoaderDied,
    /// [`Progress::is_cancelled`](crate::Progress::is_cancelled) said so.
    #[error("cancelled")]
    Cancelled,
    /// A setting that cannot work.
    #[error("{0}")]
    Setting(String),
}

impl DataError {
    /// The same, with the links that were not followed, where missing photos or classes may be why.
    pub(crate) fn behind(self, links: Option<&Remark>) -> Self {
        let Some(Remark::LinksNotFollowed {
            folders,
            files,
            example,
        }) = links
        else {
            return self;
        };
        let missing = matches!(
            self,
            Self::NoPhotos { .. }
                | Self::NoClassFolders { .. }
                | Self::FitsNone { .. }
                | Self::SingleClass { .. }
                | Self::NoTrainingPart { .. }
                | Self::ClassWithoutTraining { .. }
                | Self::UnlabelledPart { .. }
        );
        if !missing {
            return self;
        }
        Self::BehindLinks {
            source: Box::new(self),
            links: folders + files,
            example: example.clone(),
        }
    }
}

/// Paths are printed as safely as names: a folder may hold a file with any name.
fn shown(path: &Path) -> String {
    shown_path(path)
}

fn in_names(pattern: &Option<String>) -> &'static str {
    match pattern {
        Some(_) => "; the classes seem to stand in the names of the files",
        None => "",
    }
}

fn meant(near: &[String]) -> String {
    match near {
        [] => String::new(),
        near => format!(" (did you mean {}?)", near.join(", ")),
    }
}

fn hint(skipped: usize, example: &Option<Skipped>) -> String {
    match example {
        None => String::from("; put each class's photos into a folder of its own"),
        Some(one) => format!(
            "; {skipped} files were set aside, such as {}: {}",
            one.name, one.reason
        ),
    }
}

/// A file that is not used, and why.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Skipped {
    /// The file's name inside its archive or folder, control characters escaped.
    pub name: String,
    /// Why it is not used, as a phrase that follows the name.
    pub reason: String,
}

/// Why one file cannot be used as a photo. Its message is the reason that users see.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PhotoError {
    /// The bytes cannot be read.
    #[error("cannot be read: {0}")]
    Read(#[from] io::Error),
    /// The file has no bytes.
    #[error("empty file")]
    Empty,
    /// The file is larger than we are willing to hold in memory.
    #[error("more than {} MiB of data in one file", limit >> 20)]
    TooManyBytes {
        /// The limit in bytes.
        limit: u64,
    },
    /// The picture has more pixels than we are willing to decode.
    #[error("{width} x {height} pixels, more than the limit of {} megapixels for such a file; shrink it, or raise the limit", limit / 1_000_000)]
    TooManyPixels {
        /// Columns that the header claims.
        width: u32,
        /// Rows that the header claims.
        height: u32,
        /// The most pixels of such a file.
        limit: u64,
    },
    /// The decoder wants more memory than there is for a picture.
    #[error("{0}")]
    TooLarge(String),
    /// A picture whose values say nothing of black and white.
    #[error(
        "values from {low} to {high}, and nothing says which of them is white; give levels, such as {low}:{high}"
    )]
    NoLevels {
        /// The lowest value.
        low: f32,
        /// The highest value.
        high: f32,
    },
    /// Not a picture at all, or one of a kind that is not supported.
    #[error("{0}")]
    NotAPhoto(String),
    /// A picture whose data is broken.
    #[error("damaged {format}: {reason}")]
    Damaged {
        /// "JPEG", "PNG", ..
        format: &'static str,
        /// The decoder's words.
        reason: String,
    },
    /// The decoder itself failed.
    #[error("the {format} decoder failed on this file")]
    DecoderPanicked {
        /// "JPEG", "PNG", ..
        format: &'static str,
    },
}
