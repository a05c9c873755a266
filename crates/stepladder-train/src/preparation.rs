//! From a request to what the loop needs: photos decoded, split and labelled, and the network for them.

use crate::class_weights::factors;
use crate::controls::Controls;
use crate::course::{Course, TrainingPhase, training_phases};
use crate::data_record::{data_record, data_request};
use crate::error::TrainError;
use crate::memory::prefetch_bytes;
use crate::start::{Pretrained, frozen};
use std::time::Duration;
use stepladder_data::{
    Augmentation, Batch, CacheConfig, DataRequest, Dataset, Loader, LoaderConfig, Mixing, PhotoStore,
    Progress, Scaling, Skipped, Split, TypicalPhoto,
};
use stepladder_inspection::{concerns, cropped, near_groups};
use stepladder_model::{ClassWeights, Graph, ImageSize, Input, Rung, RungCatalog};
use stepladder_nn::{Device, Model, ParameterSettings, Precision, Targets, Trainer};
use stepladder_run::{Config, Decided, RunDirectory, RunPlace};

/// What to train, on what, and where to put it.
#[derive(Debug, Clone)]
pub struct TrainingRequest {
    /// The rung, overrides applied.
    pub rung: Rung,
    /// The photos.
    pub data: DataRequest,
    /// Height and width of the network's input in pixels; by default as [`training_size`] says.
    pub size: Option<ImageSize>,
    /// Decides initial weights, order, augmentation and dropout, and the split where `split_seed` does not.
    pub seed: u64,
    /// Decides the split, so that trainings with several seeds have the same parts.
    pub split_seed: Option<u64>,
    /// Whether nearly equal photos stay in one part of the split.
    pub group_duplicates: bool,
    /// Where to compute.
    pub device: Device,
    /// How activations are stored.
    pub precision: Precision,
    /// Threads that compute and load.
    pub threads: usize,
    /// Where the run goes.
    pub place: RunPlace,
    /// Where decoded photos are kept.
    pub cache: CacheConfig,
    /// How much training a kill may cost; there is a checkpoint after each epoch as well. Changes no result.
    pub checkpoint_every: Duration,
    /// How it is steered beside what the rung says.
    pub controls: Controls,
}

/// A training that is ready to begin.
#[derive(Debug)]
pub struct Prepared {
    /// The photos, with the classes that have any.
    pub dataset: Dataset,
    /// Their pixels.
    pub store: PhotoStore,
    /// Which photo is for what.
    pub split: Split,
    /// The class of each photo.
    pub labels: Vec<u32>,
    /// What will be trained; what stays frozen is marked.
    pub graph: Graph,
    /// The weights that training starts from, where it starts from some.
    pub(crate) pretrained: Option<Pretrained>,
    /// The parts of the training, each with the network for its input.
    pub phases: Vec<TrainingPhase>,
    /// A factor for the loss of each class's photos; none where all count the same.
    pub class_weights: Vec<f32>,
    /// Height and width of the network's input in pixels.
    pub size: ImageSize,
    /// Files that are not used.
    pub skipped: Vec<Skipped>,
    /// Classes left out because none of their photos could be read.
    pub dropped_classes: Vec<String>,
    /// What the user should know of the data, a line each.
    pub concerns: Vec<String>,
}

impl TrainingRequest {
    /// The usual [`checkpoint_every`](Self::checkpoint_every).
    pub const CHECKPOINT_EVERY: Duration = Duration::from_secs(60);

    /// The request of a run that was begun, for [`train_or_resume`](crate::train_or_resume). `shipped` holds the photos inside the program.
    pub fn of_run(
        run: &RunDirectory,
        shipped: &'static [u8],
        threads: usize,
        cache: CacheConfig,
    ) -> Result<TrainingRequest, TrainError> {
        if !run.has_begun()? {
            return Err(TrainError::NoRun {
                path: run.path().to_path_buf(),
            });
        }
        let config: Config = run.read_json(&run.config())?;
        let damaged = |reason: String| TrainError::DamagedConfig {
            path: run.config(),
            reason,
        };
        let budget = match config.budget_seconds {
            None => None,
            Some(seconds) => Some(span(seconds).ok_or_else(|| {
                damaged(format!(
                    "budget_seconds is {seconds:?}, which is no span of time up to a year"
                ))
            })?),
        };
        if config.decided.photos_at_once == Some(0) || config.decided.steps == Some(0) {
            return Err(damaged("steps and photos_at_once are 1 or more".to_string()));
        }
        let path = run.rung();
        let rung = run.read_text(&path)?;
        Ok(TrainingRequest {
            rung: Rung::from_toml(&rung, &path.display().to_string(), &RungCatalog::shipped())?,
            data: data_request(&config.data, shipped),
            size: Some(config.size),
            seed: config.seed,
            split_seed: Some(config.split_seed),
            group_duplicates: config.group_duplicates,
            device: config.device.parse()?,
            precision: config.precision.parse()?,
            threads,
            place: RunPlace::Exactly(run.path().to_path_buf()),
            cache,
            checkpoint_every: TrainingRequest::CHECKPOINT_EVERY,
            controls: Controls {
                budget,
                on_stuck: config.on_stuck,
                memory: None,
                moving_statistics: config.moving_statistics,
                asked: config.asked.unwrap_or_default(),
                began: None,
                steps: config.decided.steps.filter(|_| config.budget_seconds.is_none()),
            },
        })
    }

