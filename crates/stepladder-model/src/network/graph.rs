//! From a list of layers to a graph: names, who takes whose output, and shape inference, layer by layer.

use std::collections::{BTreeMap, BTreeSet};

use super::shape::window_positions;
use super::{Network, NetworkError, Node, Shape, Source, cost, head};
use crate::layer::{Layer, Padding, Units};
use crate::place::Place;
use crate::rung::LayerSpec;

/// The name under which a layer may take the network's input.
const IMAGE: &str = "image";

/// Largest side of the input.
const SIZE_LIMIT: usize = 8192;

/// More layers than any network that two people can train; a longer list is a mistake or an attack.
pub(crate) const LAYER_LIMIT: usize = 2048;

pub(super) fn resolve(specs: &[LayerSpec], size: usize, classes: usize) -> Result<Network, NetworkError> {
    if classes < 2 {
        return Err(NetworkError::TooFewClasses { classes });
    }
    if size == 0 || size > SIZE_LIMIT {
        return Err(NetworkError::InputSize {
            size,
            limit: SIZE_LIMIT,
        });
    }
    if let Some(extra) = specs.get(LAYER_LIMIT) {
        return Err(NetworkError::TooManyLayers {
            place: extra.place.clone(),
            limit: LAYER_LIMIT,
        });
    }
    let head = specs
        .iter()
        .take_while(|spec| spec.layer.is_augmentation())
        .count();
    let (augmentation, specs) = specs.split_at(head);
    if specs.is_empty() {
        return Err(match augmentation.last() {
            Some(last) => NetworkError::OnlyAugmentation {
                place: last.place.clone(),
            },
            None => NetworkError::NoLayers,
        });
    }
    for spec in augmentation {
        if spec.inputs.iter().any(|input| input != IMAGE) {
            let layer = spec.layer.kind();
            return Err(NetworkError::AugmentationNotAtHead {
                place: spec.place.clone(),
                layer,
            });
        }
    }

    let names = Names::new(specs)?;
    let mut network = Network {
        input: [size, size, 3],
        classes,
        nodes: Vec::with_capacity(specs.len()),
        augmentation: augmentation.iter().map(|spec| spec.layer.clone()).collect(),
    };
    let mut total = 0u64;
    for (index, spec) in specs.iter().enumerate() {
        let node = resolve_layer(&network, &names, index, spec)?;
        let count = node.parameters.iter().try_fold(total, |sum, parameter| {
            sum.checked_add(cost::product(&parameter.shape)?)
                .filter(|&sum| sum <= cost::LIMIT)
        });
        total = count.ok_or_else(|| NetworkError::TooLarge {
            place: spec.place.clone(),
            layer: spec.layer.kind(),
            what: format!("more than {} parameters", cost::LIMIT),
        })?;
        network.nodes.push(node);
    }
    check_all_used(&network)?;
    head::check(&network)?;
    Ok(network)
}

/// The unique names of the nodes, and which indices the given ones stand for.
struct Names<'a> {
    of_node: Vec<String>,
    given: BTreeMap<&'a str, usize>,
}

