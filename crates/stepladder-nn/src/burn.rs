//! GPUs as a backend: each step of a program is a few operations on Burn's plain tensors. In unit tests the same runs on Burn's own
//! back end for the CPU, as a reference that has no arithmetic in common with our kernels.
//!
//! Values are flat tensors, stored as the program says and computed with in f32, but for products of weights, which are at the
//! precision of their input. A value is gone once no later step reads it.

mod activation;
mod backward;
mod forward;
mod linear;
mod norm;
mod pool;
mod update;

use crate::backend::{Backend, Gradient, Operands, Tensor};
use crate::cpu::instruction_set;
use crate::device::Device;
use crate::precision::Precision;
use crate::program::{ForwardStep, Kind, Norm, Program, ValueId};
use burn::tensor::{DType, FloatDType, Tensor as BurnTensor, TensorData};
use stepladder_kernels::{Context, elementwise, optimizer};
use stepladder_model::ParameterId;

/// A value as it is kept.
type Flat = BurnTensor<1>;

/// A device of Burn's at work on programs.
#[derive(Debug)]
pub(crate) struct Burn {
    device: burn::tensor::Device,
    /// One for each value of the program; none of those that are not there yet or not wanted any more.
    values: Vec<Option<Flat>>,
    /// Where dropout's masks are made, so that they are the CPU's.
    context: Context,
}

impl Burn {
    pub fn new(device: Device) -> Burn {
        Burn {
            device: device.burn(),
            values: Vec::new(),
            context: Context::on_callers_pool(instruction_set()),
        }
    }

    fn upload(&self, values: Vec<f32>) -> Flat {
        let count = values.len();
        BurnTensor::from_data(TensorData::new(values, [count]), &self.device)
    }

    /// A value as it is stored.
    ///
    /// # Panics
    ///
    /// No step has given it, or none is to read it any more.
    fn stored(&self, value: ValueId) -> Flat {
        self.values[value.0]
            .clone()
            .expect("a value that a step has given")
    }

    /// A value in f32.
    fn value(&self, value: ValueId) -> Flat {
        at_precision(self.stored(value), Precision::F32)
    }

    /// A value in f32, `[pixels, channels]`.
    fn rows(&self, value: ValueId, channels: usize) -> BurnTensor<2> {
        rows(self.value(value), channels)
    }

    fn put(&mut self, program: &Program, value: ValueId, tensor: Flat) {
        self.values[value.0] = Some(at_precision(tensor, program.values[value.0].precision));
    }

    /// Frees what nobody reads at `time` or later.
    fn forget(&mut self, program: &Program, time: usize) {
        for (slot, value) in self.values.iter_mut().zip(&program.values) {
            if value.last_read < time {
                *slot = None;
            }
        }
    }

    /// The values, or a gradient by them, after dropout, with the CPU's mask.
    fn dropout(&self, step: &ForwardStep, rate: f32, values: Flat, operands: &Operands<'_>) -> Flat {
        let ones = vec![1.0; values.dims()[0]];
        let mut mask = vec![0.0; ones.len()];
        let key = operands.noise.dropout_key(step.layer);
        elementwise::dropout(&self.context, key, rate, &ones, &mut mask);
        values * self.upload(mask)
    }

    /// The same of stochastic depth.
    fn stochastic_depth(
        &self,
        program: &Program,
        step: &ForwardStep,
        rate: f32,
        values: Flat,
        operands: &Operands<'_>,
    ) -> Flat {
        let factors = operands.noise.stochastic_depth(step.layer, rate, program.photos);
        let of_photo = values.dims()[0] / program.photos;
        flattened(rows(values, of_photo) * rows(self.upload(factors), 1))
    }

    fn gradient(&self, gradient: Gradient<'_>) -> Flat {
        match gradient {
            Gradient::Value(value) => self.value(value),
            Gradient::Kept(tensor) => flat(tensor),
        }
    }
}

impl Backend for Burn {
    fn begin(&mut self, program: &Program, images: &[f32]) {
        self.values.clear();
        self.values.resize(program.values.len(), None);
        self.values[ValueId::IMAGES.0] = Some(self.upload(images.to_vec()));
    }

    fn forward(&mut self, program: &Program, step: usize, operands: &Operands<'_>) {
        self.forget(program, step);
        self.forward_step(program, &program.forward[step], operands);
    }

    fn backward(&mut self, program: &Program, step: usize, operands: &Operands<'_>) {
        self.forget(program, program.backward_time(step));
        self.backward_step(program, &program.backward[step], operands);
    }

