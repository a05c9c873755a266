//! A training step on the ledger: each step of the plan takes what its operation takes, keeps what its backward pass reads, and gives
//! it back on the way back.

use super::LayerMemory;
use super::ledger::{Held, Ledger};
use super::recorded::Recorded;
use super::workspace::workspace;
use crate::plan::{Epilogue, Plan, Step};
use crate::portion::portion;
use crate::precision::Precision;
use stepladder_kernels::Workspace;
use stepladder_model::{Activation, Layer, Network, Shape, Source};

/// A value on its way through the network.
#[derive(Debug, Clone, Copy)]
struct Value {
    held: Held,
    bytes: usize,
    /// Where its gradient is, in `gradients`; none for the photos.
    gradient: Option<usize>,
    /// Operations since the photos, on the longest way.
    depth: usize,
}

/// Steps of training, on a ledger.
pub(super) struct Walk<'a> {
    network: &'a Network,
    plan: Plan,
    element: usize,
    /// Photos of the pass under way.
    batch: usize,
    threads: usize,
    ledger: Ledger,
    /// Whether a way back follows.
    records: bool,
    tape: Vec<Recorded>,
    /// Gradients of values by number, where there are any yet.
    gradients: Vec<Option<Held>>,
    values: Vec<Option<Value>>,
    readers: Vec<usize>,
    layers: Vec<LayerMemory>,
    activations: u64,
}

