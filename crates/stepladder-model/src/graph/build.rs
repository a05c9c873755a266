//! From a list of layers to a graph: the augmentation at the head, who reads whose output, and that nothing is unused.

use super::lower::{Input, Lowering};
use super::names::{self, GivenNames, IMAGE, Named};
use super::{Graph, GraphError, GraphLayer, Source, head};
use crate::augmentation::RandomTransform;
use crate::image_size::ImageSize;
use crate::rung::LayerSpec;

/// Largest side of the input.
pub(crate) const SIZE_LIMIT: usize = 8192;

/// More layers than any network that two people can train; a longer list is a mistake or an attack.
pub(crate) const LAYER_LIMIT: usize = 2048;

pub(super) fn build(specs: &[LayerSpec], size: ImageSize, classes: usize) -> Result<Graph, GraphError> {
    if classes < 2 {
        return Err(GraphError::TooFewClasses { classes });
    }
    if size.short_side() == 0 || size.long_side() > SIZE_LIMIT {
        return Err(GraphError::InputSize {
            size,
            limit: SIZE_LIMIT,
        });
    }
    if let Some(extra) = specs.get(LAYER_LIMIT) {
        return Err(GraphError::TooManyLayers {
            place: extra.place.clone(),
            limit: LAYER_LIMIT,
        });
    }
    names::check(specs)?;
    let (augmentation, specs) = split_augmentation(specs)?;

    let mut graph = Graph {
        input: [size.height, size.width, 3],
        classes,
        operations: Vec::with_capacity(specs.len()),
        parameters: Vec::new(),
        layers: Vec::with_capacity(specs.len()),
        augmentation,
    };
    let given = GivenNames::new(specs);
    let mut used = vec![false; specs.len()];
    let mut parameters = 0;
    for (spec, name) in specs.iter().zip(names::names(specs)) {
        let named = given.inputs(graph.layers.len(), spec)?;
        for read in &named {
            if let Named::Layer(layer) = *read {
                used[layer] = true;
            }
        }
        let inputs: Vec<Input> = named.into_iter().map(|named| input(&graph, named)).collect();
        let output = Lowering {
            place: &spec.place,
            kind: spec.layer.kind(),
            name: &name,
            graph: &mut graph,
            parameters: &mut parameters,
        }
        .layer(&spec.layer, &inputs)?;
        graph.layers.push(GraphLayer {
            name,
            kind: spec.layer.kind(),
            place: spec.place.clone(),
            output,
            frozen_statistics: false,
        });
    }
    check_all_used(&graph.layers, used)?;
    head::check(&graph)?;
    Ok(graph)
}

/// The `Random*` layers at the head, and the layers of the network proper.
fn split_augmentation(specs: &[LayerSpec]) -> Result<(Vec<RandomTransform>, &[LayerSpec]), GraphError> {
    let mut transforms = Vec::new();
    for spec in specs {
        let Some(transform) = spec.layer.augmentation() else {
            break;
        };
        if spec.inputs.iter().any(|input| input != IMAGE) {
            return Err(GraphError::AugmentationNotAtHead {
                place: spec.place.clone(),
                layer: spec.layer.kind(),
            });
        }
        let is_crop = matches!(transform, RandomTransform::ResizedCrop(_));
        if is_crop && !transforms.iter().all(RandomTransform::is_geometric) {
            return Err(GraphError::CropTooLate {
                place: spec.place.clone(),
            });
        }
        transforms.push(transform.clone());
    }
    match specs.split_at(transforms.len()) {
        ([], []) => Err(GraphError::NoLayers),
        ([.., last], []) => Err(GraphError::OnlyAugmentation {
            place: last.place.clone(),
        }),
        (_, rest) => Ok((transforms, rest)),
    }
}

/// What a layer reads, with its shape and what errors call it.
fn input(graph: &Graph, named: Named) -> Input {
    let (source, name) = match named {
        Named::Image => (Source::Image, "the image".to_owned()),
        Named::Layer(index) => {
            let layer = &graph.layers[index];
            (layer.output, format!("`{}`", layer.name))
        }
    };
    Input {
        source,
        shape: graph.shape(source),
        name,
    }
}

/// Refuses a layer whose output nothing reads; what the last gives is the network's output.
fn check_all_used(layers: &[GraphLayer], used: Vec<bool>) -> Result<(), GraphError> {
    let [before @ .., _] = layers else { return Ok(()) };
    match before.iter().zip(used).find(|(_, used)| !used) {
        Some((layer, _)) => Err(GraphError::UnusedOutput {
            place: layer.place.clone(),
            layer: layer.kind,
            name: layer.name.clone(),
        }),
        None => Ok(()),
    }
}
