//! How long and how a rung is trained, as data: epochs, schedule of the learning rate, and the two callbacks.

use crate::image_size::ImageSize;
use crate::start::Frozen;

/// The `[training]` table.
#[derive(Clone, Debug, PartialEq)]
pub struct Training {
    /// Most epochs; early stopping may end sooner.
    pub epochs: usize,
    /// Photos per step; 32 by default.
    pub batch_size: usize,
    /// Share of the target spread evenly over all classes, in [0, 1); 0 by default.
    pub label_smoothing: f32,
    /// What each class counts in the loss; all the same by default.
    pub class_weights: ClassWeights,
    /// Photos of a batch are blended in pairs, by a share from Beta(alpha, alpha); 0, the default, is never.
    pub mixup_alpha: f32,
    /// A rectangle of a photo is another's, its area from Beta(alpha, alpha); 0, the default, is never.
    pub cutmix_alpha: f32,
    /// Share of the batches that are mixed at all, timm's `mixup_prob`; 1 by default.
    pub mixing_probability: f32,
    /// Share of the epochs after which photos are no longer mixed, as timm's `mixup_off_epoch`; 1, the default, is never.
    pub mixing_until: f32,
    /// Training photos that the moving statistics of batch normalizations are computed anew from when training ends; 0, the default,
    /// keeps the moving ones.
    pub precise_batch_norm: usize,
}

/// A part of the training with input and batches of its own (progressive resizing): the `[[phase]]` tables, in order. Phases change
/// between epochs.
#[derive(Clone, Debug, PartialEq)]
pub struct Phase {
    /// The share of the epochs at which it ends, in (0, 1]; the last phase's is 1.
    pub until: f32,
    /// The network's input, in the proportions of the rung's own `size`, where that is used as it stands; in proportion where it is not.
    pub size: ImageSize,
    /// Photos per step; those of `[training]` by default.
    pub batch_size: Option<usize>,
    /// What of pretrained weights is not trained in this phase, where that is more than `[start]` says: gradual unfreezing (Howard and Ruder
    /// 2018, section 3.3).
    pub frozen: Option<Frozen>,
}

/// How a trained model is asked: the `[evaluation]` table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EvaluationConfig {
    /// Whether each answer is the mean over the photo and its mirror image, left to right; false by default.
    pub flips: bool,
}

/// Factors of the photos' losses by their class, with the meaning of Keras' `class_weight`: the weighted losses of a batch are
/// divided by its number of photos, and not by the sum of the weights.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum ClassWeights {
    /// Every photo counts the same.
    #[default]
    None,
    /// Photos / (classes * photos of the class), over the training part: each class counts the same (scikit-learn's formula).
    Balanced,
    /// One for each class, in the order of the classes.
    Each(Vec<f32>),
    /// By the class's name; 1 for a class that is not named.
    Named(Vec<(String, f32)>),
}

/// How the learning rate moves, step by step, relative to the optimizer's.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Schedule {
    /// The optimizer's learning rate throughout.
    #[default]
    Constant,
    /// A linear rise from 0, then half a cosine down.
    Cosine {
        /// Epochs of the rise, which may be a fraction; 0 by default.
        warmup_epochs: f32,
        /// The last learning rate over the optimizer's; 0 by default.
        final_fraction: f32,
    },
    /// Up and down, once over the whole training.
    OneCycle {
        /// Share of the training that rises; 0.3 by default.
        warmup_fraction: f32,
        /// The first learning rate over the optimizer's; 0.04 by default.
        initial_fraction: f32,
        /// The last learning rate over the optimizer's; 0.0001 by default.
        final_fraction: f32,
        /// Its course up and down; half cosines by default.
        anneal_strategy: AnnealStrategy,
    },
    /// The optimizer's learning rate, then half a cosine down: fastai's `fit_flat_cos`.
    FlatCosine {
        /// Share of the training at which the fall begins; 0.75 by default.
        flat_fraction: f32,
        /// The last learning rate over the optimizer's; 0 by default.
        final_fraction: f32,
    },
}