impl<'a> Walk<'a> {
    pub fn new(network: &'a Network, precision: Precision, threads: usize) -> Walk<'a> {
        let layers = network.nodes.iter().map(|node| LayerMemory {
            layer: node.name.clone(),
            weights: node
                .parameters
                .iter()
                .map(|spec| 4 * count(&spec.shape) as u64)
                .sum(),
            ..LayerMemory::default()
        });
        Walk {
            layers: layers.collect(),
            network,
            plan: Plan::new(network),
            element: match precision {
                Precision::F32 => 4,
                Precision::Bf16 => 2,
            },
            batch: 0,
            threads,
            ledger: Ledger::default(),
            records: true,
            tape: Vec::new(),
            gradients: Vec::new(),
            values: Vec::new(),
            readers: Vec::new(),
            activations: 0,
        }
    }

    /// The most that the buffers hold.
    pub fn peak(&self) -> u64 {
        self.ledger.allocated() as u64
    }

    /// What is kept when the way back begins.
    pub fn activations(&self) -> u64 {
        self.activations
    }

    pub fn layers(self) -> Vec<LayerMemory> {
        self.layers
    }

    /// Forward and backward for each of a batch's pieces, of so many photos, whose gradients are added up, and the optimizer's step,
    /// after which they are free.
    pub fn step(&mut self, pieces: &[usize]) {
        self.activations = 0;
        self.layers.iter_mut().for_each(|layer| layer.activations = 0);
        let mut sums = Vec::new();
        for &photos in pieces {
            self.batch = photos;
            let gradients = self.pass();
            if sums.is_empty() {
                sums = gradients;
            } else {
                // Added to the sums where they lie.
                gradients.into_iter().for_each(|held| self.ledger.drop(held));
            }
        }
        sums.into_iter().for_each(|held| self.ledger.drop(held));
    }

    /// What validation and the figures at the end do: passes without gradients on `photos` photos, in portions.
    pub fn answer(&mut self, photos: usize) {
        let portion = portion(self.network, self.element).map_or(photos, |portion| portion.min(photos));
        let plan = self.plan.for_inference(self.network);
        self.records = false;
        let rest = photos.checked_rem(portion).unwrap_or(0);
        for photos in [portion, rest].into_iter().filter(|&photos| photos > 0) {
            self.batch = photos;
            if let Some(logits) = self.forward(&plan) {
                self.ledger.drop(logits.held);
            }
        }
        self.records = true;
    }

    /// Forward and backward; what it gives are the gradients of the parameters.
    fn pass(&mut self) -> Vec<Held> {
        let logits = self.forward(&self.plan.clone());
        let mut of_parameters = Vec::new();
        if let Some(logits) = logits {
            let gradient = self.ledger.take(logits.bytes);
            if let Some(number) = logits.gradient {
                self.gradients[number] = Some(gradient);
            }
            self.ledger.drop(logits.held);
        }
        // Autodiff goes back by depth and not in the order in which things were done.
        self.tape.sort_by_key(|recorded| recorded.depth);
        while let Some(recorded) = self.tape.pop() {
            of_parameters.extend(self.backward(recorded));
        }
        of_parameters
    }

    /// The steps of `plan`; what it gives are the logits.
    fn forward(&mut self, plan: &Plan) -> Option<Value> {
        self.values = vec![None; self.network.nodes.len()];
        self.readers = plan.readers.clone();
        self.gradients.clear();
        let [height, width, channels] = self.network.input;
        let photos = self.batch * height * width * channels;
        // At f32 the photos are the loader's own memory.
        let images = Value {
            held: self.ledger.take(if self.element == 4 {
                0
            } else {
                photos * self.element
            }),
            bytes: photos * self.element,
            gradient: None,
            depth: 0,
        };
        for step in &plan.steps {
            match step {
                Step::Node { index, .. } => self.node(*index, images),
                Step::Epilogue(epilogue) => self.epilogue(epilogue, images),
                Step::Activated { index, output, .. } => {
                    self.node(*index, images);
                    self.values[*output] = self.values[*index].take();
                }
            }
        }
        self.ledger.drop(images.held);
        self.values.last_mut().and_then(Option::take)
    }

    /// The value of `source`, held once more for its reader.
    fn read(&mut self, source: Source, images: Value) -> Value {
        let Source::Node(from) = source else {
            self.ledger.hold(images.held);
            return images;
        };
        let Some(value) = self.values[from].take() else {
            return images;
        };
        self.readers[from] = self.readers[from].saturating_sub(1);
        if self.readers[from] > 0 {
            self.ledger.hold(value.held);
            // A fork is an operation of its own.
            let forked = Value {
                depth: value.depth + 1,
                ..value
            };
            self.values[from] = Some(forked);
            return forked;
        }
        value
    }

    fn bytes(&self, shape: &Shape) -> usize {
        self.batch * shape.count() as usize * self.element
    }

    fn output(&mut self, bytes: usize, inputs: &[Value]) -> Value {
        self.gradients.push(None);
        Value {
            held: self.ledger.take(bytes),
            bytes,
            gradient: Some(self.gradients.len() - 1),
            depth: 1 + inputs.iter().map(|input| input.depth).max().unwrap_or(0),
        }
    }

    /// Notes an operation on `inputs` that keeps `kept`, both given up by the caller.
    fn record(&mut self, inputs: &[Value], output: Value, recorded: Recorded) {
        if self.records {
            for &kept in &recorded.kept {
                self.ledger.hold(kept);
            }
        }
        for input in inputs {
            self.ledger.drop(input.held);
        }
        if !self.records {
            return;
        }
        let of_inputs = inputs
            .iter()
            .filter_map(|input| Some((input.gradient?, input.bytes)));
        self.tape.push(Recorded {
            of_output: output.gradient.unwrap_or_default(),
            depth: output.depth,
            of_inputs: of_inputs.collect(),
            ..recorded
        });
    }

    fn node(&mut self, index: usize, images: Value) {
        let node = &self.network.nodes[index];
        let mut inputs: Vec<Value> = node
            .inputs
            .iter()
            .map(|&source| self.read(source, images))
            .collect();
        let is_head = index + 1 == self.network.nodes.len();
        let output = match &node.layer {
            layer
                if matches!(layer, Layer::Flatten)
                    || (matches!(layer, Layer::Dropout(_)) && !self.records) =>
            {
                let view = Value {
                    bytes: inputs[0].bytes,
                    ..self.alias(inputs[0])
                };
                self.record(&inputs, view, Recorded::view());
                view
            }
            Layer::Conv2D(_) | Layer::DepthwiseConv2D(_) | Layer::Dense(_) => {
                if is_head && self.element == 2 {
                    inputs[0] = self.widen(inputs[0]);
                }
                let bytes = if is_head {
                    4 * self.batch * node.output.count() as usize
                } else {
                    self.bytes(&node.output)
                };
                self.linear(index, inputs[0], 0, bytes)
            }
            Layer::SeparableConv2D(_) => {
                let channels = node.parameters[0].shape[2..].iter().product::<usize>();
                let pixels = match node.output {
                    Shape::Map { height, width, .. } => height * width,
                    Shape::Vector { .. } => 1,
                };
                let between = self.batch * pixels * channels * self.element;
                let middle = self.linear(index, inputs[0], 0, between);
                let bytes = self.bytes(&node.output);
                self.linear(index, middle, 1, bytes)
            }
            layer => {
                let bytes = self.bytes(&node.output);
                let output = self.output(bytes, &inputs);
                let kept = match layer {
                    Layer::Dropout(_) | Layer::Add => Vec::new(),
                    Layer::Activation(_) | Layer::LeakyReLU(_) => vec![inputs[0].held, output.held],
                    _ => vec![inputs[0].held],
                };
                self.note_kept(index, if kept.is_empty() { 0 } else { inputs[0].bytes });
                let recorded = Recorded {
                    is_view: matches!(layer, Layer::Add),
                    ..Recorded::keeping(kept)
                };
                self.record(&inputs, output, recorded);
                output
            }
        };
        self.values[index] = Some(output);
    }

    /// The same buffer under another name.
    fn alias(&mut self, value: Value) -> Value {
        self.ledger.hold(value.held);
        self.gradients.push(None);
        Value {
            gradient: Some(self.gradients.len() - 1),
            depth: value.depth + 1,
            ..value
        }
    }

    /// The head's input in f32.
    fn widen(&mut self, input: Value) -> Value {
        let output = self.output(2 * input.bytes, &[input]);
        self.record(&[input], output, Recorded::keeping(Vec::new()));
        output
    }

    /// An operation with the weights at `position` of the node's parameters.
    fn linear(&mut self, index: usize, input: Value, position: usize, bytes: usize) -> Value {
        let node = &self.network.nodes[index];
        let weights = &node.parameters[position].shape;
        // The last operation of the node has its bias.
        let is_last = !(matches!(node.layer, Layer::SeparableConv2D(_)) && position == 0);
        let biases = node.parameters[position + 1..].iter().filter(|_| is_last);
        let mut of_parameters = vec![4 * count(weights)];
        of_parameters.extend(biases.map(|spec| 4 * count(&spec.shape)));
        let Workspace {
            forward,
            input_gradient: before,
            weight_gradient: after,
        } = workspace(
            self.network,
            index,
            position,
            self.batch,
            self.element,
            self.threads,
        );
        let output = self.output(bytes, &[input]);
        self.ledger.pass(&forward);
        let sum = |buffers: &[usize]| buffers.iter().sum::<usize>() as u64;
        let layer = &mut self.layers[index];
        layer.workspace = layer
            .workspace
            .max(sum(&forward))
            .max(sum(&before))
            .max(sum(&after));
        self.note_kept(index, input.bytes);
        let recorded = Recorded {
            before: if input.gradient.is_some() {
                before
            } else {
                Vec::new()
            },
            after,
            of_parameters,
            ..Recorded::keeping(vec![input.held])
        };
        self.record(&[input], output, recorded);
        output
    }

    fn epilogue(&mut self, epilogue: &Epilogue, images: Value) {
        let index = epilogue.output;
        let input = match epilogue.input {
            // A layer's own activation: the value is not anybody else's yet.
            Source::Node(from) if from == index => self.values[from].take().unwrap_or(images),
            source => self.read(source, images),
        };
        let skip = epilogue.skip.map(|skip| self.read(skip, images));
        let pixels = epilogue.pool[0] * epilogue.pool[1];
        let bytes = self.bytes(&self.network.nodes[index].output);
        let mut inputs = vec![input];
        inputs.extend(skip);
        let output = self.output(bytes, &inputs);
        let kept: Vec<Held> = inputs.iter().map(|value| value.held).collect();
        let is_kept = epilogue.norm.is_some() && epilogue.activation == Activation::Swish;
        let values = bytes / self.element;
        let mut before = Vec::new();
        if is_kept && (pixels > 1 || self.element == 2) {
            before.push(4 * values);
        }
        if is_kept && pixels > 1 {
            before.push(2 * values);
        }
        let of_parameters = match epilogue.norm {
            Some(norm) => {
                let specs = self.network.nodes[norm].parameters.iter();
                let trainable = specs.filter(|spec| spec.trainable);
                trainable.map(|spec| 4 * count(&spec.shape)).collect()
            }
            None => Vec::new(),
        };
        let layer = &mut self.layers[index];
        layer.workspace = layer.workspace.max(before.iter().sum::<usize>() as u64);
        // The convolution's output is kept under the name of the block's end.
        self.note_kept(index, inputs.iter().map(|value| value.bytes).sum());
        let recorded = Recorded {
            before,
            of_parameters,
            // Where a sum is all that follows, the skip's gradient is the sum's.
            last_is_view: skip.is_some() && epilogue.activation == Activation::Linear && pixels == 1,
            ..Recorded::keeping(kept)
        };
        self.record(&inputs, output, recorded);
        self.values[index] = Some(output);
    }

    fn note_kept(&mut self, index: usize, bytes: usize) {
        // Of the first piece, which no other exceeds.
        if self.records && self.activations == 0 {
            self.layers[index].activations += bytes as u64;
        }
    }

    /// The way back through one operation: the gradients of its parameters.
    fn backward(&mut self, recorded: Recorded) -> Vec<Held> {
        if self.activations == 0 {
            self.activations = self.ledger.in_use() as u64;
        }
        let Some(gradient) = self.gradients[recorded.of_output].take() else {
            recorded.kept.into_iter().for_each(|held| self.ledger.drop(held));
            return Vec::new();
        };
        let before: Vec<Held> = recorded
            .before
            .iter()
            .map(|&bytes| self.ledger.take(bytes))
            .collect();
        let mut second = Vec::new();
        for (at, &(number, bytes)) in recorded.of_inputs.iter().enumerate() {
            let is_last = at > 0 && at + 1 == recorded.of_inputs.len();
            let found = match recorded.is_view || (recorded.last_is_view && is_last) {
                true => self.ledger.hold(gradient),
                false => self.ledger.take(bytes),
            };
            match self.gradients[number] {
                None => self.gradients[number] = Some(found),
                Some(first) => second.push((number, bytes, [first, found])),
            }
        }
        before.into_iter().for_each(|held| self.ledger.drop(held));
        let of_parameters: Vec<Held> = recorded
            .of_parameters
            .iter()
            .map(|&bytes| self.ledger.take(bytes))
            .collect();
        self.ledger.pass(&recorded.after);
        self.ledger.drop(gradient);
        recorded.kept.into_iter().for_each(|held| self.ledger.drop(held));
        // A value with two readers: the sum is a third, made when all else of the second is done.
        for (number, bytes, both) in second {
            self.gradients[number] = Some(self.ledger.take(bytes));
            both.into_iter().for_each(|held| self.ledger.drop(held));
        }
        of_parameters
    }
}

fn count(shape: &[usize]) -> usize {
    shape.iter().product()
}
