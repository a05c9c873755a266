//! A graph made ready for one number of photos: the steps of the forward and the backward pass, worked out before the first photo,
//! and a place in one block of memory for every value.
//!
//! A program says what is computed in which order; a [`Backend`](crate::backend::Backend) computes it. The memory that a step
//! takes is [`Program::words`] and the largest workspace of a kernel: nothing else is taken while it runs.

mod backward;
mod forward;
mod layout;
mod step;

pub(crate) use step::{BackwardStep, Epilogue, ForwardStep, Kind, Linear, LinearShape, Norm, Route};

use crate::precision::Precision;
use layout::{Life, lay_out};
use stepladder_kernels::Isa;
use stepladder_kernels::optimizer::global_norm_bytes;
use stepladder_model::{Graph, Source};

/// What a program is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Purpose {
    /// The scores, with moving statistics.
    Inference,
    /// What the last dense layer reads.
    Features,
    /// The scores, with the statistics of these photos, without dropout.
    BatchStatistics,
    /// Gradients of the parameters, with the statistics of these photos, and dropout.
    Training,
    /// The same without dropout.
    Inspection,
    /// The gradient by the value of this operation, with moving statistics.
    MapGradient(usize),
}

impl Purpose {
    /// Whether batch normalizations use the statistics of the photos at hand.
    fn uses_batch_statistics(self) -> bool {
        match self {
            Purpose::BatchStatistics | Purpose::Training | Purpose::Inspection => true,
            Purpose::Inference | Purpose::Features | Purpose::MapGradient(_) => false,
        }
    }

    fn has_parameter_gradients(self) -> bool {
        matches!(self, Purpose::Training | Purpose::Inspection)
    }
}

/// A value of a program, by its index among [`Program::values`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ValueId(pub usize);

impl ValueId {
    /// The photos, which lie outside the block.
    pub const IMAGES: ValueId = ValueId(0);
}

/// A value of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Value {
    /// Numbers in it, of all photos.
    pub count: usize,
    pub precision: Precision,
    /// Where it begins in the block, in words of four bytes.
    pub offset: usize,
    /// When it is read last: see `Program::backward_time`.
    pub last_read: usize,
}

impl Value {
    /// Words of four bytes that it takes.
    pub fn words(&self) -> usize {
        (self.count * self.precision.bytes()).div_ceil(size_of::<u32>())
    }
}

/// How the values of a model are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Form {
    /// Of activations.
    pub precision: Precision,
    /// Whether weights are packed beforehand, for inference: an operation then takes the activation behind it along.
    pub packed: bool,
}

impl Form {
    /// The precision that an operation with weights computes in: that which makes the scores is f32 in any form.
    pub fn precision_of(&self, graph: &Graph, operation: usize) -> Precision {
        match graph.logits() == Source::Operation(operation) {
            true => Precision::F32,
            false => self.precision,
        }
    }
}

/// What a program is made for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ProgramShape<'a> {
    pub graph: &'a Graph,
    pub purpose: Purpose,
    /// Photos that go through together, at least one.
    pub photos: usize,
    pub form: Form,
    /// What the kernels run on, for their workspace.
    pub isa: Isa,
    pub threads: usize,
}

/// The steps of a pass, and where its values lie.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Program {
    pub photos: usize,
    /// The first are the photos, in f32.
    pub values: Vec<Value>,
    pub forward: Vec<ForwardStep>,
    /// In the order in which they are taken.
    pub backward: Vec<BackwardStep>,
    /// What the forward pass is for, scores or features, in f32.
    pub output: ValueId,
    /// The gradient by the output, f32, which whoever starts the backward pass writes.
    pub output_gradient: Option<ValueId>,
    /// The value that a gradient is wanted by, and that gradient.
    pub map: Option<(ValueId, ValueId)>,
    /// Words of the block in which all values lie.
    pub words: usize,
    /// The most bytes that a kernel takes beside its operands.
    pub workspace: usize,
    /// By layer of the graph: bytes that are kept for the backward pass, and the most that a kernel takes.
    pub layers: Vec<LayerBytes>,
    /// Bytes of all values that are kept for the backward pass.
    pub kept: usize,
}

/// Bytes of one layer's values and kernels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct LayerBytes {
    pub kept: usize,
    pub workspace: usize,
}

impl Program {
    /// Works the program out.
    ///
    /// # Panics
    ///
    /// There are no photos, or the purpose names an operation that gives no value of its own.
    pub fn new(shape: &ProgramShape<'_>) -> Program {
        assert!(shape.photos > 0, "a program is for one photo at least");
        let mut builder = Builder::new(shape);
        let (output, wanted) = builder.forward();
        let loss_time = builder.time;
        builder.read(output);
        if shape.purpose == Purpose::Training {
            builder.read_statistics();
            // For clipping.
            builder.workspace = builder
                .workspace
                .max(global_norm_bytes(largest_parameter(shape.graph)));
        }
        let (mut output_gradient, mut map) = (None, None);
        if shape.purpose.has_parameter_gradients() || wanted.is_some() {
            output_gradient = Some(builder.start_backward(output, wanted));
            builder.backward();
            if let Some(wanted) = wanted {
                let gradient = builder.gradient_of(wanted);
                builder.read(wanted);
                builder.read(gradient);
                map = Some((wanted, gradient));
            }
        }
        builder.finish(output, output_gradient, map, loss_time)
    }

