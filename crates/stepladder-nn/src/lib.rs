//! Neural networks for Stepladder: a static executor of graphs, and the training step.
//!
//! A [`stepladder_model::Graph`] says what to compute; a [`Model`] holds its parameters and computes it; [`Trainer`] takes gradient
//! steps. Before the first photo a graph is made a program: fused steps of the forward and the backward pass, and a place in
//! one block of memory for every value. The CPU runs it with our kernels; with the features `cuda`, `vulkan` and `metal` a GPU
//! runs it with Burn's tensors, which also are the tests' independent reference.
//!
//! Layout is channels-last (NHWC) everywhere, and parameters have Keras' shapes.

#![warn(clippy::wildcard_enum_match_arm)]

mod array;
mod average;
mod backend;
#[cfg(any(feature = "burn", test))]
mod burn;
mod cpu;
mod device;
mod executor;
mod fuse;
mod heat_map;
mod initializer;
mod inspection;
mod kernel;
mod memory;
mod model;
mod optimizer;
mod portion;
mod precision;
pub mod profile;
mod program;
mod random;
mod statistics;
mod targets;
mod trainer;

pub use array::Array;
pub use device::{Device, DeviceError};
pub use heat_map::{HeatMap, MapGradient};
pub use inspection::{Inspection, LayerScale};
pub use memory::{LayerMemory, StepMemory, StepShape, inference_bytes};
pub use model::{Model, ModelError};
pub use optimizer::{OptimizerState, ParameterSettings};
pub use precision::{Precision, UnknownPrecision};
pub use statistics::PreciseStatistics;
pub use targets::Targets;
pub use trainer::{StepOutcome, Trainer, argmax};