    /// Looks the data over, decodes it where it is not in the cache, splits it, and works the network out.
    pub fn prepare(&self, progress: &dyn Progress) -> Result<Prepared, TrainError> {
        let mut dataset = Dataset::open(&self.data)?;
        let scaling = Scaling::from(self.rung.input.fit);
        let typical = dataset.typical_photo();
        let size = self
            .size
            .unwrap_or_else(|| training_size(&self.rung, typical.as_ref()));
        // A rung that cannot be built is said before the photos are decoded, which may take minutes.
        let mut networks = self.networks(size, &dataset.classes)?;
        let sizes = networks.phases.iter().map(|phase| phase.shape().size);
        let largest = sizes.fold(size, |one, other| one.zip(other, usize::max));
        let whole_photos = self.augmentation(&networks.graph).cuts_whole_photos();
        let cache = self.cache.clone();
        let cache = cache.with_scaling(scaling).with_whole_photos(whole_photos);
        let store = PhotoStore::open_or_build(&dataset, largest, &cache, progress)?;
        let dropped_classes = dataset.drop_unreadable_classes(&store)?;
        let split = self.split(&dataset, &store)?;
        let weighed = self.rung.training.class_weights != ClassWeights::None;
        let mut concerns = concerns(&dataset, &store, &split, weighed);
        if scaling == Scaling::Bilinear {
            concerns.extend(typical.and_then(|photo| cropped(photo.beyond(size), size)));
        }
        if self.group_duplicates && dataset.declares_parts() {
            concerns.push(String::from(
                "--group-duplicates changes nothing here, as the data declares its parts; `stepladder inspect` finds copies in several of them",
            ));
        }
        if !dropped_classes.is_empty() {
            networks = self.networks(size, &dataset.classes)?;
        }
        let skipped = dataset.skipped.iter().chain(store.skipped()).cloned().collect();
        let labels = dataset.labels();
        let mut of_class = vec![0; dataset.classes.len()];
        for &photo in &split.train {
            of_class[labels[photo as usize] as usize] += 1;
        }
        let class_weights = factors(&self.rung.training.class_weights, &dataset.classes, &of_class)?;
        Ok(Prepared {
            dataset,
            store,
            split,
            labels,
            graph: frozen(&self.rung, networks.graph, None),
            pretrained: networks.pretrained,
            phases: networks.phases,
            class_weights,
            size,
            skipped,
            dropped_classes,
            concerns,
        })
    }

    fn networks(&self, size: ImageSize, classes: &[String]) -> Result<Networks, TrainError> {
        let graph = self.rung.graph(size, classes.len())?;
        Ok(Networks {
            pretrained: Pretrained::load(&self.rung, &graph, classes)?,
            phases: training_phases(&self.rung, size, classes.len())?,
            graph,
        })
    }

    fn split(&self, dataset: &Dataset, store: &PhotoStore) -> Result<Split, TrainError> {
        let seed = self.split_seed.unwrap_or(self.seed);
        // Parts that the data declares are taken as they are.
        if !self.group_duplicates || dataset.declares_parts() {
            return Ok(Split::new(dataset, store, &self.rung.split, seed)?);
        }
        let groups: Vec<Vec<u32>> = near_groups(store)?
            .into_iter()
            .map(|group| group.photos)
            .collect();
        Ok(Split::grouped(dataset, store, &self.rung.split, seed, &groups)?)
    }

