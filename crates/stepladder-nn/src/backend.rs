//! What a program asks of the device that runs it. The CPU answers with our kernels, a GPU with Burn's tensors.

use crate::cpu::{Cpu, Packed};
use crate::device::Device;
use crate::profile::Profile;
use crate::program::{Program, ValueId};
use crate::random::Stream;
use std::fmt::Debug;
use std::sync::Arc;
use stepladder_kernels::optimizer;

/// Flat f32 values where a backend computes with them: a parameter, or what the optimizer remembers of one. A clone shares the
/// values until one of the two changes.
#[derive(Debug, Clone)]
pub(crate) enum Tensor {
    Host(Arc<Vec<f32>>),
    #[cfg(any(feature = "burn", test))]
    Burn(Box<burn::tensor::Tensor<1>>),
}

/// What a pass computes with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Operands<'a> {
    /// `[photos, H, W, 3]` in [0, 1].
    pub images: &'a [f32],
    /// One for each parameter of the graph.
    pub parameters: &'a [Tensor],
    /// Weights packed beforehand, for inference: one for each parameter, or none at all.
    pub packed: &'a [Option<Packed>],
    pub noise: Noise,
}

/// Where dropout's masks come from: each follows from these alone.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Noise {
    pub seed: u64,
    /// Steps taken before.
    pub step: u64,
    /// Which micro-batch of the batch.
    pub micro_batch: usize,
}

impl Noise {
    /// The random numbers of one use in one layer.
    fn stream(&self, purpose: &str, layer: usize) -> Stream {
        let purpose = match self.micro_batch {
            0 => format!("{purpose} {layer}"),
            micro_batch => format!("{purpose} {layer} of piece {micro_batch}"),
        };
        Stream::new(self.seed, &purpose, self.step)
    }

    /// The key of a layer's dropout mask.
    pub fn dropout_key(&self, layer: usize) -> u64 {
        self.stream("dropout", layer).key()
    }

    /// What a layer of stochastic depth multiplies each photo's values by: 0, or 1 / (1 - rate).
    pub fn stochastic_depth(&self, layer: usize, rate: f32, photos: usize) -> Vec<f32> {
        let mut stream = self.stream("stochastic depth", layer);
        let factor = |_| match stream.uniform() < rate {
            true => 0.0,
            false => 1.0 / (1.0 - rate),
        };
        (0..photos).map(factor).collect()
    }
}

/// A device at work on programs, one after the other. Values of a program are those that its last steps left.
pub(crate) trait Backend: Debug + Send {
    /// Makes ready for `program` on these photos; what an earlier program left is gone.
    fn begin(&mut self, program: &Program, images: &[f32]);

    /// Takes the step of the forward pass with this index.
    fn forward(&mut self, program: &Program, step: usize, operands: &Operands<'_>);

    /// Takes the step of the backward pass with this index.
    fn backward(&mut self, program: &Program, step: usize, operands: &Operands<'_>);

    /// Moves the moving statistics of a step's batch norm, where it has one, towards those of the batch.
    fn move_statistics(&mut self, program: &Program, step: usize, parameters: &mut [Tensor]);

    /// A copy of a value in host memory, in f32.
    fn read(&self, program: &Program, value: ValueId, images: &[f32]) -> Vec<f32>;

    /// Gives a value, which is stored in f32.
    fn write(&mut self, program: &Program, value: ValueId, values: &[f32]);

    /// Values on the device.
    fn tensor(&self, values: Vec<f32>) -> Tensor;

    /// As many zeros.
    fn zeros_like(&self, tensor: &Tensor) -> Tensor;

    /// A copy in host memory.
    fn to_host(&self, tensor: &Tensor) -> Vec<f32>;

    /// The value, which is the gradient by a parameter, as a tensor of its own; or added to one.
    fn take_gradient(&mut self, program: &Program, gradient: ValueId, sum: &mut Option<Tensor>);

    /// The square of a gradient's norm.
    fn squared_norm(&self, program: &Program, gradient: Gradient<'_>) -> f64;

    /// Moves a parameter against its gradient; `moments` are as many as the rule has.
    fn update(
        &mut self,
        program: &Program,
        gradient: Gradient<'_>,
        parameter: &mut Tensor,
        moments: &mut [Tensor],
        step: optimizer::Step,
    );

    /// `average = momentum * average + (1 - momentum) * value`
    fn move_average(&self, average: &mut Tensor, value: &Tensor, momentum: f32);

    /// Bytes held for values and kernels, as far as they are known.
    fn held_bytes(&self) -> usize;
}

/// The gradient by a parameter.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Gradient<'a> {
    /// A value of the program, as the last step of the backward pass left it.
    Value(ValueId),
    /// One that was kept.
    Kept(&'a Tensor),
}

/// A backend on a device, which notes the times of its kernels in `profile` where it can.
pub(crate) fn backend(device: Device, profile: &Profile) -> Box<dyn Backend> {
    match device {
        Device::Cpu => Box::new(Cpu::new(profile.clone())),
        #[cfg(any(feature = "burn", test))]
        device => Box::new(crate::burn::Burn::new(device)),
    }
}

impl Tensor {
    /// The values of a tensor of the CPU.
    ///
    /// # Panics
    ///
    /// It is another backend's.
    pub fn host(&self) -> &[f32] {
        match self {
            Tensor::Host(values) => values,
            #[cfg(any(feature = "burn", test))]
            Tensor::Burn(_) => panic!("a tensor of the CPU"),
        }
    }

    /// As [`Tensor::host`], to be changed: a copy of its own, if others share the values.
    pub fn host_mut(&mut self) -> &mut [f32] {
        match self {
            Tensor::Host(values) => Arc::<Vec<f32>>::make_mut(values),
            #[cfg(any(feature = "burn", test))]
            Tensor::Burn(_) => panic!("a tensor of the CPU"),
        }
    }
}
