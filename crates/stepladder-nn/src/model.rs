//! A network with its parameters: made new from a seed or from stored arrays, and asked for probabilities.

use crate::array::{Array, Stored};
use crate::device::Device;
use crate::fold::{fold, packed};
use crate::forward::{Mode, Values, features, forward};
use crate::initializer::initial_values;
use crate::ops::{self, Packed};
use crate::plan::Plan;
use crate::portion::portion;
use crate::precision::Precision;
use burn::tensor::{AllocationProperty, Bytes, DType, Tensor, TensorData, activation};
use std::sync::Arc;
use stepladder_model::{Network, ParameterSpec};

/// A network and the values of its parameters, on a device.
#[derive(Debug, Clone)]
pub struct Model {
    network: Network,
    plan: Plan,
    /// The plan of passes without gradients.
    inference: Plan,
    device: Device,
    precision: Precision,
    /// Flat values in the order of the network's nodes, without gradients.
    parameters: Vec<Tensor<1>>,
    /// The same packed for activations of `precision`, where there is a packed form; empty but for inference.
    packed: Arc<[Option<Packed>]>,
}

/// Why stored arrays do not fit a network.
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
        /// The network's shape.
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
    pub fn new(network: Network, seed: u64, device: Device) -> Model {
        let parameters = specs(&network)
            .map(|spec| flat(initial_values(spec, seed), device))
            .collect();
        Model::assemble(network, device, parameters)
    }

    fn assemble(network: Network, device: Device, parameters: Vec<Tensor<1>>) -> Model {
        let plan = Plan::new(&network);
        Model {
            inference: plan.for_inference(&network),
            plan,
            network,
            device,
            precision: Precision::F32,
            parameters,
            packed: Arc::default(),
        }
    }

    /// A model with stored parameters, in any order; each parameter of the network must be there once, in its shape.
    pub fn from_arrays(network: Network, arrays: Vec<Array>, device: Device) -> Result<Model, ModelError> {
        let mut stored = Stored::new(arrays);
        let take = |spec: &ParameterSpec| Ok(flat(stored.take(&spec.name, &spec.shape)?, device));
        let parameters = specs(&network).map(take).collect::<Result<_, _>>()?;
        stored.finish()?;
        Ok(Model::assemble(network, device, parameters))
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

    /// How activations are stored.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// What the model computes.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Where it computes.
    pub fn device(&self) -> Device {
        self.device
    }

    /// A copy of every parameter in host memory, moving statistics too, in the order of the network's nodes.
    pub fn to_arrays(&self) -> Vec<Array> {
        let arrays = specs(&self.network).zip(&self.parameters);
        arrays
            .map(|(spec, value)| Array::new(&spec.name, spec.shape.clone(), to_host(value.clone())))
            .collect()
    }

    /// The same model for inference alone: every batch normalization that follows a layer with weights is folded into it, and
    /// on the CPU, weights are packed as kernels read them, which takes their memory once more. Probabilities are the same but
    /// for rounding, and come sooner.
    pub fn folded(&self) -> Model {
        let (network, arrays) = fold(&self.network, self.to_arrays());
        let packed = match self.device {
            Device::Cpu => packed(&network, &arrays, self.precision),
            #[cfg(any(feature = "cuda", feature = "vulkan", feature = "metal"))]
            _ => Vec::new(),
        };
        let parameters = arrays
            .into_iter()
            .map(|array| flat(array.values, self.device))
            .collect();
        Model {
            packed: packed.into(),
            ..Model::assemble(network, self.device, parameters).with_precision(self.precision)
        }
    }

    /// Class probabilities of `photos` images: `[photos, classes]`, row-major.
    ///
    /// `images` holds RGB values in [0, 1], `[photos, H, W, 3]`, of the network's input size.
    ///
    /// # Panics
    ///
    /// If `images` is not that long.
    pub fn predict(&self, images: impl AsRef<[f32]> + Send + 'static, photos: usize) -> Vec<f32> {
        self.in_portions(images, photos, |images| {
            to_host(activation::softmax(self.logits(images), 1))
        })
    }

    /// The natural logarithms of what [`Model::predict`] gives, also where a probability is too small for an `f32`.
    ///
    /// # Panics
    ///
    /// If `images` is not that long.
    pub fn log_probabilities(&self, images: impl AsRef<[f32]> + Send + 'static, photos: usize) -> Vec<f32> {
        self.in_portions(images, photos, |images| {
            to_host(activation::log_softmax(self.logits(images), 1))
        })
    }

    /// Scores before the softmax, `[photos, classes]`.
    fn logits(&self, images: Tensor<4>) -> Tensor<2> {
        let pass = forward(
            &self.network,
            &self.inference,
            self.values(),
            images,
            Mode::Inference,
        );
        pass.logits
    }

    /// What the last layer makes its scores of, for `photos` images: `[photos, features]`, row-major. Photos that look alike to
    /// the network have features that point the same way.
    ///
    /// That is the input of the last `Dense`, in the order H, W, C where it is a flattened map; where no `Dense` makes the scores,
    /// the scores themselves. `images` are as for [`Model::predict`].
    ///
    /// # Panics
    ///
    /// If `images` is not that long.
    pub fn features(&self, images: impl AsRef<[f32]> + Send + 'static, photos: usize) -> Vec<f32> {
        self.in_portions(images, photos, |images| {
            to_host(features(&self.network, &self.inference, self.values(), images))
        })
    }

    /// The values that `at_once` computes of `photos` images, in as many portions as are fastest, one after the other.
    fn in_portions(
        &self,
        images: impl AsRef<[f32]> + Send + 'static,
        photos: usize,
        at_once: impl Fn(Tensor<4>) -> Vec<f32> + Sync,
    ) -> Vec<f32> {
        let image: usize = self.network.input.iter().product();
        assert_eq!(images.as_ref().len(), photos * image, "values of {photos} images");
        let portion = match self.device {
            Device::Cpu => portion(&self.network, self.precision.bytes()),
            #[cfg(any(feature = "cuda", feature = "vulkan", feature = "metal"))]
            _ => None,
        };
        self.device.together(|| match portion {
            Some(portion) if portion < photos => {
                let portions = images.as_ref().chunks(portion * image);
                portions
                    .flat_map(|images| at_once(self.images(images.to_vec(), images.len() / image)))
                    .collect()
            }
            _ => at_once(self.images(images, photos)),
        })
    }

    /// What passes without gradients compute with.
    fn values(&self) -> Values<'_> {
        Values {
            parameters: &self.parameters,
            packed: &self.packed,
        }
    }

    /// As [`Model::predict`], with batch normalizations that use the statistics of these photos and not the moving ones, as in
    /// training. Dropout is off.
    ///
    /// # Panics
    ///
    /// If `images` is not that long.
    pub fn predict_by_batch_statistics(
        &self,
        images: impl AsRef<[f32]> + Send + 'static,
        photos: usize,
    ) -> Vec<f32> {
        // Tracked, though nothing needs a gradient: only such tensors can leave their statistics.
        let images = self.images(images, photos).autodiff();
        let parameters: Vec<Tensor<1>> = self.parameters.iter().map(|p| p.clone().autodiff()).collect();
        let pass = forward(
            &self.network,
            &self.plan,
            parameters.as_slice().into(),
            images,
            Mode::BatchStatistics,
        );
        to_host(activation::softmax(pass.logits.inner(), 1))
    }

    /// `images` as a tensor `[photos, H, W, 3]` on the model's device, at its precision. They are not copied, but for that.
    pub(crate) fn images(&self, images: impl AsRef<[f32]> + Send + 'static, photos: usize) -> Tensor<4> {
        let [height, width, channels] = self.network.input;
        let bytes = bytes::Bytes::from_owner(AsBytes(images));
        let bytes = Bytes::from_shared(bytes, AllocationProperty::Other);
        let images = TensorData::from_bytes(bytes, [photos, height, width, channels], DType::F32);
        ops::convert(Tensor::from_data(images, &self.device.burn()), self.precision)
    }

    pub(crate) fn plan(&self) -> &Plan {
        &self.plan
    }

    pub(crate) fn parameters(&self) -> &[Tensor<1>] {
        &self.parameters
    }

    pub(crate) fn parameters_mut(&mut self) -> &mut [Tensor<1>] {
        &mut self.parameters
    }
}

/// Values as the bytes that they are stored in.
struct AsBytes<V>(V);

impl<V: AsRef<[f32]>> AsRef<[u8]> for AsBytes<V> {
    fn as_ref(&self) -> &[u8] {
        bytemuck::cast_slice(self.0.as_ref())
    }
}

/// The network's parameters in the order of its nodes.
pub(crate) fn specs(network: &Network) -> impl Iterator<Item = &ParameterSpec> {
    network.nodes.iter().flat_map(|node| &node.parameters)
}

/// Values as a flat tensor on `device`.
pub(crate) fn flat(values: Vec<f32>, device: Device) -> Tensor<1> {
    let count = values.len();
    Tensor::from_data(TensorData::new(values, [count]), &device.burn())
}

/// A tensor's values, row-major.
pub(crate) fn to_host<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_to_vec().expect("every tensor here is f32")
}