    /// What the run writes down of this request.
    pub(crate) fn config(&self, prepared: &Prepared, decided: Decided) -> Config {
        Config {
            data: data_record(&self.data),
            model: self.rung.name.clone(),
            size: prepared.size,
            epochs: self.rung.training.epochs,
            batch_size: self.rung.training.batch_size,
            learning_rate: self.rung.optimizer.learning_rate(),
            seed: self.seed,
            split_seed: self.split_seed.unwrap_or(self.seed),
            group_duplicates: self.group_duplicates,
            device: self.device.to_string(),
            precision: self.precision.to_string(),
            threads: self.threads,
            budget_seconds: self.controls.budget.map(|budget| budget.as_secs_f64()),
            on_stuck: self.controls.on_stuck,
            asked: (!self.controls.asked.is_empty()).then(|| self.controls.asked.clone()),
            moving_statistics: self.controls.moving_statistics,
            decided,
        }
    }

    /// The trainer of a model, at its first step.
    pub(crate) fn trainer(&self, model: Model, at_once: Option<usize>) -> Trainer {
        let model = model.with_precision(self.precision);
        let (optimizer, smoothing) = (self.rung.optimizer.clone(), self.rung.training.label_smoothing);
        let groups = &self.rung.parameter_groups;
        let parameters = model
            .graph()
            .parameters
            .iter()
            .zip(self.stage_rates(model.graph()));
        let settings = parameters.map(|(parameter, factor)| ParameterSettings {
            learning_rate_multiplier: factor * groups.learning_rate_multiplier(&parameter.name),
            weight_decay: groups.decays(&parameter.name),
        });
        let settings = settings.collect();
        Trainer::new(model, optimizer, smoothing, self.seed)
            .with_settings(settings)
            .with_average(self.rung.ema_momentum)
            .with_micro_batches(at_once.unwrap_or(usize::MAX))
    }

    /// Photos that are asked about together.
    pub(crate) fn answers_at_once(&self, at_once: Option<usize>) -> usize {
        let batch_size = self.rung.training.batch_size;
        at_once.map_or(batch_size, |at_once| at_once.min(batch_size))
    }

    fn augmentation(&self, graph: &Graph) -> Augmentation {
        Augmentation::new(self.rung.augmentation.as_ref(), &graph.augmentation)
    }

    /// The loader of the training part: shuffled and augmented. `steps` are those of the training, where they are not the rung's epochs.
    pub(crate) fn training_loader(
        &self,
        prepared: &Prepared,
        steps: Option<u64>,
    ) -> Result<Loader, TrainError> {
        let course = prepared.course(steps, self.rung.training.epochs);
        let config = LoaderConfig {
            shuffle: true,
            seed: self.seed,
            augmentation: self.augmentation(&prepared.graph),
            mixing: Mixing {
                mixup_alpha: self.rung.training.mixup_alpha,
                cutmix_alpha: self.rung.training.cutmix_alpha,
                probability: self.rung.training.mixing_probability,
                epochs: course.epochs_until(self.rung.training.mixing_until),
            },
            threads: self.threads,
            prefetch_bytes: prefetch_bytes(self),
            ..LoaderConfig::new(self.rung.training.batch_size, prepared.size)
        };
        Ok(Loader::new(
            &prepared.store,
            &prepared.labels,
            &prepared.split.train,
            config,
        )?)
    }
}

/// Height and width of the input that a rung is trained with where nothing else is said: its own, but unless it enlarges photos, in the
/// same shape never more than a typical photo has, because enlarged photos cost time and mostly show nothing new.
pub fn training_size(rung: &Rung, typical: Option<&TypicalPhoto>) -> ImageSize {
    let Input { size, fit, enlarge } = rung.input;
    match typical {
        Some(photo) if !enlarge => photo.input_size(size, fit.into()),
        Some(_) | None => size,
    }
}

/// What a rung is for one size and some classes.
struct Networks {
    graph: Graph,
    pretrained: Option<Pretrained>,
    phases: Vec<TrainingPhase>,
}

/// A span of time that a user can have asked for: up to a year.
fn span(seconds: f64) -> Option<Duration> {
    const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);
    Duration::try_from_secs_f64(seconds)
        .ok()
        .filter(|span| (Duration::from_nanos(1)..=LONGEST).contains(span))
}

impl Prepared {
    /// The course of a training of so many steps, or else of so many epochs.
    pub(crate) fn course(&self, steps: Option<u64>, epochs: usize) -> Course {
        let photos = self.split.train.len();
        match steps {
            Some(steps) => Course::of_steps(&self.phases, photos, steps),
            None => Course::of_epochs(&self.phases, photos, epochs),
        }
    }

    /// What the photos of a batch of the training loader are to be taken for.
    pub(crate) fn targets(&self, batch: &Batch) -> Targets {
        let targets = Targets {
            labels: batch.labels.clone(),
            mixed: batch.mixed.clone(),
            weights: Vec::new(),
        };
        targets.weighted(&self.class_weights)
    }
}