    fn move_statistics(&mut self, program: &Program, step: usize, parameters: &mut [Tensor]) {
        let step = &program.forward[step];
        let Kind::Epilogue(epilogue) = &step.kind else {
            return;
        };
        if let (Some(Norm::Batch { moving, momentum, .. }), Some(statistics)) =
            (&epilogue.norm, step.statistics)
        {
            for (id, value) in moving.iter().zip(statistics) {
                update::average(flat_mut(&mut parameters[id.0]), self.value(value), *momentum);
            }
        }
    }

    fn read(&self, _: &Program, value: ValueId, images: &[f32]) -> Vec<f32> {
        match value {
            ValueId::IMAGES => images.to_vec(),
            value => match &self.values[value.0] {
                Some(_) => to_host(self.value(value)),
                // The gradient by what the output does not depend on, which no step gives.
                None => Vec::new(),
            },
        }
    }

    fn write(&mut self, program: &Program, value: ValueId, values: &[f32]) {
        let tensor = self.upload(values.to_vec());
        self.put(program, value, tensor);
    }

    fn tensor(&self, values: Vec<f32>) -> Tensor {
        Tensor::Burn(Box::new(self.upload(values)))
    }

    fn zeros_like(&self, tensor: &Tensor) -> Tensor {
        Tensor::Burn(Box::new(flat(tensor).zeros_like()))
    }

    fn to_host(&self, tensor: &Tensor) -> Vec<f32> {
        to_host(flat(tensor))
    }

    fn take_gradient(&mut self, _: &Program, gradient: ValueId, sum: &mut Option<Tensor>) {
        let gradient = self.value(gradient);
        match sum {
            Some(sum) => flat_mut(sum).inplace(|sum| sum + gradient),
            None => *sum = Some(Tensor::Burn(Box::new(gradient))),
        }
    }

    fn squared_norm(&self, _: &Program, gradient: Gradient<'_>) -> f64 {
        f64::from(self.gradient(gradient).square().sum().into_scalar::<f32>())
    }

    fn update(
        &mut self,
        _: &Program,
        gradient: Gradient<'_>,
        parameter: &mut Tensor,
        moments: &mut [Tensor],
        step: optimizer::Step,
    ) {
        let gradient = self.gradient(gradient);
        let mut moments = moments.iter_mut().map(flat_mut);
        update::update(
            flat_mut(parameter),
            gradient,
            [moments.next(), moments.next()],
            &step,
        );
    }

    fn move_average(&self, average: &mut Tensor, value: &Tensor, momentum: f32) {
        update::average(flat_mut(average), flat(value), momentum);
    }

    fn held_bytes(&self) -> usize {
        let bytes = |value: &Flat| value.dims()[0] * value.dtype().size();
        self.values.iter().flatten().map(bytes).sum()
    }
}

/// The tensor at a precision.
fn at_precision<const D: usize>(tensor: BurnTensor<D>, precision: Precision) -> BurnTensor<D> {
    let (is, wanted) = match precision {
        Precision::F32 => (DType::F32, FloatDType::F32),
        Precision::Bf16 => (DType::BF16, FloatDType::BF16),
    };
    if tensor.dtype() == is {
        tensor
    } else {
        tensor.cast(wanted)
    }
}

/// `[pixels, channels]`
fn rows(tensor: Flat, channels: usize) -> BurnTensor<2> {
    let pixels = tensor.dims()[0] / channels;
    tensor.reshape([pixels, channels])
}

/// Back to how values are kept.
fn flattened<const D: usize>(tensor: BurnTensor<D>) -> Flat {
    let count = tensor.dims().iter().product::<usize>();
    tensor.reshape([count])
}

fn to_host(tensor: Flat) -> Vec<f32> {
    tensor.into_data().try_to_vec().expect("values in f32")
}

/// A parameter.
fn parameter(operands: &Operands<'_>, id: ParameterId) -> Flat {
    flat(&operands.parameters[id.0])
}

/// # Panics
///
/// The tensor is the CPU's.
fn flat(tensor: &Tensor) -> Flat {
    match tensor {
        Tensor::Burn(tensor) => Flat::clone(tensor),
        Tensor::Host(_) => panic!("a tensor of Burn's"),
    }
}

fn flat_mut(tensor: &mut Tensor) -> &mut Flat {
    match tensor {
        Tensor::Burn(tensor) => tensor,
        Tensor::Host(_) => panic!("a tensor of Burn's"),
    }
}

#[cfg(test)]
mod tests;
