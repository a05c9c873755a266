//! `stepladder embed`: what a network makes of each photo before its last layer, in a file for other programs.

mod table;

use super::predict::{Pass, expect_run_and_photos, photos};
use super::{known_run, model_file, on_threads, threads};
use crate::Ending;
use crate::arguments::EmbedArguments;
use crate::terminal::{Output, ProgressBar, count, warn};
use serde_json::json;
use std::path::Path;
use stepladder_classifier::Classifier;
use stepladder_model::{ImageSize, RungCatalog};
use stepladder_nn::Device;
use stepladder_train::SHIPPED_NETWORK;
use table::{Form, Table};

/// The weights that are part of the program.
const SHIPPED: &str = "shipped";

pub(crate) fn embed(arguments: EmbedArguments, output: &Output) -> anyhow::Result<Ending> {
    if arguments.run != SHIPPED {
        let run = known_run(Path::new(&arguments.run))?;
        expect_run_and_photos("embed", &run, &arguments.photos)?;
    }
    let form = Form::of(&arguments.out)?;
    let threads = threads(arguments.answering.threads)?;
    on_threads(threads, || {
        let classifier = classifier(&arguments.run, arguments.size, arguments.answering.device)?;
        let predictor = classifier.predictor();
        let found = photos(&arguments.photos, arguments.follow_links)?;
        let mut failed = found.failed.len();
        for failure in &found.failed {
            warn(&format!("{}: {}", failure.name, failure.reason));
        }
        let bar = ProgressBar::new(output);
        bar.begin(found.photos.len() as u64, String::from("looking at photos"));
        let mut table = Table::default();
        let mut done = 0;
        let pass = Pass::new(&predictor, arguments.answering.batch)
            .with_decoding(arguments.pixels.decoding(predictor.decoding()))
            .with_features();
        pass.run(&found.photos, |photo, answer| {
            done += 1;
            bar.set(done);
            match answer {
                Ok(features) => table.push(photo.name(), &features),
                Err(reason) => {
                    failed += 1;
                    bar.suspend(|| warn(&format!("{}: {reason}", photo.name())));
                }
            }
            Ok(())
        })?;
        bar.clear();
        anyhow::ensure!(
            table.rows() > 0,
            "no photo could be read, so that nothing was written"
        );
        table.write(&arguments.out, form)?;
        output.line(&format!(
            "{} photos, {} features each: {}",
            count(table.rows() as u64),
            table.width(),
            arguments.out.display()
        ));
        output.json(&json!({
            "file": arguments.out.display().to_string(),
            "photos": table.rows(),
            "features": table.width(),
            "failed": failed,
        }))?;
        Ok(if failed == 0 {
            Ending::Done
        } else {
            Ending::Incomplete
        })
    })
}

/// The model that makes the features.
fn classifier(run: &str, size: Option<ImageSize>, device: Device) -> anyhow::Result<Classifier> {
    if run == SHIPPED {
        let rung = RungCatalog::shipped().get(SHIPPED_NETWORK)?;
        let size = size.unwrap_or(rung.input.size);
        return Ok(stepladder_train::backbone(SHIPPED, &rung, size, device)?);
    }
    anyhow::ensure!(
        size.is_none(),
        "--size belongs to `embed shipped`; a model that was trained sees photos at the size that it was trained with"
    );
    Ok(Classifier::load(
        &model_file(&known_run(Path::new(run))?)?,
        device,
    )?)
}
