//! From a list of layers to a graph: the augmentation at the head, who takes whose output, and the sums over all.

use super::infer::Inference;
use super::names::{self, GivenNames, IMAGE};
use super::{Network, NetworkError, Node, Shape, Source, cost, head};
use crate::layer::{Layer, Units};
use crate::rung::LayerSpec;

/// Largest side of the input.
pub(crate) const SIZE_LIMIT: usize = 8192;

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
    names::check(specs)?;
    let (augmentation, specs) = split_augmentation(specs)?;

    let mut network = Network {
        input: [size, size, 3],
        classes,
        nodes: Vec::with_capacity(specs.len()),
        augmentation,
    };
    let given = GivenNames::new(specs);
    let mut parameters = 0;
    for (spec, name) in specs.iter().zip(names::names(specs)) {
        let sources = given.sources(network.nodes.len(), spec)?;
        let node = resolve_layer(&network, spec, name, sources, &mut parameters)?;
        network.nodes.push(node);
    }
    check_all_used(&network.nodes)?;
    head::check(&network)?;
    Ok(network)
}

/// The `Random*` layers at the head, and the layers of the network proper.
fn split_augmentation(specs: &[LayerSpec]) -> Result<(Vec<Layer>, &[LayerSpec]), NetworkError> {
    let head = specs
        .iter()
        .take_while(|spec| spec.layer.is_augmentation())
        .count();
    let (augmentation, specs) = specs.split_at(head);
    for LayerSpec {
        inputs, layer, place, ..
    } in augmentation
    {
        if inputs.iter().any(|input| input != IMAGE) {
            return Err(NetworkError::AugmentationNotAtHead {
                place: place.clone(),
                layer: layer.kind(),
            });
        }
    }
    match (augmentation, specs) {
        ([], []) => Err(NetworkError::NoLayers),
        ([.., last], []) => Err(NetworkError::OnlyAugmentation {
            place: last.place.clone(),
        }),
        _ => Ok((
            augmentation.iter().map(|spec| spec.layer.clone()).collect(),
            specs,
        )),
    }
}

/// `total` counts the parameters of all nodes so far.
fn resolve_layer(
    network: &Network,
    spec: &LayerSpec,
    name: String,
    sources: Vec<Source>,
    total: &mut u64,
) -> Result<Node, NetworkError> {
    let inputs: Vec<(Shape, String)> = sources.iter().map(|&source| described(network, source)).collect();
    let inference = Inference {
        place: &spec.place,
        layer: &spec.layer,
        size: network.input[0],
        classes: network.classes,
    };
    let output = inference.output(&inputs)?;
    let mut layer = spec.layer.clone();
    if let Layer::Dense(dense) = &mut layer {
        dense.units = Units::Count(output.channels());
    }
    let channels = inputs.first().map_or(0, |(shape, _)| shape.channels());
    let parameters = cost::parameters(&layer, &name, channels);
    *total = cost::add_parameters(*total, &parameters)
        .ok_or_else(|| inference.too_large(format!("more than {} parameters", cost::LIMIT)))?;
    let multiply_adds = cost::multiply_adds(&layer, channels, output)
        .ok_or_else(|| inference.too_large("more multiplications than can be counted".to_owned()))?;
    Ok(Node {
        name,
        layer,
        inputs: sources,
        output,
        parameters,
        multiply_adds,
        place: spec.place.clone(),
    })
}

/// A source's shape, and what errors call it.
fn described(network: &Network, source: Source) -> (Shape, String) {
    match source {
        Source::Image => {
            let [height, width, channels] = network.input;
            (
                Shape::Map {
                    height,
                    width,
                    channels,
                },
                "the image".to_owned(),
            )
        }
        Source::Node(index) => {
            let node = &network.nodes[index];
            (node.output, format!("`{}`", node.name))
        }
    }
}

fn check_all_used(nodes: &[Node]) -> Result<(), NetworkError> {
    let mut used = vec![false; nodes.len()];
    // What the last node gives is the network's output.
    if let Some(last) = used.last_mut() {
        *last = true;
    }
    for source in nodes.iter().flat_map(|node| &node.inputs) {
        if let Source::Node(index) = *source {
            used[index] = true;
        }
    }
    match nodes.iter().zip(used).find(|(_, used)| !used) {
        Some((node, _)) => Err(NetworkError::UnusedOutput {
            place: node.place.clone(),
            layer: node.layer.kind(),
            name: node.name.clone(),
        }),
        None => Ok(()),
    }
}
