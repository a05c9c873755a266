//! One training of a climb: read where it is done, trained where it is not.

use std::io;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use stepladder_train::{
    Config, Observer, Outcome, RecordedRun, Summary, TrainError, TrainingRequest, data_record,
    train_or_resume,
};

/// Trains as requested in the run directory that the request names: from the first step, from where a training of it was cut
/// off, or, where it is done, not at all.
pub(crate) fn train_or_read(
    request: &TrainingRequest,
    observer: &dyn Observer,
    interrupt: &AtomicBool,
) -> Result<Summary, TrainError> {
    // The most memory that the process has held is the run's only if it is counted from here (Linux). Where that is
    // refused, the figure is the climb's.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    train_or_resume(request, observer, interrupt)
}

/// The summary of a run that has ended.
pub(crate) fn done(run: &Path) -> Option<Summary> {
    let summary = RecordedRun::read(run).ok()?.summary;
    (summary.outcome != Outcome::Interrupted).then_some(summary)
}

/// The longest document of a run that is read here, in bytes.
const LONGEST: u64 = 1 << 24;

/// Whether the run in `directory` is one of this request, threads aside, which change no result. A run that was cut off
/// before it had written down what it is counts as one: there is nothing in it to lose.
pub(crate) fn is_of(directory: &Path, request: &TrainingRequest) -> io::Result<bool> {
    let read = |name: &str| match stepladder_files::read_to_string(directory.join(name), LONGEST) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    };
    let Some(config) = read("config.json")? else {
        return Ok(true);
    };
    let Ok(config) = serde_json::from_str::<Config>(&config) else {
        return Ok(false);
    };
    let same_rung = read("rung.toml")?.is_none_or(|rung| rung == request.rung.to_toml());
    Ok(same_rung
        && config.data == data_record(&request.data)
        && Some(config.size) == request.size
        && config.seed == request.seed
        && config.split_seed == request.split_seed.unwrap_or(request.seed)
        && config.device == request.device.to_string()
        && config.precision == request.precision.to_string())
}
