//! Which nodes of a network are computed together: a convolution's batch norm, skip addition, activation and max pooling
//! take one pass over memory, its epilogue.
//!
//! A plan is made from the network alone. It changes what is computed in one pass, not what is computed, and holds on every
//! device: where no kernel serves an epilogue, Burn's operations compute its parts in turn.

use stepladder_model::{Activation, Layer, Network, Padding, Source};

/// The steps of a pass, in order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plan {
    pub steps: Vec<Step>,
    /// How many steps read each node's value; the last node's is read by the caller.
    pub readers: Vec<usize>,
}

/// One step of a pass.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Step {
    /// The node of this index. Without the activation of its own where an epilogue applies that.
    Node {
        index: usize,
        /// Whether a batch norm follows, which wants the output's statistics.
        statistics: bool,
        /// Whether an epilogue applies the layer's own activation.
        bare: bool,
    },
    /// The end of a block.
    Epilogue(Epilogue),
    /// In [`Plan::for_inference`]: a node with weights and the activation that its epilogue is, in one pass.
    Activated {
        index: usize,
        /// One that [`fusable`] holds for.
        activation: Activation,
        /// The node whose value comes out: `index` itself, or the activation's.
        output: usize,
    },
}

/// y = max pool(activation(norm(x) + skip)), each part as the network has it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Epilogue {
    /// x
    pub input: Source,
    /// The batch normalization's node.
    pub norm: Option<usize>,
    /// What is added.
    pub skip: Option<Source>,
    /// One that [`fusable`] holds for.
    pub activation: Activation,
    /// The pooling's windows, which lie side by side; `[1, 1]` is none.
    pub pool: [usize; 2],
    /// The node whose value y is.
    pub output: usize,
    stage: Stage,
}

/// How far an epilogue has come: each part may only follow those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Input,
    Normalized,
    Added,
    Activated,
    Pooled,
}

impl Epilogue {
    fn new(input: Source, output: usize) -> Epilogue {
        Epilogue {
            input,
            norm: None,
            skip: None,
            activation: Activation::Linear,
            pool: [1, 1],
            output,
            stage: Stage::Input,
        }
    }

    /// Whether an activation is all that it is.
    fn is_activation(&self) -> bool {
        self.norm.is_none() && self.skip.is_none() && self.pool == [1, 1]
    }
}

/// Whether an epilogue may apply the activation.
fn fusable(activation: Activation) -> bool {
    matches!(
        activation,
        Activation::Linear | Activation::Relu | Activation::LeakyRelu { .. } | Activation::Swish
    )
}

impl Plan {
    pub fn new(network: &Network) -> Plan {
        Plan::of(network, Planner::new(network).steps())
    }

    /// The same for passes that no gradient follows: where nothing but an activation follows a layer with weights, they are
    /// one step.
    pub fn for_inference(&self, network: &Network) -> Plan {
        let mut steps: Vec<Step> = Vec::with_capacity(self.steps.len());
        for step in &self.steps {
            match (steps.last(), step) {
                (
                    Some(&Step::Node {
                        index, bare: true, ..
                    }),
                    Step::Epilogue(epilogue),
                ) if epilogue.input == Source::Node(index)
                    && epilogue.is_activation()
                    && (epilogue.output == index || self.readers[index] == 1) =>
                {
                    let (activation, output) = (epilogue.activation, epilogue.output);
                    steps.pop();
                    steps.push(Step::Activated {
                        index,
                        activation,
                        output,
                    });
                }
                _ => steps.push(step.clone()),
            }
        }
        Plan::of(network, steps)
    }

    fn of(network: &Network, steps: Vec<Step>) -> Plan {
        let mut readers = vec![0; network.nodes.len()];
        for step in &steps {
            let sources = match step {
                Step::Node { index, .. } | Step::Activated { index, .. } => {
                    network.nodes[*index].inputs.clone()
                }
                Step::Epilogue(epilogue) => std::iter::once(epilogue.input).chain(epilogue.skip).collect(),
            };
            for source in sources {
                // A layer's own activation turns its value into itself: no reader from outside.
                if let Source::Node(from) = source
                    && !is_own(step, from)
                {
                    readers[from] += 1;
                }
            }
        }
        Plan { steps, readers }
    }
}

