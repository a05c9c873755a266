//! When the watch looks, and what follows from what it sees.

use super::Fit;
use crate::error::TrainError;
use crate::meter::Mean;
use crate::room::when_there_is_room;
use crate::watch::{Bound, Cause, Diagnosis, EpochSeen, Training, at_the_start, why_stuck};
use stepladder_classifier::Evaluation;
use stepladder_comparison::independent_interval;
use stepladder_data::Batch;
use stepladder_model::{Op, Operation, Schedule};
use stepladder_nn::{StepOutcome, Targets, argmax};
use stepladder_run::{OnStuck, Outcome};

/// Photos that an inspection looks at.
const FEW: usize = 8;

/// Training photos that are asked about in both modes, how often in a run, and from which step on.
const BOTH_MODES: usize = 96;
const TIMES: usize = 3;
const FROM_STEP: u64 = 500;

/// Steps after which a look is due within an epoch: each so many.
const EACH: u64 = 64;

impl Fit<'_, '_> {
    /// Looks at the layers once, before anything is paid for.
    pub(super) fn look_before_the_first_step(
        &mut self,
        batch: &Batch,
        targets: &Targets,
    ) -> Result<(), TrainError> {
        if std::mem::replace(&mut self.place.watch.has_begun, true) {
            return Ok(());
        }
        let (images, targets) = few(batch, targets);
        let inspection = self.trainer.inspect(images, targets);
        for found in at_the_start(&inspection, self.classes()) {
            self.note_diagnosis(found)?;
        }
        Ok(())
    }

    /// Looks at what the last steps gave; whether training was set back or ended by it.
    pub(super) fn look_at_steps(&mut self, step: &StepOutcome) -> Result<bool, TrainError> {
        let watch = &mut self.place.watch;
        watch.recent.push(step);
        let due = self.place.step.is_multiple_of(EACH);
        if due && self.place.watch.recent.is_stuck(self.greatest_share(), false) {
            return self.stuck();
        }
        Ok(false)
    }

    /// Looks at an epoch that has ended; whether training was set back by it.
    pub(super) fn look_at_epoch(
        &mut self,
        mean: Mean,
        validation: Option<&Evaluation>,
    ) -> Result<bool, TrainError> {
        self.place.watch.epochs.push(EpochSeen {
            loss: mean.loss(),
            train: (mean.photos, mean.correct),
            val_loss: validation.map_or(f32::NAN, |val| val.loss as f32),
            val: validation.map_or((0, 0), |val| (val.images, val.right())),
        });
        let shares = self.greatest_share();
        if self.place.watch.recent.is_stuck(shares, true) && self.stuck()? {
            return Ok(true);
        }
        for found in self.judged().at_the_epochs_end(&self.place.watch.epochs) {
            self.note_diagnosis(found)?;
        }
        self.ask_in_both_modes(mean, validation)?;
        Ok(false)
    }

    /// Looks at a training that has come to its last epoch.
    pub(super) fn look_at_the_end(&mut self) -> Result<(), TrainError> {
        match self.judged().at_the_end(&self.place.watch.epochs) {
            Some(found) => self.note_diagnosis(found),
            None => Ok(()),
        }
    }

    /// Says and keeps what was found, unless it is known.
    pub(super) fn note_diagnosis(&mut self, found: Diagnosis) -> Result<(), TrainError> {
        if self.place.watch.note(&found) {
            self.observer.diagnosed(&found);
            self.write_diagnoses()?;
        }
        Ok(())
    }

    /// Writes what was found so far, where there is something.
    pub(super) fn write_diagnoses(&self) -> Result<(), TrainError> {
        let found = &self.place.watch.diagnoses;
        if found.is_empty() {
            return Ok(());
        }
        when_there_is_room(self.observer, self.interrupt, || {
            Ok(self.run.write_json(&self.run.diagnoses(), found)?)
        })
    }

