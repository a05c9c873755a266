//! An ONNX file, tried in another program before it is written; in f32 it must agree, in int8 its accuracy is measured.

use super::model::{place, result, show_file};
use super::photos::Squares;
use crate::Ending;
use crate::arguments::{ExportArguments, ExportInput, PartName};
use crate::terminal::{Output, ProgressBar, interval, percent, quoted, warn};
use anyhow::Context;
use serde::Serialize;
use std::path::Path;
use stepladder_classifier::{Classifier, Score};
use stepladder_data::RgbPhoto;
use stepladder_export::{
    CalibrationRange, InputForm, License, OPSET, OnnxOptions, Quantization, Runtime, TOLERANCE, Verification,
    Verifier, to_onnx,
};
use stepladder_model::ImageSize;
use stepladder_nn::argmax;
use stepladder_run::write_atomically;

/// Photos that an f32 export is checked on: enough for every class, few enough to wait for.
const CHECKED: usize = 64;

/// Photos that ranges are learned from. More change them little.
const CALIBRATED: usize = 256;

/// Photos per pass.
const BATCH: usize = 16;

pub(super) fn export(
    arguments: &ExportArguments,
    model: &Path,
    classifier: &Classifier,
    threads: usize,
    output: &Output,
) -> anyhow::Result<Ending> {
    let name = match arguments.quantize {
        Some(_) => "model-int8.onnx",
        None => "model.onnx",
    };
    let file = place(arguments, model, name)?;
    let quantization = match arguments.quantize {
        Some(_) => Some(calibrate(arguments, classifier, threads, output)?),
        None => None,
    };
    let options = OnnxOptions {
        input: match arguments.input {
            ExportInput::Uint8Nhwc => InputForm::Uint8Nhwc,
            ExportInput::FloatNchw => InputForm::FloatNchw,
        },
        quantization,
        license: License {
            author: arguments.author.clone(),
            license: arguments.license.clone(),
        },
    };
    let onnx = to_onnx(classifier, &options)?;
    let runtime = Runtime::load(onnx.clone(), options.input, threads)?;
    let trial = match &options.quantization {
        None => check(arguments, classifier, &runtime, threads, output)?,
        Some(_) => measure(arguments, classifier, &runtime, threads, output)?,
    };
    write_atomically(&file, &onnx).with_context(|| format!("cannot write {}", file.display()))?;
    show(&file, classifier, &options, &trial, output);
    if options.quantization.is_none() && arguments.run.is_dir() {
        output.line("");
        output.line("Next:");
        output.hint(&format!(
            "stepladder export {} --quantize int8",
            quoted(&arguments.run.display().to_string())
        ));
    }
    let mut json = result(arguments, classifier, &file);
    json["bytes"] = onnx.len().into();
    json["opset"] = OPSET.into();
    json["quantize"] = serde_json::to_value(options.quantization.map(|_| "int8"))?;
    json["trial"] = serde_json::to_value(&trial)?;
    output.json(&json)?;
    Ok(Ending::Done)
}

/// What came of trying the file.
#[derive(Serialize)]
struct Trial {
    /// What the photos are.
    #[serde(rename = "on")]
    name: String,
    photos: usize,
    differing: usize,
    largest_difference: f32,
    /// Photos right in f32 and in int8; `None` where that was not asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<Share>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<Share>,
}

/// An accuracy with its 95% interval.
#[derive(Serialize)]
struct Share {
    accuracy: f64,
    interval: [f64; 2],
}

impl Share {
    fn new(right: usize, images: usize) -> Share {
        let score = Score { right, images };
        Share {
            accuracy: score.accuracy(),
            interval: score.interval(),
        }
    }
}

impl Trial {
    fn new(name: String, verification: Verification) -> Trial {
        Trial {
            name,
            photos: verification.photos,
            differing: verification.differing,
            largest_difference: verification.difference,
            before: None,
            after: None,
        }
    }
}

/// Learns the ranges of activations from the run's validation photos.
fn calibrate(
    arguments: &ExportArguments,
    classifier: &Classifier,
    threads: usize,
    output: &Output,
) -> anyhow::Result<Quantization> {
    anyhow::ensure!(
        arguments.run.is_dir(),
        "--quantize learns from the run's validation photos; give the run's directory instead of {}",
        arguments.run.display()
    );
    let photos = Squares::of_run(arguments, classifier, PartName::Val, threads, output)?.some(CALIBRATED);
    anyhow::ensure!(
        photos.len() > 0,
        "{} has no validation photos, which --quantize learns the ranges of activations from; train with a validation part",
        arguments.run.display()
    );
    let bar = ProgressBar::new(output);
    bar.begin(photos.len() as u64, "learning ranges".to_string());
    let squares = photos.batches(1).map(|batch| Ok(batch?.0.remove(0)));
    let squares = squares.collect::<anyhow::Result<Vec<RgbPhoto>>>()?;
    let advance = || stepladder_data::Progress::advance(&bar, 1);
    let quantization = Quantization::calibrate(
        classifier,
        &squares,
        CalibrationRange::default(),
        threads,
        advance,
    );
    bar.clear();
    Ok(quantization?)
}

