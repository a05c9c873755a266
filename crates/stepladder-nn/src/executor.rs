//! Runs programs: keeps those that were worked out, and the backends that are not at work.
//!
//! Everything that a pass uses belongs to an executor, so that two trainings in one process share nothing.

use crate::backend::{Backend, Noise, Operands, Tensor, backend};
use crate::cpu::{Packed, instruction_set};
use crate::device::Device;
use crate::profile::Profile;
use crate::program::{Form, Program, ProgramShape, Purpose};
use std::sync::{Arc, Mutex, PoisonError};
use stepladder_kernels::Context;
use stepladder_model::Graph;

/// Programs that are kept: those of a training's batches, of an epoch's last batch, and of validation.
const PROGRAMS: usize = 8;

/// What one program of a network is known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Key {
    input: [usize; 3],
    /// Values that are trained: which ones follows, for it is always the last layers.
    trained: u64,
    purpose: Purpose,
    photos: usize,
    form: Form,
    threads: usize,
}

/// Runs the programs of one network on one device, whatever the size of its input. A clone shares programs, memory and profile.
#[derive(Debug, Clone)]
pub(crate) struct Executor(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    device: Device,
    /// The threads, kept awake from one kernel of a pass to the next.
    context: Context,
    profile: Profile,
    /// The last used last.
    programs: Mutex<Vec<(Key, Arc<Program>)>>,
    idle: Mutex<Vec<Box<dyn Backend>>>,
}

impl Executor {
    pub fn new(device: Device) -> Executor {
        Executor(Arc::new(Shared {
            device,
            context: Context::on_callers_pool(instruction_set()),
            profile: Profile::new(),
            programs: Mutex::default(),
            idle: Mutex::default(),
        }))
    }

    pub fn device(&self) -> Device {
        self.0.device
    }

    pub fn profile(&self) -> &Profile {
        &self.0.profile
    }

    /// Where weights are packed.
    pub fn context(&self) -> &Context {
        &self.0.context
    }

    /// The program of `graph`, which is the same network in all calls but for its input and what of it is frozen, for so many photos.
    pub fn program(&self, graph: &Graph, purpose: Purpose, photos: usize, form: Form) -> Arc<Program> {
        let (isa, threads) = (self.0.context.isa(), self.0.context.threads());
        let key = Key {
            input: graph.input,
            trained: graph.trainable_parameter_count(),
            purpose,
            photos,
            form,
            threads,
        };
        let mut programs = self.0.programs.lock().unwrap_or_else(PoisonError::into_inner);
        let known = programs.iter().position(|(other, _)| *other == key);
        let entry = match known {
            Some(at) => programs.remove(at),
            None => {
                let shape = ProgramShape {
                    graph,
                    purpose,
                    photos,
                    form,
                    isa,
                    threads,
                };
                (key, Arc::new(Program::new(&shape)))
            }
        };
        if programs.len() >= PROGRAMS {
            programs.remove(0);
        }
        let program = Arc::clone(&entry.1);
        programs.push(entry);
        program
    }

    /// Lets a backend work, one that has worked before if there is one.
    pub fn run<R: Send>(&self, work: impl FnOnce(&mut dyn Backend) -> R + Send) -> R {
        let idle = || self.0.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let mut at_work = idle()
            .pop()
            .unwrap_or_else(|| backend(self.0.device, &self.0.profile));
        let result = match self.0.device {
            Device::Cpu => self.0.context.together(|| work(&mut *at_work)),
            #[cfg(any(feature = "burn", test))]
            _ => work(&mut *at_work),
        };
        idle().push(at_work);
        result
    }

    /// Bytes that the backends hold for values and kernels.
    pub fn held_bytes(&self) -> usize {
        let idle = self.0.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.iter().map(|backend| backend.held_bytes()).sum()
    }
}

/// Takes the steps of the forward pass, telling `observe` after each.
pub(crate) fn forward(
    backend: &mut dyn Backend,
    program: &Program,
    operands: &Operands<'_>,
    observe: &mut dyn FnMut(&dyn Backend, usize),
) {
    backend.begin(program, operands.images);
    for step in 0..program.forward.len() {
        backend.forward(program, step, operands);
        observe(backend, step);
    }
}

/// The output of a forward pass without random parts, in host memory.
pub(crate) fn output(
    backend: &mut dyn Backend,
    program: &Program,
    images: &[f32],
    parameters: &[Tensor],
    packed: &[Option<Packed>],
) -> Vec<f32> {
    let noise = Noise::default();
    let operands = Operands {
        images,
        parameters,
        packed,
        noise,
    };
    forward(backend, program, &operands, &mut |_, _| {});
    backend.read(program, program.output, images)
}
