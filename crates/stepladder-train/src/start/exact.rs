//! Features first, then the head that fits them best: all of a training whose backbone stays frozen, and the beginning of one that
//! is fine-tuned.

use super::features::{Features, View};
use super::head::Place;
use crate::error::TrainError;
use crate::fit::Fitted;
use crate::head::{ExactHead, HeadConfig, Samples};
use crate::log::Log;
use crate::meter::Clock;
use crate::preparation::{Prepared, TrainingRequest};
use crate::room::when_there_is_room;
use crate::training::Observer;
use std::sync::atomic::AtomicBool;
use std::time::Instant;
use stepladder_classifier::{Evaluation, Predictions};
use stepladder_data::DataError;
use stepladder_run::{EpochRecord, HeadRecord, Outcome, RunDirectory, StartRecord};

/// A head on features, and the features.
#[derive(Debug)]
pub(crate) struct Exact {
    head: ExactHead,
    features: Features,
    began: Instant,
}

/// Computes the features, fits the head to them, and puts it where [`TrainingRequest::initial_model`] takes it from.
pub(crate) fn solve(
    request: &TrainingRequest,
    prepared: &Prepared,
    run: &RunDirectory,
    observer: &dyn Observer,
    interrupt: &AtomicBool,
) -> Result<Exact, TrainError> {
    let pretrained = prepared
        .pretrained
        .as_ref()
        .expect("an exact head is part of a start");
    let place = Place::of(&prepared.graph).expect("a head that was looked for in reading the weights");
    let began = Instant::now();
    let features = Features::compute(request, prepared, observer.progress())?;
    let (training, validation) = samples(prepared, &features);
    let config = HeadConfig {
        classes: prepared.dataset.classes.len(),
        label_smoothing: request.rung.training.label_smoothing,
    };
    let rows = training.rows();
    let head = ExactHead::choose(training, &validation, config, observer.progress());
    let head = head.ok_or(DataError::Cancelled)?;
    // Another thread cannot have set it: a run is prepared for one training.
    let _ = pretrained.exact.set(head.arrays([&place.kernel, &place.bias]));
    let exact = Exact {
        head,
        features,
        began,
    };
    let record = exact.record(prepared, rows);
    observer.note(&told(&record, &exact));
    let record = StartRecord {
        head: Some(record),
        ..pretrained.record.clone()
    };
    when_there_is_room(observer, interrupt, || Ok(run.write_json(&run.start(), &record)?))?;
    Ok(exact)
}

/// The rows that the head is fitted to, and those that its strength is chosen on.
pub(super) fn samples(prepared: &Prepared, features: &Features) -> (Samples, Samples) {
    let split = &prepared.split;
    let labels = |photos: &[u32]| -> Vec<u32> {
        photos
            .iter()
            .map(|&photo| prepared.labels[photo as usize])
            .collect()
    };
    let mut training = Samples {
        features: features.rows(&split.train, View::Plain),
        width: features.width,
        labels: labels(&split.train),
        weights: Vec::new(),
    };
    training
        .features
        .extend(features.rows(&split.train, View::Mirrored));
    training.labels.extend_from_within(..);
    let factor = |label: &u32| prepared.class_weights.get(*label as usize).copied();
    training.weights = training.labels.iter().filter_map(factor).collect();
    let validation = Samples {
        features: features.rows(&split.validation, View::Plain),
        width: features.width,
        labels: labels(&split.validation),
        weights: Vec::new(),
    };
    (training, validation)
}

/// What a user is told of the head.
fn told(record: &HeadRecord, exact: &Exact) -> String {
    let percent = |share: f64| format!("{:.1}%", 100.0 * share);
    let on_validation = record.val_accuracy.map_or(String::new(), |share| {
        format!(", {} on validation", percent(share))
    });
    format!(
        "head on {} features of {} photos, strength {}: {} on training{on_validation}, after {:.1} s",
        record.features,
        record.rows / 2,
        record.strength,
        percent(record.accuracy),
        exact.began.elapsed().as_secs_f64()
    )
}

impl Exact {
    /// The answers about some photos, by their features.
    pub fn predictions(&self, prepared: &Prepared, photos: &[u32]) -> Predictions {
        let samples = Samples {
            features: self.features.rows(photos, View::Plain),
            width: self.features.width,
            labels: photos
                .iter()
                .map(|&photo| prepared.labels[photo as usize])
                .collect(),
            weights: Vec::new(),
        };
        self.head.predictions(photos, &samples)
    }

    fn evaluate(&self, prepared: &Prepared, photos: &[u32]) -> Option<Evaluation> {
        self.predictions(prepared, photos)
            .evaluate(&prepared.dataset.classes)
    }

    fn record(&self, prepared: &Prepared, rows: usize) -> HeadRecord {
        let training = self.evaluate(prepared, &prepared.split.train);
        let validation = self.evaluate(prepared, &prepared.split.validation);
        HeadRecord {
            features: self.features.width,
            rows,
            strength: self.head.strength,
            iterations: self.head.iterations,
            loss: training.as_ref().map_or(0.0, |figures| figures.loss),
            accuracy: training.as_ref().map_or(0.0, |figures| figures.accuracy),
            val_loss: validation.as_ref().map(|figures| figures.loss),
            val_accuracy: validation.as_ref().map(|figures| figures.accuracy),
        }
    }

    /// The end of a training that is no more than this: its logs, of one epoch without steps, and what is exported.
    pub fn finish(
        &self,
        request: &TrainingRequest,
        prepared: &Prepared,
        run: &RunDirectory,
        observer: &dyn Observer,
        interrupt: &AtomicBool,
    ) -> Result<Fitted, TrainError> {
        let record = self.record(prepared, 0);
        let seconds = self.began.elapsed().as_secs_f64();
        let clock = Clock {
            training: seconds,
            waited: 0.0,
            photos: prepared.split.train.len() as u64,
        };
        let epoch = EpochRecord {
            epoch: 1,
            loss: record.loss as f32,
            accuracy: record.accuracy as f32,
            val_loss: record.val_loss.map(|loss| loss as f32),
            val_accuracy: record.val_accuracy.map(|share| share as f32),
            learning_rate: 0.0,
            images_per_second: clock.images_per_second(),
            input_wait_fraction: 0.0,
            seconds,
            best: true,
        };
        when_there_is_room(observer, interrupt, || {
            Log::begin(run, &run.steps())?.flush()?;
            let mut log = Log::begin(run, &run.epochs())?;
            log.push(&epoch)?;
            log.flush()
        })?;
        observer.epoch(&epoch, 1);
        let model = request.initial_model(prepared, request.seed)?;
        Ok(Fitted {
            outcome: Outcome::Finished,
            epochs: 1,
            best_epoch: Some(1),
            exported_epoch: Some(1),
            model: model.with_precision(request.precision),
            profile: None,
            steps: 0,
            still_improving: false,
            recomputed_statistics: None,
            clock,
            seconds,
        })
    }
}
