//! A graph with its parameters: made new from a seed or from stored arrays, and asked for probabilities.

use crate::array::{Array, Stored};
use crate::backend::Tensor;
use crate::cpu::Packed;
use crate::device::Device;
use crate::executor::{Executor, output};
use crate::initializer::initial_values;
use crate::portion::portion;
use crate::precision::Precision;
use crate::profile::ProfileRow;
use crate::program::{Form, Purpose};
use half::bf16;
use std::sync::Arc;
use stepladder_kernels::{Conv2d, Window, loss};
use stepladder_model::{Graph, Op, ParameterSpec, fold_batch_norm};

/// A graph and the values of its parameters, on a device. A clone shares them until one of the two changes.
#[derive(Debug, Clone)]
pub struct Model {
    graph: Arc<Graph>,
    precision: Precision,
    executor: Executor,
    /// Flat values in the order of the graph's parameters.
    parameters: Vec<Tensor>,
    /// The same packed for activations of `precision`, where there is a packed form; empty but for inference.
    packed: Arc<[Option<Packed>]>,
}

/// Why stored arrays do not fit a graph.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// A parameter has no array.
    #[error("parameter `{0}` is missing; the file is incomplete or belongs to another rung")]
    Missing(String),
    /// An array has another shape than its parameter.
    #[error(
        "parameter `{name}` has shape {found:?} where the network has {expected:?}; the file belongs to another rung or input size"
    )]
    Shape {
        /// The parameter.
        name: String,
        /// The graph's shape.
        expected: Vec<usize>,
        /// The array's shape.
        found: Vec<usize>,
    },
    /// An array has no parameter.
    #[error("the network has no parameter `{0}`; the file belongs to another rung")]
    Unexpected(String),
}

impl Model {
    /// A new model with initial values drawn from `seed`.
    pub fn new(graph: Graph, seed: u64, device: Device) -> Model {
        let values = graph
            .parameters
            .iter()
            .map(|spec| initial_values(spec, seed))
            .collect();
        Model::assemble(graph, values, device)
    }

    fn assemble(graph: Graph, values: Vec<Vec<f32>>, device: Device) -> Model {
        let executor = Executor::new(device);
        let parameters =
            executor.run(|backend| values.into_iter().map(|values| backend.tensor(values)).collect());
        Model {
            graph: Arc::new(graph),
            precision: Precision::F32,
            executor,
            parameters,
            packed: Arc::default(),
        }
    }

    /// A model with stored parameters, in any order; each parameter of the graph must be there once, in its shape.
    ///
    /// # Errors
    ///
    /// An array is missing, has another shape, or belongs to no parameter.
    pub fn from_arrays(graph: Graph, arrays: Vec<Array>, device: Device) -> Result<Model, ModelError> {
        let mut stored = Stored::new(arrays);
        let take = |spec: &ParameterSpec| stored.take(&spec.name, &spec.shape);
        let values = graph.parameters.iter().map(take).collect::<Result<_, _>>()?;
        stored.finish()?;
        Ok(Model::assemble(graph, values, device))
    }

    /// The same model with activations of this precision; f32 unless asked for. Parameters are f32 in both.
    pub fn with_precision(self, precision: Precision) -> Model {
        let packed = match self.precision == precision {
            true => self.packed,
            false => Arc::default(),
        };
        Model {
            precision,
            packed,
            ..self
        }
    }

    /// The same model for input of another size, or with other parameters frozen: `graph` is the same network for it. Parameters and executor
    /// are shared.
    ///
    /// # Panics
    ///
    /// If `graph` has other parameters.
    pub fn with_graph(self, graph: Arc<Graph>) -> Model {
        let parameters = |graph: &Graph| -> Vec<(String, Vec<usize>)> {
            let parameters = graph.parameters.iter();
            parameters.map(|of| (of.name.clone(), of.shape.clone())).collect()
        };
        assert_eq!(parameters(&self.graph), parameters(&graph), "the same network");
        Model { graph, ..self }
    }

    /// How activations are stored.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// What the model computes.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Where it computes.
    pub fn device(&self) -> Device {
        self.executor.device()
    }

    /// Notes from now on where the time of passes goes, of this model and its clones.
    pub fn start_profile(&self) {
        self.executor.profile().start();
    }

    /// Where the time of passes went since [`Model::start_profile`]; `None` where it was not noted.
    pub fn profile(&self) -> Option<Vec<ProfileRow>> {
        self.executor.profile().rows(&self.graph)
    }

    /// Bytes that this model and its clones hold for passes: values, and what kernels take beside.
    pub fn held_bytes(&self) -> usize {
        self.executor.held_bytes()
    }

    /// A copy of every parameter in host memory, moving statistics too, in the graph's order.
    pub fn to_arrays(&self) -> Vec<Array> {
        let values = self.host_values().into_iter();
        let arrays = self.graph.parameters.iter().zip(values);
        arrays
            .map(|(spec, values)| Array::new(&spec.name, spec.shape.clone(), values))
            .collect()
    }

    fn host_values(&self) -> Vec<Vec<f32>> {
        let parameters = &self.parameters;
        self.executor.run(|backend| {
            parameters
                .iter()
                .map(|parameter| backend.to_host(parameter))
                .collect()
        })
    }

