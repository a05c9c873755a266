//! One file for each command.

mod auto;
mod bench;
mod climb;
mod compare;
mod controls;
mod embed;
mod evaluate;
mod explain;
mod export;
mod find_lr;
mod hub;
mod inspect;
mod known_runs;
mod left_out;
mod models;
mod new_rung;
mod plan;
mod predict;
#[cfg(feature = "pages")]
mod report;
mod runs;
#[cfg(feature = "serve")]
mod serve;
#[cfg(any(feature = "serve", feature = "watch"))]
mod server;
mod start;
mod start_worth;
mod train;
#[cfg(feature = "watch")]
mod watch;

pub(crate) use bench::bench;
pub(crate) use climb::climb;
pub(crate) use compare::{AgainstFirst, RunComparison, RunFigures, compare};
pub(crate) use embed::embed;
pub(crate) use evaluate::evaluate;
pub(crate) use explain::explain;
pub(crate) use export::export;
pub(crate) use find_lr::find_lr;
pub(crate) use inspect::inspect;
use known_runs::{known_run, newest};
pub(crate) use left_out::left_out;
#[cfg(not(feature = "pages"))]
pub(crate) use left_out::report;
#[cfg(not(feature = "serve"))]
pub(crate) use left_out::serve;
#[cfg(not(feature = "watch"))]
pub(crate) use left_out::watch;
pub(crate) use models::models;
use new_rung::new_rung;
pub(crate) use plan::plan;
pub(crate) use predict::predict;
#[cfg(feature = "pages")]
pub(crate) use report::report;
pub(crate) use runs::runs;
#[cfg(feature = "serve")]
pub(crate) use serve::serve;
pub(crate) use train::{resume, train};
#[cfg(feature = "watch")]
pub(crate) use watch::watch;

use crate::arguments::{CacheArguments, DataArguments, ReadingArguments};
use crate::terminal::{data_error, quoted, warn};
use anyhow::Context;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use stepladder_data::{CacheConfig, DataError, DataRequest, Reading, TableForm};

/// The photos of the first training: 200 flowers in five classes (`photos/ATTRIBUTION.md`).
const SHIPPED_PHOTOS: &[u8] = include_bytes!("../photos/small_flowers5.zip");

/// The name of [`SHIPPED_PHOTOS`].
const SHIPPED_NAME: &str = "small_flowers5";

/// More threads than this are of no use on a machine of a quarter as many cores.
const MOST_THREADS: usize = 64;

/// As many threads as asked for, or one for each core.
fn threads(asked: Option<usize>) -> anyhow::Result<usize> {
    anyhow::ensure!(
        asked != Some(0),
        "--threads 0 can compute nothing; give 1 or more"
    );
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let most = MOST_THREADS.max(4 * cores);
    match asked {
        Some(threads) if threads > most => {
            warn(&format!(
                "--threads {threads} is more than there is a use for: this machine has {cores} cores; taking {most}"
            ));
            Ok(most)
        }
        threads => Ok(threads.unwrap_or(cores)),
    }
}

/// Runs `work` on a pool of `threads` threads.
fn on_threads<T: Send>(threads: usize, work: impl FnOnce() -> anyhow::Result<T> + Send) -> anyhow::Result<T> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    pool.with_context(|| format!("cannot start {threads} threads; give a smaller --threads"))?
        .install(work)
}

/// The cache that was asked for, or the usual one.
fn cache(arguments: &CacheArguments, threads: usize) -> anyhow::Result<CacheConfig> {
    let cache = match &arguments.cache {
        Some(dir) => CacheConfig::new(dir),
        None => CacheConfig::from_environment()?,
    };
    let cache = cache.with_threads(threads);
    Ok(match arguments.cache_limit {
        Some(gib) if gib >= 0.0 => cache.with_limit_bytes((gib * f64::from(1 << 30)) as u64),
        Some(gib) => anyhow::bail!("--cache-limit {gib} is no size; give GiB, 0 or more"),
        None => cache,
    })
}

/// The model file of a run directory, or the file itself.
fn model_file(run: &Path) -> anyhow::Result<PathBuf> {
    if !run.is_dir() {
        anyhow::ensure!(
            run.exists(),
            "{} does not exist; give a run directory or a model.safetensors{}",
            run.display(),
            newest().map_or(String::new(), |newest| format!(
                "; the newest run is {}",
                newest.display()
            ))
        );
        return Ok(run.to_path_buf());
    }
    let file = stepladder_train::RunDirectory::open(run).model();
    anyhow::ensure!(
        file.exists(),
        "{} holds no model.safetensors; give the directory of a run that has trained",
        run.display()
    );
    Ok(file)
}

