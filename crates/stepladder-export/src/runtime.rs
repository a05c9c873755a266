//! ONNX models in rten, an inference engine in Rust that shares no code with Stepladder: what it makes of a file is evidence
//! that other programs will make the same of it.

use crate::error::ExportError;
use crate::onnx::InputForm;
use rten::{Model, ModelOptions, NodeId, RunOptions, ThreadPool, Value};
use rten_tensor::Tensor;
use rten_tensor::prelude::*;
use std::sync::Arc;
use stepladder_data::RgbPhoto;

/// A loaded model, which is asked about photos as bytes.
pub struct Runtime {
    model: Model,
    form: InputForm,
    threads: Arc<ThreadPool>,
}

impl Runtime {
    /// Loads a model whose input is of this form, to run on this many threads.
    pub fn load(onnx: Vec<u8>, form: InputForm, threads: usize) -> Result<Runtime, ExportError> {
        Runtime::with_options(onnx, form, threads, &ModelOptions::with_all_ops())
    }

    /// A model that takes bytes, with each value of the graph kept as it is written, so that it can be asked for.
    pub(crate) fn load_observable(onnx: Vec<u8>, threads: usize) -> Result<Runtime, ExportError> {
        let mut options = ModelOptions::with_all_ops();
        options.enable_optimization(false);
        Runtime::with_options(onnx, InputForm::Uint8Nhwc, threads, &options)
    }

    fn with_options(
        onnx: Vec<u8>,
        form: InputForm,
        threads: usize,
        options: &ModelOptions,
    ) -> Result<Runtime, ExportError> {
        let model = options.load(onnx).map_err(|error| ExportError::Runtime {
            doing: "load",
            reason: error.to_string(),
        })?;
        Ok(Runtime {
            model,
            form,
            threads: Arc::new(ThreadPool::with_num_threads(threads)),
        })
    }

    /// Probabilities of each class for each photo. Photos have the size of the model's input.
    pub fn predict(&self, photos: &[RgbPhoto]) -> Result<Vec<Vec<f32>>, ExportError> {
        if photos.is_empty() {
            return Ok(Vec::new());
        }
        let probabilities = self.run(self.input(photos), self.model.output_ids())?.remove(0);
        let classes = probabilities.len() / photos.len();
        let rows = probabilities.chunks_exact(classes.max(1));
        Ok(rows.map(<[f32]>::to_vec).collect())
    }

    /// The model's input, of some photos of one size.
    fn input(&self, photos: &[RgbPhoto]) -> Value {
        let (height, width) = (photos[0].height() as usize, photos[0].width() as usize);
        match self.form {
            InputForm::Uint8Nhwc => {
                let bytes: Vec<u8> = photos.iter().flat_map(|photo| photo.pixels()).copied().collect();
                Tensor::from_data(&[photos.len(), height, width, 3], bytes).into()
            }
            InputForm::FloatNchw => {
                let channel = |photo: &RgbPhoto, channel: usize| -> Vec<f32> {
                    let values = photo.pixels().iter().skip(channel).step_by(3);
                    values.map(|&value| f32::from(value) / 255.0).collect()
                };
                let photos_and_channels = photos.iter().flat_map(|photo| (0..3).map(move |c| (photo, c)));
                let values: Vec<f32> = photos_and_channels
                    .flat_map(|(photo, c)| channel(photo, c))
                    .collect();
                Tensor::from_data(&[photos.len(), 3, height, width], values).into()
            }
        }
    }

    /// The f32 values of some of the graph's values, row-major, for one photo.
    pub(crate) fn values(&self, photo: &RgbPhoto, names: &[&str]) -> Result<Vec<Vec<f32>>, ExportError> {
        let ids: Result<Vec<NodeId>, _> = names.iter().map(|name| self.model.node_id(name)).collect();
        let ids = ids.map_err(failed)?;
        self.run(self.input(std::slice::from_ref(photo)), &ids)
    }

    fn run(&self, input: Value, outputs: &[NodeId]) -> Result<Vec<Vec<f32>>, ExportError> {
        let &[image] = self.model.input_ids() else {
            return Err(failed("it has another number of inputs"));
        };
        let mut options = RunOptions::default();
        options.thread_pool = Some(self.threads.clone());
        let values = self
            .model
            .run(vec![(image, input.into())], outputs, Some(options));
        let values = values.map_err(failed)?.into_iter();
        values
            .map(|value| {
                let Value::FloatTensor(tensor) = value else {
                    return Err(failed("it gives something other than f32"));
                };
                Ok(tensor.to_vec())
            })
            .collect()
    }
}

fn failed(reason: impl ToString) -> ExportError {
    ExportError::Runtime {
        doing: "run",
        reason: reason.to_string(),
    }
}
