//! `stepladder predict`: what is on photos that the model has never seen.

mod answers;
mod hints;
mod pass;
mod photos;
mod sorted;

use super::{known_run, model_file, on_threads, threads};
use crate::Ending;
use crate::arguments::PredictArguments;
use crate::terminal::{Output, ProgressBar, warn};
use answers::{Answers, Form};
pub(super) use hints::expect_run_and_photos;
pub(super) use pass::Pass;
pub(super) use photos::photos;
use sorted::Sorted;
use std::path::{Path, PathBuf};
use stepladder_classifier::Classifier;
use stepladder_train::{Config, RunDirectory};

pub(crate) fn predict(mut arguments: PredictArguments, output: &Output) -> anyhow::Result<Ending> {
    arguments.run = known_run(&arguments.run)?;
    expect_run_and_photos("predict", &arguments.run, &arguments.photos)?;
    if let Some(least) = arguments.unsure {
        anyhow::ensure!(
            (0.0..=1.0).contains(&least),
            "--unsure {least} is no probability; give a number from 0 to 1, e.g. --unsure 0.6"
        );
    }
    let threads = threads(arguments.answering.threads)?;
    on_threads(threads, || {
        let file = model_file(&arguments.run)?;
        let classifier = Classifier::load(&file, arguments.answering.device)?;
        if arguments.unsure.is_some() && classifier.temperature().is_none() {
            warn(&format!(
                "{}: its probabilities are not calibrated, so that --unsure goes by what the network says of itself; train again with validation photos to calibrate",
                file.display()
            ));
        }
        let found = photos(&arguments.photos, arguments.follow_links)?;
        let as_trained = classifier.predictor();
        let predictor = match arguments.tta {
            true => as_trained.with_flips(true),
            false => as_trained,
        };
        let form = Form {
            top: arguments.top,
            unsure: arguments.unsure,
            csv: arguments.csv,
        };
        let mut answers = Answers::new(&classifier, form, output)?;
        if let Some(file) = &arguments.out {
            answers = answers.with_file(file)?;
        }
        let sorted = arguments.sort_into.as_deref();
        if let Some(folder) = sorted {
            check_apart(folder, &arguments.photos, &file)?;
        }
        let mut sorted = sorted
            .map(|folder| Sorted::below(folder, classifier.classes()))
            .transpose()?;
        for failure in found.failed {
            answers.failed(failure.name, failure.reason)?;
        }
        let bar = ProgressBar::new(output);
        bar.begin(found.photos.len() as u64, String::from("looking at photos"));
        let mut done = 0;
        let decoding = arguments.pixels.decoding(predictor.decoding());
        let pass = Pass::new(&predictor, arguments.answering.batch).with_decoding(decoding);
        pass.run(&found.photos, |photo, answer| {
            done += 1;
            bar.set(done);
            match answer {
                Ok(probabilities) => {
                    let class = answers.answered(photo.name(), &probabilities)?;
                    match &mut sorted {
                        Some(sorted) => sorted.copy(photo, class),
                        None => Ok(()),
                    }
                }
                Err(reason) => bar.suspend(|| answers.failed(photo.name().to_string(), reason.to_string())),
            }
        })?;
        bar.clear();
        answers.finish(sorted.as_ref())
    })
}

/// Refuses to sort photos into a folder that holds them, or that a run of theirs was trained on: the next training would take the copies
/// for photos with labels.
fn check_apart(folder: &Path, photos: &[PathBuf], model: &Path) -> anyhow::Result<()> {
    let real = |path: &Path| path.canonicalize().ok();
    let Some(into) = real(folder) else {
        return Ok(());
    };
    let asked = photos.iter().filter_map(|photo| real(photo));
    let holds = asked.into_iter().any(|photo| photo.starts_with(&into));
    let trained_on = model
        .parent()
        .map(RunDirectory::open)
        .and_then(|run| run.read_json::<Config>(&run.config()).ok())
        .and_then(|config| config.data.path)
        .and_then(|data| real(&data));
    let is_data = trained_on.is_some_and(|data| into.starts_with(&data) || data.starts_with(&into));
    anyhow::ensure!(
        !holds && !is_data,
        "--sort-into {}: that folder holds photos of the data; name another, such as sorted/",
        folder.display()
    );
    Ok(())
}
