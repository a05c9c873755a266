//! Rungs: networks and their training described as data. A rung is a TOML file in the words of Keras that says what it
//! changes of its parent; this crate reads it, works out every shape, parameter and cost, and compares rungs. Nothing
//! here knows of tensors or photos.
//!
//! ```
//! use stepladder_model::{Rung, RungCatalog, diff};
//!
//! let catalog = RungCatalog::shipped();
//! let toml = r#"
//!     name = "larger-steps"
//!     parent = "m5"
//!     change = "Ten times the learning rate"
//!     [optimizer]
//!     type = "adam"
//!     learning_rate = 0.01
//! "#;
//! let rung = Rung::from_toml(toml, "larger-steps.toml", &catalog)?;
//! let difference = &diff(&catalog.get("m5")?, &rung)[0];
//! assert_eq!(difference.to_string(), "- optimizer.learning_rate = 0.001\n+ optimizer.learning_rate = 0.01");
//!
//! let graph = rung.graph(64, 5)?;
//! assert_eq!(graph.parameter_count(), 6_525_125);
//! # Ok::<(), stepladder_model::RungError>(())
//! ```

// An operation that is added later must be thought of wherever there is a choice among them.
#![warn(clippy::wildcard_enum_match_arm)]

mod activation;
mod ancestry;
mod augmentation;
mod catalog;
mod diff;
mod error;
mod file;
mod graph;
mod image_size;
mod initializer;
mod layer;
mod lint;
mod optimizer;
mod overrides;
mod place;
mod rung;
mod shown;
mod start;
mod starter;
mod suggest;
mod training;

pub use activation::{Activation, LEAKY_RELU_FUNCTION_SLOPE, LEAKY_RELU_LAYER_SLOPE};
pub use augmentation::{
    ColorJitter, Erased, FillMode, FlipMode, ImageDataGenerator, RandAugment, RandomBrightness,
    RandomContrast, RandomErasing, RandomFlip, RandomResizedCrop, RandomRotation, RandomTransform,
    RandomTranslation, RandomZoom, TrivialAugmentWide,
};
pub use catalog::{RungCatalog, ShippedRung, beyond, family, networks, pretrained, shipped, variants};
pub use diff::{Difference, diff};
pub use error::RungError;
pub use graph::{
    Graph, GraphError, GraphLayer, Op, Operation, ParameterId, ParameterSpec, Shape, Source, Window,
    fold_batch_norm,
};
pub use image_size::{ImageSize, NoImageSize};
pub use initializer::{DepthwiseFanIn, Initializer};
pub use layer::{
    BatchNormalization, Conv2D, Dense, DepthwiseConv2D, Dropout, GlobalAveragePooling2D, Layer,
    LayerNormalization, LeakyReLU, Normalization, Padding, Pooling2D, Scale, SeparableConv2D,
    StochasticDepth, Units,
};
pub use lint::{Finding, Lint, lint, lints};
pub use optimizer::{Clipping, OptimizerConfig, ParameterGroups};
pub use place::Place;
pub use rung::{DeckFigures, Defaults, Fit, Input, LayerSpec, Rung};
pub use start::{Frozen, Head, Start};
pub use training::{
    AnnealStrategy, ClassWeights, EarlyStopping, EvaluationConfig, Monitor, Phase, ReduceLrOnPlateau,
    Schedule, SplitFractions, Training,
};