    /// The layer whose values are the first that are no numbers, for the batch that comes next.
    pub(super) fn first_layer_off_the_numbers(&self, photos: &[u32]) -> Result<Option<String>, TrainError> {
        let shape = self.course.phase(self.place.epoch).shape();
        let mut batches = self
            .loader
            .epoch_of(self.place.epoch as u64, self.place.batch, shape);
        let Some(batch) = batches.next() else {
            return Ok(None);
        };
        let batch = batch?;
        debug_assert_eq!(batch.photos, photos, "a loader makes the same batch again");
        let targets = self.prepared.targets(&batch);
        let photo = batch.images.len() / photos.len().max(1);
        for start in (0..photos.len()).step_by(FEW) {
            let end = (start + FEW).min(photos.len());
            let images = batch.images[start * photo..end * photo].to_vec();
            let labels = &targets.labels[start..end];
            let inspection = self.trainer.inspect(images, labels);
            let broken = |rms: Option<f32>| rms.is_some_and(|rms| !rms.is_finite());
            let mut layers = inspection.layers.into_iter();
            if let Some(layer) = layers.find(|layer| broken(Some(layer.rms)) || broken(layer.weight_rms)) {
                return Ok(Some(layer.layer));
            }
        }
        Ok(None)
    }

    /// The network learns nothing: says why, and does what was asked for; whether training was set back or ended.
    fn stuck(&mut self) -> Result<bool, TrainError> {
        let recent = &self.place.watch.recent;
        let mut seen = format!(
            "{:.0}% of the last {} answers were one class, {:.1}% were right where always naming the largest class gives {:.1}%, and the loss is {:.2}",
            100.0 * recent.constancy(),
            recent.photos(),
            100.0 * recent.accuracy(),
            100.0 * self.greatest_share(),
            recent.loss()
        );
        let reason = self.reason()?;
        let (mut layer, mut remedy) = (
            None,
            "try a tenth of the learning rate, or add BatchNormalization".to_string(),
        );
        if let Some(reason) = reason {
            seen += &format!(" ({}: {})", reason.cause, reason.seen);
            (layer, remedy) = (reason.layer, reason.remedy);
        }
        let on_stuck = self.request.controls.on_stuck;
        match on_stuck {
            OnStuck::Warn => {}
            OnStuck::Stop => remedy = format!("training stops; {remedy}"),
            OnStuck::Reseed => remedy = format!("training begins again with other initial weights; {remedy}"),
        }
        self.note_diagnosis(Diagnosis {
            cause: Cause::StuckAtChance,
            epoch: self.place.epoch + usize::from(self.place.batch > 0),
            step: self.place.step,
            since: None,
            layer,
            seen,
            remedy,
        })?;
        match on_stuck {
            OnStuck::Warn => return Ok(false),
            OnStuck::Reseed if self.reseed()? => return Ok(true),
            OnStuck::Reseed | OnStuck::Stop => {}
        }
        self.place.ended = Some(Outcome::Stuck);
        self.checkpoint()?;
        Ok(true)
    }

    /// What the layers say of why nothing is learned, on photos of the training part.
    fn reason(&self) -> Result<Option<Diagnosis>, TrainError> {
        let Some(batch) = self.loader.epoch(self.place.epoch as u64).next() else {
            return Ok(None);
        };
        let batch = batch?;
        let targets = self.prepared.targets(&batch);
        let (images, targets) = few(&batch, &targets);
        let inspection = self.trainer.inspect(images, targets);
        Ok(why_stuck(&inspection, self.classes()))
    }