impl<'a> Names<'a> {
    fn new(specs: &'a [LayerSpec]) -> Result<Names<'a>, NetworkError> {
        let mut given = BTreeMap::new();
        for (index, spec) in specs.iter().enumerate() {
            let Some(name) = &spec.name else { continue };
            if name == IMAGE {
                return Err(NetworkError::ReservedName {
                    place: spec.place.clone(),
                });
            }
            if given.insert(name.as_str(), index).is_some() {
                return Err(NetworkError::DuplicateName {
                    place: spec.place.clone(),
                    name: name.clone(),
                });
            }
        }
        Ok(Names {
            of_node: names(specs),
            given,
        })
    }

    fn sources(&self, index: usize, spec: &LayerSpec) -> Result<Vec<Source>, NetworkError> {
        if spec.inputs.is_empty() {
            return Ok(vec![if index == 0 {
                Source::Image
            } else {
                Source::Node(index - 1)
            }]);
        }
        let named = spec
            .inputs
            .iter()
            .map(|input| match self.given.get(input.as_str()) {
                _ if input == IMAGE => Ok(Source::Image),
                Some(&source) if source < index => Ok(Source::Node(source)),
                Some(_) => Err(NetworkError::LaterInput {
                    place: spec.place.clone(),
                    layer: spec.layer.kind(),
                    input: input.clone(),
                }),
                None => Err(NetworkError::UnknownInput {
                    place: spec.place.clone(),
                    layer: spec.layer.kind(),
                    input: input.clone(),
                    remedy: self.remedy(input),
                }),
            });
        named.collect()
    }

    fn remedy(&self, input: &str) -> String {
        match crate::suggest::nearest(input, self.given.keys().copied()) {
            Some(name) => format!("did you mean `{name}`?"),
            None => format!("give the layer that it means `name = \"{input}\"`"),
        }
    }
}

/// A unique name for each layer: the given one, or its kind, numbered from the second on as in Keras. A number that the
/// rung has given away is passed over.
pub(crate) fn names(specs: &[LayerSpec]) -> Vec<String> {
    let given: BTreeSet<&str> = specs.iter().filter_map(|spec| spec.name.as_deref()).collect();
    let mut counters: BTreeMap<&str, usize> = BTreeMap::new();
    let name = |spec: &LayerSpec| {
        if let Some(name) = &spec.name {
            return name.clone();
        }
        let kind = spec.layer.automatic_name();
        let counter = counters.entry(kind).or_default();
        loop {
            let name = if *counter == 0 {
                kind.to_owned()
            } else {
                format!("{kind}_{counter}")
            };
            *counter += 1;
            if !given.contains(name.as_str()) {
                return name;
            }
        }
    };
    specs.iter().map(name).collect()
}

fn resolve_layer(
    network: &Network,
    names: &Names<'_>,
    index: usize,
    spec: &LayerSpec,
) -> Result<Node, NetworkError> {
    let at = At {
        place: &spec.place,
        layer: &spec.layer,
        size: network.input[0],
    };
    let inputs = names.sources(index, spec)?;
    let input_shapes: Vec<Shape> = inputs.iter().map(|&source| shape_of(network, source)).collect();
    let output = match (&spec.layer, input_shapes.as_slice()) {
        (layer, _) if layer.is_augmentation() => {
            return Err(NetworkError::AugmentationNotAtHead {
                place: at.place(),
                layer: at.layer(),
            });
        }
        (Layer::Add, [] | [_]) => return Err(NetworkError::TooFewInputs { place: at.place() }),
        (Layer::Add, shapes) => at.add(shapes, &inputs, names)?,
        (_, &[input]) => at.output(input, network.classes)?,
        (_, shapes) => {
            let count = shapes.len();
            return Err(NetworkError::TooManyInputs {
                place: at.place(),
                layer: at.layer(),
                count,
            });
        }
    };

    let mut layer = spec.layer.clone();
    if let Layer::Dense(dense) = &mut layer {
        dense.units = Units::Count(output.channels());
    }
    let channels = input_shapes[0].channels();
    let name = names.of_node[index].clone();
    let parameters = cost::parameters(&layer, &name, channels);
    let multiply_adds = cost::multiply_adds(&layer, channels, output)
        .ok_or_else(|| at.too_large("more multiplications than can be counted".to_owned()))?;
    Ok(Node {
        name,
        layer,
        inputs,
        output,
        parameters,
        multiply_adds,
        place: spec.place.clone(),
    })
}

fn shape_of(network: &Network, source: Source) -> Shape {
    match source {
        Source::Image => {
            let [height, width, channels] = network.input;
            Shape::Map {
                height,
                width,
                channels,
            }
        }
        Source::Node(index) => network.nodes[index].output,
    }
}

fn check_all_used(network: &Network) -> Result<(), NetworkError> {
    let mut used = vec![false; network.nodes.len()];
    for source in network.nodes.iter().flat_map(|node| &node.inputs) {
        if let Source::Node(index) = *source {
            used[index] = true;
        }
    }
    let unused = network
        .nodes
        .iter()
        .zip(used)
        .rev()
        .skip(1)
        .rev()
        .find(|(_, used)| !used);
    match unused {
        Some((node, _)) => Err(NetworkError::UnusedOutput {
            place: node.place.clone(),
            layer: node.layer.kind(),
            name: node.name.clone(),
        }),
        None => Ok(()),
    }
}

/// The layer in question, for shapes and for errors about them.
struct At<'a> {
    place: &'a Place,
    layer: &'a Layer,
    /// Side of the network's input.
    size: usize,
}