    /// The same model for inference alone: every batch normalization that follows a layer with weights is folded into it, and
    /// on the CPU, weights are packed as kernels read them, which takes their memory once more. Probabilities are the same but
    /// for rounding, and come sooner.
    pub fn folded(&self) -> Model {
        let (graph, values) = fold_batch_norm(&self.graph, self.host_values());
        let model = Model::assemble(graph, values, self.device()).with_precision(self.precision);
        match self.device() {
            Device::Cpu => Model {
                packed: model.pack().into(),
                ..model
            },
            #[cfg(any(feature = "burn", test))]
            _ => model,
        }
    }

    /// For each parameter, what kernels read where it is the weights of a plain convolution or a dense layer.
    fn pack(&self) -> Vec<Option<Packed>> {
        let mut packed = vec![None; self.parameters.len()];
        for (index, operation) in self.graph.operations.iter().enumerate() {
            let (kernel, strides) = if let Op::Convolution {
                window,
                groups: 1,
                kernel,
                ..
            } = operation.op
            {
                (kernel.0, window.strides)
            } else if let Op::Dense { kernel, .. } = operation.op {
                (kernel.0, [1, 1])
            } else {
                continue;
            };
            let (size, in_channels, out_channels) = match *self.graph.parameters[kernel].shape.as_slice() {
                [height, width, from, to] => ([height, width], from, to),
                [from, to] => ([1, 1], from, to),
                _ => continue,
            };
            let conv = Conv2d {
                batch: 1,
                input: size,
                in_channels,
                out_channels,
                window: Window::valid(size, strides),
            };
            let (context, weights) = (self.executor.context(), self.parameters[kernel].host());
            packed[kernel] = Some(Arc::new(match self.form().precision_of(&self.graph, index) {
                Precision::F32 => conv.pack::<f32>(context, weights),
                Precision::Bf16 => conv.pack::<bf16>(context, weights),
            }));
        }
        packed
    }

    /// Class probabilities of `photos` images: `[photos, classes]`, row-major.
    ///
    /// `images` holds RGB values in [0, 1], `[photos, H, W, 3]`, of the graph's input size.
    ///
    /// # Panics
    ///
    /// If `images` is not that long.
    pub fn predict(&self, images: impl AsRef<[f32]>, photos: usize) -> Vec<f32> {
        self.softmax(&self.in_portions(images.as_ref(), photos, Purpose::Inference))
    }

    fn softmax(&self, scores: &[f32]) -> Vec<f32> {
        let mut probabilities = vec![0.0; scores.len()];
        loss::softmax(scores, self.graph.classes, &mut probabilities);
        probabilities
    }

    /// The natural logarithms of what [`Model::predict`] gives, also where a probability is too small for an `f32`.
    ///
    /// # Panics
    ///
    /// If `images` is not that long.
    pub fn log_probabilities(&self, images: impl AsRef<[f32]>, photos: usize) -> Vec<f32> {
        let scores = self.in_portions(images.as_ref(), photos, Purpose::Inference);
        let mut logarithms = vec![0.0; scores.len()];
        loss::log_softmax(&scores, self.graph.classes, &mut logarithms);
        logarithms
    }

    /// What the last layer makes its scores of, for `photos` images: `[photos, features]`, row-major. Photos that look alike to
    /// the model have features that point the same way.
    ///
    /// That is the input of the last `Dense`, in the order H, W, C where it is a flattened map; where no `Dense` makes the scores,
    /// the scores themselves. `images` are as for [`Model::predict`].
    ///
    /// # Panics
    ///
    /// If `images` is not that long.
    pub fn features(&self, images: impl AsRef<[f32]>, photos: usize) -> Vec<f32> {
        self.in_portions(images.as_ref(), photos, Purpose::Features)
    }

    /// As [`Model::predict`], with batch normalizations that use the statistics of these photos and not the moving ones, as in
    /// training. Dropout is off.
    ///
    /// # Panics
    ///
    /// If `images` is not that long.
    pub fn predict_by_batch_statistics(&self, images: impl AsRef<[f32]>, photos: usize) -> Vec<f32> {
        let images = images.as_ref();
        self.check(images, photos);
        self.softmax(&self.run(images, photos, Purpose::BatchStatistics))
    }

    /// The output for `photos` images, in as many portions as are fastest, one after the other.
    fn in_portions(&self, images: &[f32], photos: usize, purpose: Purpose) -> Vec<f32> {
        self.check(images, photos);
        let portion = match self.device() {
            Device::Cpu => portion(&self.graph, self.precision.bytes()).unwrap_or(photos),
            #[cfg(any(feature = "burn", test))]
            _ => photos,
        };
        let image = images.len() / photos.max(1);
        let portions = images.chunks((portion * image).max(1));
        portions
            .flat_map(|images| self.run(images, images.len() / image, purpose))
            .collect()
    }

    fn run(&self, images: &[f32], photos: usize, purpose: Purpose) -> Vec<f32> {
        if photos == 0 {
            return Vec::new();
        }
        let program = self.executor.program(&self.graph, purpose, photos, self.form());
        self.executor
            .run(|backend| output(backend, &program, images, &self.parameters, &self.packed))
    }

    /// How its values are stored.
    pub(crate) fn form(&self) -> Form {
        Form {
            precision: self.precision,
            packed: !self.packed.is_empty(),
        }
    }

    fn check(&self, images: &[f32], photos: usize) {
        let image: usize = self.graph.input.iter().product();
        assert_eq!(images.len(), photos * image, "values of {photos} images");
    }

    pub(crate) fn executor(&self) -> &Executor {
        &self.executor
    }

    pub(crate) fn parameters(&self) -> &[Tensor] {
        &self.parameters
    }

    pub(crate) fn parameters_mut(&mut self) -> &mut [Tensor] {
        &mut self.parameters
    }
}