/// Whether the step is the epilogue that only applies the activation of the layer `from` itself.
fn is_own(step: &Step, from: usize) -> bool {
    matches!(step, Step::Epilogue(epilogue) if epilogue.output == from)
}

/// Groups nodes into epilogues, node by node.
struct Planner<'a> {
    network: &'a Network,
    /// How many nodes read each node.
    readers: Vec<usize>,
    epilogues: Vec<Epilogue>,
    /// The epilogue that each node begins or is part of.
    of: Vec<Option<usize>>,
    /// Whether an epilogue computes the node whole, so that it has no step of its own.
    absorbed: Vec<bool>,
}

impl<'a> Planner<'a> {
    fn new(network: &'a Network) -> Planner<'a> {
        let count = network.nodes.len();
        let mut readers = vec![0; count];
        for source in network.nodes.iter().flat_map(|node| &node.inputs) {
            if let Source::Node(from) = *source {
                readers[from] += 1;
            }
        }
        let mut planner = Planner {
            network,
            readers,
            epilogues: Vec::new(),
            of: vec![None; count],
            absorbed: vec![false; count],
        };
        for index in 0..count {
            planner.place(index);
        }
        planner
    }

    /// Lets the node begin an epilogue, or join that of a node it reads.
    fn place(&mut self, index: usize) {
        let node = &self.network.nodes[index];
        let is_head = index + 1 == self.network.nodes.len();
        match &node.layer {
            Layer::Conv2D(_) | Layer::DepthwiseConv2D(_) | Layer::SeparableConv2D(_) | Layer::Dense(_) => {
                let mut epilogue = Epilogue::new(Source::Node(index), index);
                let activation = node.layer.activation();
                if activation != Activation::Linear {
                    epilogue.activation = activation;
                    epilogue.stage = Stage::Activated;
                }
                // The head's softmax is the loss's, and other activations are steps of their own.
                if fusable(activation) && !is_head {
                    self.begin(index, epilogue);
                }
            }
            Layer::BatchNormalization(_) => {
                let epilogue = self.join(index, node.inputs[0], Stage::Normalized);
                epilogue.norm = Some(index);
            }
            Layer::Add => {
                let &[a, b] = node.inputs.as_slice() else {
                    return;
                };
                // The later of the two ends the block, and the other is its skip.
                let (last, skip) = if self.may_join(b, Stage::Added) {
                    (b, a)
                } else {
                    (a, b)
                };
                let epilogue = self.join(index, last, Stage::Added);
                epilogue.skip = Some(skip);
            }
            Layer::Activation(_) | Layer::LeakyReLU(_) => {
                let activation = node.layer.activation();
                if fusable(activation) && !is_head {
                    let epilogue = self.join(index, node.inputs[0], Stage::Activated);
                    epilogue.activation = activation;
                }
            }
            Layer::MaxPooling2D(pool) => {
                let input = self.network.nodes[index].inputs[0];
                if pool.pool_size == pool.strides
                    && self.has_no_padding(index, pool.padding)
                    && self.may_join(input, Stage::Pooled)
                {
                    let pool_size = pool.pool_size;
                    let epilogue = self.join(index, input, Stage::Pooled);
                    epilogue.pool = pool_size;
                }
            }
            _ => {}
        }
    }

    /// Whether a pooling, whose windows lie side by side, needs no padding.
    fn has_no_padding(&self, index: usize, padding: Padding) -> bool {
        let node = &self.network.nodes[index];
        let Layer::MaxPooling2D(pool) = &node.layer else {
            return false;
        };
        let input = match node.inputs[0] {
            Source::Image => [self.network.input[0], self.network.input[1]],
            Source::Node(from) => match self.network.nodes[from].output {
                stepladder_model::Shape::Map { height, width, .. } => [height, width],
                stepladder_model::Shape::Vector { .. } => return false,
            },
        };
        padding == Padding::Valid || (0..2).all(|axis| input[axis].is_multiple_of(pool.pool_size[axis]))
    }

    fn begin(&mut self, index: usize, epilogue: Epilogue) {
        self.of[index] = Some(self.epilogues.len());
        self.epilogues.push(epilogue);
    }

    /// Whether the value of `source` is the end, so far, of an epilogue that nobody else reads and that has not come to
    /// `stage` yet.
    fn may_join(&self, source: Source, stage: Stage) -> bool {
        let Source::Node(from) = source else {
            return false;
        };
        self.of[from].is_some_and(|at| {
            let epilogue = &self.epilogues[at];
            self.readers[from] == 1 && epilogue.output == from && epilogue.stage < stage
        })
    }

    /// The epilogue that ends in `source`, or a new one on it, with the node `index` now its end and `stage` its stage.
    fn join(&mut self, index: usize, source: Source, stage: Stage) -> &mut Epilogue {
        let at = match source {
            Source::Node(from) if self.may_join(source, stage) => self.of[from],
            _ => None,
        };
        let at = at.unwrap_or_else(|| {
            self.epilogues.push(Epilogue::new(source, index));
            self.epilogues.len() - 1
        });
        self.of[index] = Some(at);
        self.absorbed[index] = true;
        let epilogue = &mut self.epilogues[at];
        epilogue.output = index;
        epilogue.stage = stage;
        epilogue
    }

    /// Each epilogue where its last node stands, by which time all that it reads is there.
    fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        for index in 0..self.network.nodes.len() {
            let epilogue = self.of[index].map(|at| &self.epilogues[at]);
            if !self.absorbed[index] {
                steps.push(Step::Node {
                    index,
                    statistics: epilogue.is_some_and(|epilogue| epilogue.norm.is_some()),
                    bare: epilogue.is_some(),
                });
            }
            if let Some(epilogue) = epilogue
                && epilogue.output == index
                && epilogue.stage != Stage::Input
            {
                steps.push(Step::Epilogue(epilogue.clone()));
            }
        }
        steps
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stepladder_model::{Rung, RungCatalog};

    /// The plan in words, a step a line.
    fn plan(layers: &str) -> String {
        let network = network(layers);
        words(&network, &Plan::new(&network))
    }

    fn network(layers: &str) -> Network {
        let toml = format!(
            "name = \"test\"\nchange = \"test\"\nlayers = [{layers}]\n[input]\nsize = 16\n[training]\nepochs = 1\n[optimizer]\ntype = \"adam\"\n"
        );
        let rung = Rung::from_toml(&toml, "test.toml", &RungCatalog::shipped()).unwrap();
        rung.network(16, 3).unwrap()
    }

    fn words(network: &Network, plan: &Plan) -> String {
        let name = |source: Source| match source {
            Source::Image => "image".to_string(),
            Source::Node(index) => network.nodes[index].name.clone(),
        };
        let describe = |step: &Step| match step {
            Step::Node {
                index, statistics, ..
            } => {
                let statistics = if *statistics { " with statistics" } else { "" };
                format!("{}{statistics}", network.nodes[*index].name)
            }
            Step::Activated {
                index,
                activation,
                output,
            } => {
                let (from, to) = (&network.nodes[*index].name, &network.nodes[*output].name);
                format!("{to} = {from}, {}", activation.name())
            }
            Step::Epilogue(epilogue) => {
                let mut words = vec![name(epilogue.input)];
                words.extend(epilogue.norm.map(|norm| name(Source::Node(norm))));
                words.extend(epilogue.skip.map(|skip| format!("+ {}", name(skip))));
                words.push(epilogue.activation.name().to_string());
                words.push(format!("{:?}", epilogue.pool));
                format!("  {} = {}", network.nodes[epilogue.output].name, words.join(", "))
            }
        };
        plan.steps.iter().map(describe).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_block_takes_one_pass_after_its_convolution() {
        let plan = plan(
            r#"
            { layer = "Conv2D", filters = 4, kernel_size = 3, padding = "same" },
            { layer = "BatchNormalization" },
            { layer = "Activation", activation = "swish" },
            { layer = "MaxPooling2D", pool_size = 2 },
            { layer = "GlobalAveragePooling2D" },
            { layer = "Dense", units = "classes", activation = "softmax" },"#,
        );
        assert_eq!(
            plan,
            "conv2d with statistics\n  max_pooling2d = conv2d, batch_normalization, swish, [2, 2]\n\
             global_average_pooling2d\ndense"
        );
    }

    #[test]
    fn in_inference_a_layer_takes_its_activation_along_unless_others_read_it() {
        let network = network(
            r#"
            { layer = "Conv2D", filters = 4, kernel_size = 3, padding = "same", activation = "relu", name = "own" },
            { layer = "Conv2D", filters = 4, kernel_size = 3, padding = "same", name = "read" },
            { layer = "Activation", activation = "swish", name = "next" },
            { layer = "Conv2D", filters = 4, kernel_size = 3, padding = "same", name = "shared" },
            { layer = "Activation", activation = "swish", name = "reader" },
            { layer = "Add", inputs = ["shared", "reader"], name = "sum" },
            { layer = "Conv2D", filters = 4, kernel_size = 3, padding = "same", activation = "relu", name = "pooled" },
            { layer = "MaxPooling2D", pool_size = 2, name = "pool" },
            { layer = "GlobalAveragePooling2D", name = "average" },
            { layer = "Dense", units = "classes", activation = "softmax", name = "head" },"#,
        );
        assert_eq!(
            words(&network, &Plan::new(&network).for_inference(&network)),
            "own = own, relu\nnext = read, swish\nshared\n  reader = shared, swish, [1, 1]\n  \
             sum = shared, + reader, linear, [1, 1]\npooled\n  pool = pooled, relu, [2, 2]\naverage\nhead"
        );
    }

    #[test]
    fn the_later_branch_takes_the_skip_addition() {
        let plan = plan(
            r#"
            { layer = "Conv2D", filters = 4, kernel_size = 3, padding = "same", activation = "relu", name = "stem" },
            { layer = "Conv2D", filters = 4, kernel_size = 1, name = "shortcut" },
            { layer = "BatchNormalization", name = "shortcut_norm" },
            { layer = "Conv2D", filters = 4, kernel_size = 3, padding = "same", input = "stem", name = "main" },
            { layer = "BatchNormalization", name = "main_norm" },
            { layer = "Add", inputs = ["shortcut_norm", "main_norm"] },
            { layer = "Activation", activation = "relu" },
            { layer = "GlobalAveragePooling2D" },
            { layer = "Dense", units = "classes", activation = "softmax" },"#,
        );
        assert_eq!(
            plan,
            "stem\n  stem = stem, relu, [1, 1]\nshortcut with statistics\n  \
             shortcut_norm = shortcut, shortcut_norm, linear, [1, 1]\nmain with statistics\n  \
             activation = main, main_norm, + shortcut_norm, relu, [1, 1]\nglobal_average_pooling2d\ndense"
        );
    }

    #[test]
    fn what_others_read_or_an_epilogue_cannot_do_stays_apart() {
        let plan = plan(
            r#"
            { layer = "Conv2D", filters = 4, kernel_size = 3, padding = "same", name = "stem" },
            { layer = "BatchNormalization", name = "norm" },
            { layer = "Activation", activation = "tanh" },
            { layer = "MaxPooling2D", pool_size = 3, strides = 2, padding = "same", name = "overlapping" },
            { layer = "Conv2D", filters = 4, kernel_size = 3, strides = 2, padding = "same", input = "norm", name = "branch" },
            { layer = "Add", inputs = ["overlapping", "branch"] },
            { layer = "BatchNormalization", name = "after" },
            { layer = "Flatten" },
            { layer = "Dense", units = "classes", activation = "softmax" },"#,
        );
        assert_eq!(
            plan,
            "stem with statistics\n  norm = stem, norm, linear, [1, 1]\nactivation\noverlapping\nbranch\n  \
             add = branch, + overlapping, linear, [1, 1]\n  after = add, after, linear, [1, 1]\nflatten\ndense"
        );
    }
}