    /// When this step of the backward pass is taken, as [`Value::last_read`] counts: a step of the forward pass at its index, then the
    /// loss, then the steps of the backward pass.
    #[cfg(any(feature = "burn", test))]
    pub fn backward_time(&self, step: usize) -> usize {
        self.forward.len() + 1 + step
    }
}

/// A program under way.
struct Builder<'a> {
    shape: ProgramShape<'a>,
    values: Vec<Value>,
    lives: Vec<Life>,
    /// The layer that each value came from.
    layer_of: Vec<usize>,
    /// The value of each operation of the graph, once it has one.
    operations: Vec<Option<ValueId>>,
    /// The same value at the other precision, where a step wanted that.
    converted: Vec<Option<ValueId>>,
    /// Mean and variance of a value, where its step left them.
    statistics: Vec<Option<[ValueId; 2]>>,
    forward: Vec<ForwardStep>,
    backward: Vec<BackwardStep>,
    /// Whether a gradient by the value is wanted, or runs through it.
    needs_gradient: Vec<bool>,
    /// The gradient by each value, so far.
    gradients: Vec<Option<ValueId>>,
    workspace: usize,
    layers: Vec<LayerBytes>,
    /// The step under way, as lives count them.
    time: usize,
}

impl<'a> Builder<'a> {
    fn new(shape: &ProgramShape<'a>) -> Builder<'a> {
        let graph = shape.graph;
        let mut builder = Builder {
            shape: *shape,
            values: Vec::new(),
            lives: Vec::new(),
            layer_of: Vec::new(),
            operations: vec![None; graph.operations.len()],
            converted: Vec::new(),
            statistics: Vec::new(),
            forward: Vec::new(),
            backward: Vec::new(),
            needs_gradient: Vec::new(),
            gradients: Vec::new(),
            workspace: 0,
            layers: vec![LayerBytes::default(); graph.layers.len()],
            time: 0,
        };
        let image: usize = graph.input.iter().product();
        builder.value(shape.photos * image, Precision::F32, 0);
        builder
    }

    /// A new value, written by the step under way.
    fn value(&mut self, count: usize, precision: Precision, layer: usize) -> ValueId {
        let value = Value {
            count,
            precision,
            offset: 0,
            last_read: 0,
        };
        self.values.push(value);
        self.lives.push(Life {
            words: value.words(),
            birth: self.time,
            death: self.time,
        });
        self.layer_of.push(layer);
        self.converted.push(None);
        self.statistics.push(None);
        self.needs_gradient.push(false);
        self.gradients.push(None);
        ValueId(self.values.len() - 1)
    }

    /// Notes that the step under way reads the value.
    fn read(&mut self, value: ValueId) {
        let life = &mut self.lives[value.0];
        life.death = life.death.max(self.time);
    }

    /// Notes that statistics are read now: moving ones move towards them once the loss is known, also where no backward pass needs
    /// them.
    fn read_statistics(&mut self) {
        let statistics = self.forward.iter().filter_map(|step| step.statistics);
        for value in statistics.flatten().collect::<Vec<_>>() {
            self.read(value);
        }
    }

    fn source(&self, source: Source) -> ValueId {
        match source {
            Source::Image => ValueId::IMAGES,
            Source::Operation(index) => {
                self.operations[index].expect("operations are in order of computation")
            }
        }
    }

    fn note_workspace(&mut self, layer: usize, bytes: usize) {
        self.workspace = self.workspace.max(bytes);
        let of_layer = &mut self.layers[layer].workspace;
        *of_layer = (*of_layer).max(bytes);
    }

    /// Lays the values out. `loss_time` is when the backward pass begins.
    fn finish(
        mut self,
        output: ValueId,
        output_gradient: Option<ValueId>,
        map: Option<(ValueId, ValueId)>,
        loss_time: usize,
    ) -> Program {
        let mut kept = 0;
        if !self.backward.is_empty() {
            for (at, life) in self.lives.iter().enumerate().skip(1) {
                if life.birth < loss_time && life.death > loss_time {
                    let bytes = life.words * size_of::<u32>();
                    self.layers[self.layer_of[at]].kept += bytes;
                    kept += bytes;
                }
            }
        }
        // The photos lie elsewhere.
        self.lives[ValueId::IMAGES.0].words = 0;
        let (offsets, words) = lay_out(&self.lives);
        for ((value, offset), life) in self.values.iter_mut().zip(offsets).zip(&self.lives) {
            value.offset = offset;
            value.last_read = life.death;
        }
        Program {
            photos: self.shape.photos,
            values: self.values,
            forward: self.forward,
            backward: self.backward,
            output,
            output_gradient,
            map,
            words,
            workspace: self.workspace,
            layers: self.layers,
            kept,
        }
    }
}

/// Values of the largest parameter that is trained.
fn largest_parameter(graph: &Graph) -> usize {
    let trained = graph.parameters.iter().filter(|spec| spec.trainable);
    trained.map(|spec| spec.count() as usize).max().unwrap_or(0)
}
