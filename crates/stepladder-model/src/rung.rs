//! A rung: one network and its training, as data, with everything that its ancestors say already filled in.

use crate::augmentation::{ImageDataGenerator, RandomTransform};
use crate::file;
use crate::graph::{self, Graph, GraphError};
use crate::image_size::ImageSize;
use crate::initializer::{DepthwiseFanIn, Initializer};
use crate::layer::Layer;
use crate::optimizer::{OptimizerConfig, ParameterGroups};
use crate::place::Place;
use crate::start::Start;
use crate::training::{
    EarlyStopping, EvaluationConfig, Phase, ReduceLrOnPlateau, Schedule, SplitFractions, Training,
};

/// One step of the ladder.
#[derive(Clone, Debug, PartialEq)]
pub struct Rung {
    /// What the command line calls it.
    pub name: String,
    /// The rung that this one changes, as its file names it: a shipped rung, or a path.
    pub parent: Option<String>,
    /// What differs from the parent, in one sentence; what it is, for a rung without one.
    pub change: String,
    /// Which parts are the deck's and which are reconstruction.
    pub about: Option<String>,
    /// What the deck measured.
    pub deck: Option<DeckFigures>,
    /// What the network is given.
    pub input: Input,
    /// What layers have that do not say otherwise; already filled in in `layers`.
    pub defaults: Defaults,
    /// In order; `Random*` layers first.
    pub layers: Vec<LayerSpec>,
    /// Update rule and learning rate.
    pub optimizer: OptimizerConfig,
    /// The momentum of a moving average of the weights, Keras' `use_ema` and `ema_momentum`; `None` is without.
    pub ema_momentum: Option<f32>,
    /// What the optimizer does differently for some parameters.
    pub parameter_groups: ParameterGroups,
    /// Course of the learning rate.
    pub schedule: Schedule,
    /// Whether and when training ends before its last epoch.
    pub early_stopping: Option<EarlyStopping>,
    /// Whether and when the learning rate falls.
    pub reduce_lr_on_plateau: Option<ReduceLrOnPlateau>,
    /// Epochs and batches.
    pub training: Training,
    /// Parts of the training with input of their own size, in order; none where it is the same throughout.
    pub phases: Vec<Phase>,
    /// How the trained model is asked.
    pub evaluation: EvaluationConfig,
    /// Augmentation before the network; the `Random*` layers are the other kind.
    pub augmentation: Option<ImageDataGenerator>,
    /// The pretrained weights that training starts from; `None` is from initial values.
    pub start: Option<Start>,
    /// How the photos are divided.
    pub split: SplitFractions,
    /// Lints that the rung silences, by name; never inherited.
    pub allow: Vec<String>,
    /// Where it was written.
    pub place: Place,
}

/// What the deck reports of a rung; `None` where it gives no figure. Accuracies are shares in [0, 1].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeckFigures {
    /// On the test part.
    pub test_accuracy: Option<f32>,
    /// On the validation part.
    pub val_accuracy: Option<f32>,
    /// On the training part.
    pub train_accuracy: Option<f32>,
    /// Epochs trained.
    pub epochs: Option<usize>,
    /// Hours trained.
    pub hours: Option<f32>,
}

/// The network's input, always with three channels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// Height and width in pixels.
    pub size: ImageSize,
    /// How a photo takes the input's shape; its central part by default.
    pub fit: Fit,
    /// Whether `size` is taken where photos are smaller, which are enlarged then; false by default.
    pub enlarge: bool,
}

/// How a photo takes the shape of the network's input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fit {
    /// The largest central part of the input's shape; the rest is not seen.
    #[default]
    Crop,
    /// The whole photo, with gray beside it.
    Pad,
    /// The whole photo, its width and height scaled each by its own factor.
    Stretch,
}

impl Fit {
    pub(crate) const NAMES: &[(&str, Fit)] =
        &[("crop", Fit::Crop), ("pad", Fit::Pad), ("stretch", Fit::Stretch)];

    /// What a rung calls it.
    pub fn name(&self) -> &'static str {
        match self {
            Fit::Crop => "crop",
            Fit::Pad => "pad",
            Fit::Stretch => "stretch",
        }
    }
}

/// What the layers have that do not say otherwise.
#[derive(Clone, Debug, PartialEq)]
pub struct Defaults {
    /// Of every kernel: convolution, depthwise, pointwise, dense. Glorot-uniform, as Keras, unless said otherwise.
    pub kernel_initializer: Initializer,
    /// Of every depthwise kernel: all channels, as Keras, unless said otherwise.
    pub depthwise_fan_in: DepthwiseFanIn,
}

impl Default for Defaults {
    fn default() -> Self {
        Defaults {
            kernel_initializer: Initializer::GlorotUniform,
            depthwise_fan_in: DepthwiseFanIn::AllChannels,
        }
    }
}

/// A layer with its place in the network.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerSpec {
    /// Given so that others can name it as their input; layers without one are numbered as in Keras.
    pub name: Option<String>,
    /// Names of the layers that it takes, or `image`; empty for the layer before it.
    pub inputs: Vec<String>,
    /// What it does.
    pub layer: Layer,
    /// Where it was written.
    pub place: Place,
}

impl Rung {
    /// The network as a graph, for photos of `size` and for `classes` classes.
    ///
    /// # Errors
    ///
    /// Where a layer does not fit that size, or the outputs do not fit the classes; all else was found in reading.
    pub fn graph(&self, size: impl Into<ImageSize>, classes: usize) -> Result<Graph, GraphError> {
        Graph::new(&self.layers, size, classes)
    }

    /// The whole rung as a file that reads back equal and needs no parent: it is marked `complete`.
    pub fn to_toml(&self) -> String {
        file::document_text(&file::table(self))
    }

    /// The same rung for a model that is passed on: folders of this machine are left out of what it started from.
    pub fn without_paths(&self) -> Rung {
        let mut rung = self.clone();
        if let Some(start) = &mut rung.start {
            start.weights = start.origin();
        }
        rung
    }

    /// Each layer's name, given or as Keras numbers them, `Random*` layers included.
    pub fn layer_names(&self) -> Vec<String> {
        graph::names(&self.layers)
    }

    /// Whether there is a number of classes for which the network can be, at the rung's own size.
    pub(crate) fn check(&self) -> Result<(), GraphError> {
        self.check_crop()?;
        // A network without `units = "classes"` fits one number only, which the error tells.
        match self.graph(self.input.size, 2) {
            Err(GraphError::WrongOutputs { outputs, .. }) if outputs >= 2 => {
                self.graph(self.input.size, outputs).map(drop)
            }
            result => result.map(drop),
        }
    }

    /// Refuses the two augmentations that want different parts of the photo.
    fn check_crop(&self) -> Result<(), GraphError> {
        let is_crop =
            |spec: &&LayerSpec| matches!(spec.layer.augmentation(), Some(RandomTransform::ResizedCrop(_)));
        match (self.layers.iter().find(is_crop), &self.augmentation) {
            (Some(crop), Some(_)) => Err(GraphError::CropAndGenerator {
                place: crop.place.clone(),
            }),
            _ => Ok(()),
        }
    }
}
