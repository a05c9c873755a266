//! Trained classifiers for other programs.
//!
//! [`to_onnx`] writes a classifier as one ONNX file with its preprocessing inside, [`Quantization`] makes that file int8,
//! [`write_weights`] leaves plain safetensors, and [`write_python`] a folder from which Keras and PyTorch build the same
//! network. A [`Verifier`] runs an ONNX file in rten, an inference engine that shares no code with Stepladder, and
//! compares the answers.
//!
//! The way to a file: [`fold_batch_norm`](stepladder_model::fold_batch_norm) turns the classifier's graph into that of inference,
//! [`onnx`] writes its operations in ONNX's, and [`proto`] is the form on the disk.

#![warn(clippy::wildcard_enum_match_arm)]

mod calibrate;
mod error;
mod histogram;
mod metadata;
mod onnx;
mod proto;
mod python;
mod runtime;
mod verification;
mod weights;

pub use calibrate::{CalibrationRange, Quantization};
pub use error::ExportError;
pub use metadata::License;
pub use onnx::{InputForm, OPSET, OnnxOptions, to_onnx};
pub use python::{PYTHON_FILES, write_python};
pub use runtime::Runtime;
pub use verification::{Answers, TIE, TOLERANCE, Verification, Verifier};
pub use weights::write_weights;
