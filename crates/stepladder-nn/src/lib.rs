//! Neural networks for Stepladder: the layers, losses and optimizers that a rung names, on Burn's tensors.
//!
//! This is the only crate of the workspace that names Burn; its public API speaks in host slices and
//! [`Array`]s, so that a new Burn version is felt here and nowhere else. A [`stepladder_model::Network`] says
//! what to compute; a [`Model`] holds its parameters and computes it; [`Trainer`] takes gradient steps.
//!
//! Layout is channels-last (NHWC) everywhere, and parameters have Keras' shapes.

mod array;
mod average;
mod device;
mod fold;
mod forward;
mod heat_map;
mod initializer;
mod inspection;
mod memory;
mod model;
mod ops;
mod optimizer;
mod plan;
mod portion;
mod precision;
pub mod profile;
mod random;
mod targets;
mod trainer;

pub use array::Array;
pub use device::{Device, DeviceError};
pub use heat_map::{HeatMap, MapGradient};
pub use initializer::initial_values;
pub use inspection::{Inspection, LayerScale};
pub use memory::{LayerMemory, StepMemory, StepShape, kernel_bytes, release_kernel_bytes};
pub use model::{Model, ModelError};
pub use optimizer::OptimizerState;
pub use precision::{Precision, UnknownPrecision};
pub use targets::Targets;
pub use trainer::{StepOutcome, Trainer, argmax};
