//! The CPU as a backend: each step of a program is a call of our kernels on slices of one block of memory.
//!
//! Values lie in the block that the program has laid out, and what kernels take beside comes from the buffers of this backend's
//! context, reserved beforehand: a step asks the system for nothing but a few figures for each channel.

mod backward;
mod forward;
mod memory;

use crate::backend::{Backend, Gradient, Operands, Tensor};
use crate::precision::Precision;
use crate::profile::{Profile, Work};
use crate::program::{Kind, Norm, Program, ValueId};
use bytemuck::Pod;
use half::bf16;
use memory::Memory;
use std::sync::Arc;
use stepladder_kernels::optimizer::{self, global_norm};
use stepladder_kernels::{Affine, Context, Element, Isa, PackedWeights, elementwise};
use stepladder_model::ParameterId;

/// Weights of a convolution or a dense layer, packed once for many passes.
pub(crate) type Packed = Arc<PackedWeights>;

/// A value of the precision `E`.
pub(crate) trait Storage: Element + Pod {}

impl Storage for f32 {}
impl Storage for bf16 {}

/// The CPU at work on programs.
#[derive(Debug)]
pub(crate) struct Cpu {
    context: Context,
    memory: Memory,
    /// The most bytes that kernels took beside their operands, in passes before this one.
    workspace: usize,
    profile: Profile,
}

impl Cpu {
    pub fn new(profile: Profile) -> Cpu {
        Cpu {
            context: Context::on_callers_pool(instruction_set()),
            memory: Memory::new(),
            workspace: 0,
            profile,
        }
    }
}

/// The vector instructions that kernels use: the best of this CPU, or what the environment caps them at.
pub(crate) fn instruction_set() -> Isa {
    Isa::from_environment().unwrap_or_else(|_| Isa::detect())
}

/// What an epilogue multiplies by and adds; `statistics` are the mean and variance of its input, for a norm that goes by them.
fn affine(norm: &Norm, parameters: &[Tensor], statistics: [&[f32]; 2]) -> Affine {
    let by = |gamma: &Option<ParameterId>,
              beta: &Option<ParameterId>,
              [mean, variance]: [&[f32]; 2],
              epsilon: f32| {
        let (ones, zeros) = (vec![1.0; mean.len()], vec![0.0; mean.len()]);
        let [gamma, beta] = [(gamma, &ones), (beta, &zeros)]
            .map(|(id, default)| id.map_or(default.as_slice(), |id| parameters[id.0].host()));
        Affine::new(gamma, beta, mean, variance, epsilon)
    };
    match norm {
        Norm::Batch {
            gamma, beta, epsilon, ..
        } => by(gamma, beta, statistics, *epsilon),
        Norm::Moving {
            gamma,
            beta,
            moving,
            epsilon,
        } => by(gamma, beta, moving.map(|id| parameters[id.0].host()), *epsilon),
        Norm::Constant { scale, shift } => Affine {
            scale: scale.clone(),
            shift: shift.clone(),
        },
    }
}

impl Backend for Cpu {
    fn begin(&mut self, program: &Program, _: &[f32]) {
        self.memory.reserve(program.words);
        let buffers = self.context.buffers();
        self.workspace = self.workspace.max(buffers.peak_bytes());
        buffers.reserve(program.workspace);
    }

    fn forward(&mut self, program: &Program, step: usize, operands: &Operands<'_>) {
        let step = &program.forward[step];
        match program.values[step.inputs[0].0].precision {
            Precision::F32 => self.forward_as::<f32>(program, step, operands),
            Precision::Bf16 => self.forward_as::<bf16>(program, step, operands),
        }
    }

    fn backward(&mut self, program: &Program, step: usize, operands: &Operands<'_>) {
        let step = &program.backward[step];
        let forward = &program.forward[step.forward];
        match program.values[forward.inputs[0].0].precision {
            Precision::F32 => self.backward_as::<f32>(program, step, operands),
            Precision::Bf16 => self.backward_as::<bf16>(program, step, operands),
        }
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
                let batch = self.memory.read(program, &[], value).get::<f32>();
                elementwise::moving_average(&self.context, *momentum, batch, parameters[id.0].host_mut());
            }
        }
    }

    fn read(&self, program: &Program, value: ValueId, images: &[f32]) -> Vec<f32> {
        let view = self.memory.read(program, images, value);
        match program.values[value.0].precision {
            Precision::F32 => view.get().to_vec(),
            Precision::Bf16 => view.get::<bf16>().iter().map(|value| value.to_f32()).collect(),
        }
    }

    fn write(&mut self, program: &Program, value: ValueId, values: &[f32]) {
        self.memory
            .write(program, value)
            .get::<f32>()
            .copy_from_slice(values);
    }

    fn tensor(&self, values: Vec<f32>) -> Tensor {
        Tensor::Host(Arc::new(values))
    }

    fn zeros_like(&self, tensor: &Tensor) -> Tensor {
        self.tensor(vec![0.0; tensor.host().len()])
    }

    fn to_host(&self, tensor: &Tensor) -> Vec<f32> {
        tensor.host().to_vec()
    }

    fn take_gradient(&mut self, program: &Program, gradient: ValueId, sum: &mut Option<Tensor>) {
        let gradient = self.memory.read(program, &[], gradient).get::<f32>();
        match sum {
            Some(sum) => elementwise::accumulate(&self.context, gradient, sum.host_mut()),
            None => *sum = Some(Tensor::Host(Arc::new(gradient.to_vec()))),
        }
    }

    fn squared_norm(&self, program: &Program, gradient: Gradient<'_>) -> f64 {
        let norm = global_norm(&self.context, &[self.gradient(program, gradient)]);
        norm * norm
    }

    fn update(
        &mut self,
        program: &Program,
        gradient: Gradient<'_>,
        parameter: &mut Tensor,
        moments: &mut [Tensor],
        step: optimizer::Step,
    ) {
        let gradient = self.gradient(program, gradient);
        let work = Work::passing("optimizer", size_of_val(gradient) * (3 + 2 * moments.len()));
        self.profile.timed(None, work, || {
            let mut moments = moments.iter_mut().map(Tensor::host_mut);
            let mut slots = [moments.next(), moments.next()].into_iter().flatten();
            match (slots.next(), slots.next()) {
                (Some(first), Some(second)) => {
                    step.apply(
                        &self.context,
                        parameter.host_mut(),
                        gradient,
                        &mut [first, second],
                    );
                }
                (Some(first), None) => {
                    step.apply(&self.context, parameter.host_mut(), gradient, &mut [first])
                }
                (None, _) => step.apply(&self.context, parameter.host_mut(), gradient, &mut []),
            }
        });
    }

    fn move_average(&self, average: &mut Tensor, value: &Tensor, momentum: f32) {
        let value = value.host();
        let work = Work::passing("moving average", 3 * size_of_val(value));
        self.profile.timed(None, work, || {
            elementwise::moving_average(&self.context, momentum, value, average.host_mut());
        });
    }

    fn held_bytes(&self) -> usize {
        self.memory.bytes() + self.workspace.max(self.context.buffers().peak_bytes())
    }
}

impl Cpu {
    fn gradient<'a>(&'a self, program: &Program, gradient: Gradient<'a>) -> &'a [f32] {
        match gradient {
            Gradient::Value(value) => self.memory.read(program, &[], value).get(),
            Gradient::Kept(tensor) => tensor.host(),
        }
    }
}