/// Sees to it that the file agrees with the classifier.
fn check(
    arguments: &ExportArguments,
    classifier: &Classifier,
    runtime: &Runtime,
    threads: usize,
    output: &Output,
) -> anyhow::Result<Trial> {
    let own = match arguments.run.is_dir() {
        true => Squares::of_run(arguments, classifier, PartName::Test, threads, output).map(Some),
        false => Ok(None),
    };
    let own = own.unwrap_or_else(|reason| {
        warn(&format!(
            "the run's photos cannot be used, so the file is checked on the shipped ones: {reason:#}"
        ));
        None
    });
    let photos = match own {
        Some(photos) if photos.len() > 0 => photos,
        _ => Squares::shipped(arguments, classifier, threads, output)?,
    };
    let photos = photos.some(CHECKED);
    let mut verifier = Verifier::new(classifier, runtime);
    let bar = ProgressBar::new(output);
    bar.begin(photos.len() as u64, "checking".to_string());
    for batch in photos.batches(BATCH) {
        let (squares, _) = batch?;
        verifier.ask(&squares)?;
        stepladder_data::Progress::advance(&bar, squares.len() as u64);
    }
    bar.clear();
    Ok(Trial::new(photos.name, verifier.verification().agree()?))
}

/// Measures accuracy before and after on the run's test photos.
fn measure(
    arguments: &ExportArguments,
    classifier: &Classifier,
    runtime: &Runtime,
    threads: usize,
    output: &Output,
) -> anyhow::Result<Trial> {
    let photos = Squares::of_run(arguments, classifier, PartName::Test, threads, output)?;
    anyhow::ensure!(
        photos.len() > 0,
        "{} has no test photos to measure int8 on; train with a test part",
        arguments.run.display()
    );
    let mut verifier = Verifier::new(classifier, runtime);
    let (mut before, mut after) = (0, 0);
    let bar = ProgressBar::new(output);
    bar.begin(photos.len() as u64, "measuring".to_string());
    for batch in photos.batches(BATCH) {
        let (squares, labels) = batch?;
        let answers = verifier.ask(&squares)?;
        let right = |rows: &[Vec<f32>]| {
            let rows = rows.iter().zip(labels);
            rows.filter(|(row, label)| argmax(row) == **label as usize)
                .count()
        };
        before += right(&answers.ours);
        after += right(&answers.theirs);
        stepladder_data::Progress::advance(&bar, squares.len() as u64);
    }
    bar.clear();
    Ok(Trial {
        before: Some(Share::new(before, photos.len())),
        after: Some(Share::new(after, photos.len())),
        ..Trial::new(photos.name, verifier.verification())
    })
}

fn show(file: &Path, classifier: &Classifier, options: &OnnxOptions, trial: &Trial, output: &Output) {
    let ImageSize { height, width } = classifier.size();
    let input = match options.input {
        InputForm::Uint8Nhwc => format!("uint8 [batch, {height}, {width}, 3]"),
        InputForm::FloatNchw => format!("f32 [batch, 3, {height}, {width}]"),
    };
    let classes = classifier.classes().len();
    let description = format!("opset {OPSET}, from {input} to probabilities [batch, {classes}]");
    show_file("onnx", file, &description, output);
    match (&trial.before, &trial.after) {
        (Some(before), Some(after)) => {
            for (what, share) in [("f32", before), ("int8", after)] {
                let [low, high] = share.interval;
                output.line(&format!(
                    "{what:12}{} of {} {} right ({})",
                    percent(share.accuracy),
                    trial.photos,
                    trial.name,
                    interval(low, high)
                ));
            }
            output.line(&format!(
                "difference  another class on {} photos, probabilities off by up to {:.3}",
                trial.differing, trial.largest_difference
            ));
        }
        _ => output.line(&format!(
            "checked     {} {} in rten: the same class on each, probabilities off by up to {:.1e} (allowed: {TOLERANCE})",
            trial.photos, trial.name, trial.largest_difference
        )),
    }
}