    /// Where validation is far behind and there are batch normalizations: whether the same training photos are told apart with
    /// their own statistics and not with the moving ones.
    fn ask_in_both_modes(&mut self, mean: Mean, validation: Option<&Evaluation>) -> Result<(), TrainError> {
        let normalizes = |operation: &Operation| matches!(operation.op, Op::BatchNormalization { .. });
        let operations = &self.prepared.graph.operations;
        let Some(validation) = validation.filter(|_| operations.iter().any(normalizes)) else {
            return Ok(());
        };
        let behind = independent_interval(
            (validation.right(), validation.images),
            (mean.correct, mean.photos),
        );
        let asked = &mut self.place.watch.asked_both_modes;
        if behind[0] < 0.1 || self.place.step < FROM_STEP || *asked >= TIMES {
            return Ok(());
        }
        *asked += 1;
        let model = self.trainer.evaluated();
        let (mut asked, mut by_moving, mut by_batch) = (0, 0, 0);
        let next = self.place.epoch;
        let shape = self.course.phase(next.saturating_sub(1)).shape();
        for batch in self.loader.epoch_of(next as u64, 0, shape) {
            let batch = batch?;
            let photos = batch.labels.len();
            let greatest: Vec<u32> = self.prepared.targets(&batch).greatest().collect();
            let right = |probabilities: Vec<f32>| {
                let rows = probabilities.chunks_exact(self.classes()).zip(&greatest);
                rows.filter(|(row, label)| argmax(row) == **label as usize)
                    .count()
            };
            by_moving += right(model.predict(batch.images.clone(), photos));
            by_batch += right(model.predict_by_batch_statistics(batch.images, photos));
            asked += photos;
            if asked >= BOTH_MODES {
                break;
            }
        }
        let [low, _] = independent_interval((by_moving, asked), (by_batch, asked));
        if low <= 0.0 {
            return Ok(());
        }
        self.note_diagnosis(Diagnosis {
            cause: Cause::StaleStatistics,
            epoch: self.place.epoch,
            step: self.place.step,
            since: None,
            layer: None,
            seen: format!(
                "of {asked} training photos {by_batch} are right with their own statistics in batch normalization, and {by_moving} with the moving ones"
            ),
            remedy: "the moving statistics do not follow: larger batches (--batch), a lower rate, or momentum = 0.9 in BatchNormalization".to_string(),
        })
    }

    fn classes(&self) -> usize {
        self.prepared.dataset.classes.len()
    }

    /// The share of the largest class among the training photos.
    fn greatest_share(&self) -> f64 {
        let train = &self.prepared.split.train;
        let mut photos = vec![0_usize; self.classes()];
        for &photo in train {
            photos[self.prepared.labels[photo as usize] as usize] += 1;
        }
        photos.into_iter().max().unwrap_or(0) as f64 / train.len().max(1) as f64
    }

    /// What the figures are judged by.
    fn judged(&self) -> Training {
        let rung = &self.request.rung;
        let drops = |operation: &Operation| matches!(operation.op, Op::Dropout { rate } | Op::StochasticDepth { rate } if rate > 0.0);
        let graph = &self.prepared.graph;
        let augments = rung.augmentation.is_some() || !graph.augmentation.is_empty();
        let mixes = rung.training.mixup_alpha > 0.0 || rung.training.cutmix_alpha > 0.0;
        let hardships = [
            (augments, "augmentation"),
            (graph.operations.iter().any(drops), "dropout"),
            (mixes, "mixed photos"),
        ];
        let recent = &self.place.watch.recent;
        Training {
            classes: self.classes(),
            hardships: hardships
                .into_iter()
                .filter(|(has, _)| *has)
                .map(|(_, name)| name)
                .collect(),
            rate: rung.optimizer.learning_rate() * self.place.rescue.rate_factor,
            rate_falls: rung.schedule != Schedule::Constant || rung.reduce_lr_on_plateau.is_some(),
            first_loss: recent.first_loss(),
            last_loss: recent.loss(),
            constancy: recent.constancy(),
            is_above_chance: recent.is_above(self.greatest_share()),
            step: self.place.step,
            bound: match (&self.request.controls.budget, self.request.controls.steps) {
                (Some(_), _) => Bound::Time,
                (None, Some(_)) => Bound::Steps,
                (None, None) => Bound::Epochs,
            },
        }
    }
}

/// The first few photos of a batch.
fn few(batch: &Batch, targets: &Targets) -> (Vec<f32>, Targets) {
    let photos = batch.labels.len();
    let few = photos.min(FEW);
    let photo = batch.images.len() / photos.max(1);
    let targets = Targets {
        labels: targets.labels[..few].to_vec(),
        mixed: targets.mixed.get(..few).unwrap_or_default().to_vec(),
        weights: Vec::new(),
    };
    (batch.images[..few * photo].to_vec(), targets)
}