impl At<'_> {
    fn place(&self) -> Place {
        self.place.clone()
    }

    fn layer(&self) -> &'static str {
        self.layer.kind()
    }

    fn too_large(&self, what: String) -> NetworkError {
        NetworkError::TooLarge {
            place: self.place(),
            layer: self.layer(),
            what,
        }
    }

    /// Output shape of every layer that takes one input.
    fn output(&self, input: Shape, classes: usize) -> Result<Shape, NetworkError> {
        let output = match self.layer {
            Layer::Conv2D(conv) => {
                let channels = self.positive(conv.filters, "filters")?;
                self.window(
                    input,
                    conv.kernel_size,
                    conv.strides,
                    conv.padding,
                    "kernel",
                    channels,
                )?
            }
            Layer::SeparableConv2D(conv) => {
                let channels = self.positive(conv.filters, "filters")?;
                self.multiplied(input, conv.depth_multiplier)?;
                self.window(
                    input,
                    conv.kernel_size,
                    conv.strides,
                    conv.padding,
                    "kernel",
                    channels,
                )?
            }
            Layer::DepthwiseConv2D(conv) => {
                let channels = self.multiplied(input, conv.depth_multiplier)?;
                self.window(
                    input,
                    conv.kernel_size,
                    conv.strides,
                    conv.padding,
                    "kernel",
                    channels,
                )?
            }
            Layer::MaxPooling2D(pooling) | Layer::AveragePooling2D(pooling) => {
                let channels = input.channels();
                self.window(
                    input,
                    pooling.pool_size,
                    pooling.strides,
                    pooling.padding,
                    "pool_size",
                    channels,
                )?
            }
            Layer::GlobalAveragePooling2D => {
                self.map(input)?;
                Shape::Vector {
                    units: input.channels(),
                }
            }
            Layer::Flatten => {
                let units = usize::try_from(input.count());
                Shape::Vector {
                    units: units.map_err(|_| self.too_large("a vector too long".to_owned()))?,
                }
            }
            Layer::Dense(dense) => {
                if let Shape::Map { .. } = input {
                    let (place, layer) = (self.place(), self.layer());
                    return Err(NetworkError::NeedsVector {
                        place,
                        layer,
                        shape: input,
                    });
                }
                match dense.units {
                    Units::Count(units) => Shape::Vector {
                        units: self.positive(units, "units")?,
                    },
                    Units::Classes => Shape::Vector { units: classes },
                }
            }
            _ => input,
        };
        // Later layers multiply these sides, so none may be so large that the product does not fit.
        let count = match output {
            Shape::Map {
                height,
                width,
                channels,
            } => cost::product(&[height, width, channels]),
            Shape::Vector { units } => cost::product(&[units]),
        };
        match count {
            Some(count) if count <= cost::LIMIT => Ok(output),
            _ => Err(self.too_large(format!("an output of more than {} values per photo", cost::LIMIT))),
        }
    }

    fn add(&self, shapes: &[Shape], inputs: &[Source], names: &Names<'_>) -> Result<Shape, NetworkError> {
        let first = shapes[0];
        let name = |index: usize| match inputs[index] {
            Source::Image => "the image".to_owned(),
            Source::Node(node) => format!("`{}`", names.of_node[node]),
        };
        let Some(index) = shapes.iter().position(|&shape| shape != first) else {
            return Ok(first);
        };
        let other = shapes[index];
        let remedy = match (first, other) {
            (Shape::Map { height: a, width: b, .. }, Shape::Map { height: c, width: d, channels })
                if (a, b) == (c, d) =>
            {
                format!(
                    "bring the shortcut to the same channels with {{ layer = \"Conv2D\", filters = {channels}, kernel_size = 1 }}"
                )
            }
            (Shape::Map { .. }, Shape::Map { .. }) => {
                "bring both to the same height and width with padding = \"same\" and the same strides and pooling"
                    .to_owned()
            }
            _ => "all inputs of an Add must have one shape".to_owned(),
        };
        Err(NetworkError::AddShapes {
            place: self.place(),
            shapes: format!("{first} from {} and {other} from {}", name(0), name(index)),
            remedy,
        })
    }

    fn window(
        &self,
        input: Shape,
        window: [usize; 2],
        strides: [usize; 2],
        padding: Padding,
        what: &'static str,
        channels: usize,
    ) -> Result<Shape, NetworkError> {
        let (rows, columns) = self.map(input)?;
        for side in window {
            self.positive(side, if what == "kernel" { "kernel_size" } else { what })?;
        }
        for stride in strides {
            self.positive(stride, "strides")?;
        }
        let height = window_positions(rows, window[0], strides[0], padding);
        let width = window_positions(columns, window[1], strides[1], padding);
        if height == 0 || width == 0 {
            return Err(NetworkError::WindowTooLarge {
                place: self.place(),
                layer: self.layer(),
                what,
                height: window[0],
                width: window[1],
                shape: input,
                size: self.size,
            });
        }
        Ok(Shape::Map {
            height,
            width,
            channels,
        })
    }

    fn map(&self, input: Shape) -> Result<(usize, usize), NetworkError> {
        match input {
            Shape::Map { height, width, .. } => Ok((height, width)),
            Shape::Vector { units } => Err(NetworkError::NeedsMap {
                place: self.place(),
                layer: self.layer(),
                units,
            }),
        }
    }

    fn multiplied(&self, input: Shape, multiplier: usize) -> Result<usize, NetworkError> {
        let multiplier = self.positive(multiplier, "depth_multiplier")?;
        let channels = input.channels().checked_mul(multiplier);
        channels.ok_or_else(|| self.too_large("too many channels".to_owned()))
    }

    fn positive(&self, value: usize, key: &'static str) -> Result<usize, NetworkError> {
        if value == 0 {
            return Err(NetworkError::Zero {
                place: self.place(),
                layer: self.layer(),
                key,
            });
        }
        Ok(value)
    }
}