/// The photos that were named, or the shipped ones.
fn data(path: Option<PathBuf>, parts: DataArguments) -> DataRequest {
    if path.is_none() && parts.table.is_none() && parts.train.is_none() {
        return DataRequest::memory(SHIPPED_NAME, SHIPPED_PHOTOS).with_reading(reading(parts.reading));
    }
    DataRequest {
        path,
        table: parts.table,
        table_form: parts.table_form.form(),
        levels: parts.levels.unwrap_or_default(),
        max_pixels: parts
            .max_pixels
            .map(|millions| millions.saturating_mul(1_000_000)),
        train: parts.train,
        val: parts.val,
        test: parts.test,
        memory: None,
        reading: reading(parts.reading),
    }
}

/// How names are read.
fn reading(arguments: ReadingArguments) -> Reading {
    Reading {
        layout: arguments.layout,
        class_from: arguments.class_from,
        group_by: arguments.group_by,
        follow_links: arguments.follow_links,
        classes: arguments.classes,
        zip_names: arguments.zip_names,
    }
}

/// The options that say how names are read, each with a space before it; those alone that a table needs, which says classes itself.
fn reading_words(reading: &Reading, with_table: bool) -> String {
    let classes = (!reading.classes.is_empty()).then(|| reading.classes.join(","));
    // `inspect --fix` has written a column for what makes groups.
    let says_group = |option: &Option<String>| option.as_ref().is_some_and(|text| text.contains("group"));
    let grouped =
        reading.group_by.is_some() || says_group(&reading.layout) || says_group(&reading.class_from);
    let group_by = match with_table {
        true => grouped.then(|| String::from("group")),
        false => reading.group_by.clone(),
    };
    let of_folders = |option: &Option<String>| option.clone().filter(|_| !with_table);
    let valued = [
        ("--layout", of_folders(&reading.layout)),
        ("--class-from", of_folders(&reading.class_from)),
        ("--group-by", group_by),
        ("--classes", classes),
        ("--zip-names", reading.zip_names.clone()),
    ];
    let valued = valued
        .into_iter()
        .filter_map(|(option, value)| Some(format!(" {option} {}", quoted(&value?))));
    let follow = reading.follow_links.then(|| String::from(" --follow-links"));
    valued.chain(follow).collect()
}

/// A run's photos where they are now: what was given replaces what the run has written down.
fn moved(of_run: DataRequest, path: Option<PathBuf>, parts: DataArguments) -> DataRequest {
    let given = reading(parts.reading);
    let known = of_run.reading;
    // One data set may have become separate archives, or the other way round.
    let (of_path, of_parts) = (path.is_some(), parts.train.is_some());
    DataRequest {
        memory: of_run.memory.filter(|_| !of_path && !of_parts),
        path: path.or(of_run.path.filter(|_| !of_parts)),
        table: parts.table.or(of_run.table),
        table_form: match parts.table_form.form() {
            form if form == TableForm::default() => of_run.table_form,
            form => form,
        },
        levels: parts.levels.unwrap_or(of_run.levels),
        max_pixels: match parts.max_pixels {
            Some(millions) => Some(millions.saturating_mul(1_000_000)),
            None => of_run.max_pixels,
        },
        train: parts.train.or(of_run.train.filter(|_| !of_path)),
        val: parts.val.or(of_run.val.filter(|_| !of_path && !of_parts)),
        test: parts.test.or(of_run.test.filter(|_| !of_path && !of_parts)),
        reading: Reading {
            layout: given.layout.or(known.layout),
            class_from: given.class_from.or(known.class_from),
            group_by: given.group_by.or(known.group_by),
            follow_links: given.follow_links || known.follow_links,
            classes: match given.classes.is_empty() {
                true => known.classes,
                false => given.classes,
            },
            zip_names: given.zip_names.or(known.zip_names),
        },
    }
}

/// An error about photos that a run has used and that are not there now, with the way out.
fn if_moved(error: impl Into<anyhow::Error>) -> anyhow::Error {
    let error = error.into();
    let gone = matches!(
        data_error(&error),
        Some(DataError::Io { source, .. }) if source.kind() == ErrorKind::NotFound
    );
    match gone {
        true => error.context(
            "the run's photos are not where they were; if they have moved, say where they are with --data",
        ),
        false => error,
    }
}

/// Refuses a file for a page whose name says something else, and any in a build that writes none.
fn check_page(page: &Path) -> anyhow::Result<()> {
    if cfg!(not(feature = "pages")) {
        return Err(left_out("--html", "pages"));
    }
    anyhow::ensure!(
        has_extension(page, &["html", "htm"]),
        "--html {}: a page's name must end in .html",
        page.display()
    );
    Ok(())
}

/// Whether a name is that of a photo.
pub(crate) fn looks_like_a_photo(path: &Path) -> bool {
    const PHOTOS: [&str; 12] = [
        "jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff", "heic", "heif", "avif", "ppm",
    ];
    has_extension(path, &PHOTOS)
}

/// Whether the file's name ends in one of these, in upper or lower case.
fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| {
        extensions
            .iter()
            .any(|known| known.eq_ignore_ascii_case(extension))
    })
}