/// How a learning rate goes from one value to another, with PyTorch's names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AnnealStrategy {
    /// Along half a cosine.
    #[default]
    Cos,
    /// In a straight line.
    Linear,
}

impl AnnealStrategy {
    pub(crate) const NAMES: &[(&str, AnnealStrategy)] =
        &[("cos", AnnealStrategy::Cos), ("linear", AnnealStrategy::Linear)];

    /// PyTorch's name.
    pub fn name(&self) -> &'static str {
        match self {
            AnnealStrategy::Cos => "cos",
            AnnealStrategy::Linear => "linear",
        }
    }
}

/// The figure that a callback watches at the end of each epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Monitor {
    /// `val_loss`: less is better.
    #[default]
    ValLoss,
    /// `val_accuracy`: more is better.
    ValAccuracy,
    /// `loss`, of the training part: less is better.
    Loss,
    /// `accuracy`, of the training part: more is better.
    Accuracy,
}

impl Monitor {
    pub(crate) const NAMES: &[(&str, Monitor)] = &[
        ("val_loss", Monitor::ValLoss),
        ("val_accuracy", Monitor::ValAccuracy),
        ("loss", Monitor::Loss),
        ("accuracy", Monitor::Accuracy),
    ];

    /// Keras' name of the figure.
    pub fn name(&self) -> &'static str {
        match self {
            Monitor::ValLoss => "val_loss",
            Monitor::ValAccuracy => "val_accuracy",
            Monitor::Loss => "loss",
            Monitor::Accuracy => "accuracy",
        }
    }

    /// Whether greater values are better.
    pub fn more_is_better(&self) -> bool {
        matches!(self, Monitor::ValAccuracy | Monitor::Accuracy)
    }
}

/// Keras' `EarlyStopping`, with its defaults.
#[derive(Clone, Debug, PartialEq)]
pub struct EarlyStopping {
    /// `val_loss` by default.
    pub monitor: Monitor,
    /// The least change that counts as better; 0 by default.
    pub min_delta: f32,
    /// Epochs without improvement after which training stops; 0 by default.
    pub patience: usize,
    /// Whether the best epoch's weights are taken back at the end; false by default.
    pub restore_best_weights: bool,
    /// Epochs at the start that are not watched; 0 by default.
    pub start_from_epoch: usize,
}

impl Default for EarlyStopping {
    fn default() -> Self {
        EarlyStopping {
            monitor: Monitor::ValLoss,
            min_delta: 0.0,
            patience: 0,
            restore_best_weights: false,
            start_from_epoch: 0,
        }
    }
}

/// Keras' `ReduceLROnPlateau`, with its defaults.
#[derive(Clone, Debug, PartialEq)]
pub struct ReduceLrOnPlateau {
    /// `val_loss` by default.
    pub monitor: Monitor,
    /// The learning rate is multiplied by this, in (0, 1); 0.1 by default.
    pub factor: f32,
    /// Epochs without improvement after which it is; 10 by default.
    pub patience: usize,
    /// The least change that counts as better; 1e-4 by default.
    pub min_delta: f32,
    /// Epochs after a reduction that are not watched; 0 by default.
    pub cooldown: usize,
    /// The learning rate never falls below this; 0 by default.
    pub min_lr: f32,
}

impl Default for ReduceLrOnPlateau {
    fn default() -> Self {
        ReduceLrOnPlateau {
            monitor: Monitor::ValLoss,
            factor: 0.1,
            patience: 10,
            min_delta: 1e-4,
            cooldown: 0,
            min_lr: 0.0,
        }
    }
}

/// Shares of the photos set aside; the rest is trained on. What an archive or a table says of a photo wins.
#[derive(Clone, Debug, PartialEq)]
pub struct SplitFractions {
    /// 0.1 by default.
    pub validation: f32,
    /// 0.1 by default.
    pub test: f32,
}

impl Default for SplitFractions {
    fn default() -> Self {
        SplitFractions {
            validation: 0.1,
            test: 0.1,
        }
    }
}
