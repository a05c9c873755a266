//! A network as the blocks of its diagram: what follows a layer and changes no shape is one block with it.

use crate::run::grouped;
use stepladder_chart::{Block, BlockKind};
use stepladder_model::{Graph, Op, Shape, Source};

/// The blocks, in the network's order.
pub(crate) fn blocks(graph: &Graph) -> Vec<Block> {
    let readers = graph.readers();
    let mut blocks: Vec<Block> = Vec::new();
    let mut parameters: Vec<u64> = Vec::new();
    // The block of each operation.
    let mut place: Vec<usize> = Vec::with_capacity(graph.operations.len());
    for layer in 0..graph.layers.len() {
        let operations = graph.operations_of(layer);
        // A layer may compute nothing, such as a linear activation.
        let Some(first) = graph.operations[operations.clone()].first() else {
            continue;
        };
        let inputs = graph.layer_inputs(layer);
        let follows = matches!(inputs[..], [Source::Operation(input)] if input + 1 == operations.start && readers[input] == 1);
        let count = graph.layer_parameter_count(layer);
        if follows
            && adds_to_its_block(&first.op)
            && let (Some(block), Some(counted)) = (blocks.last_mut(), parameters.last_mut())
        {
            block.what += &format!(", {}", graph.words(layer));
            *counted += count;
        } else {
            let block_of = |source: &Source| match *source {
                Source::Image => None,
                Source::Operation(operation) => place.get(operation).copied(),
            };
            let output = graph.layer_output(layer);
            blocks.push(Block {
                what: graph.words(layer),
                gives: output.to_string(),
                kind: kind(&first.op),
                side: side(output, graph.input[0]),
                inputs: inputs.iter().filter_map(block_of).collect(),
            });
            parameters.push(count);
        }
        place.extend(operations.map(|_| blocks.len() - 1));
    }
    for (block, count) in blocks.iter_mut().zip(parameters).filter(|(_, count)| *count > 0) {
        block.gives += &format!(", {} parameters", grouped(count));
    }
    blocks
}

/// Whether an operation, and so the layer that begins with it, changes no shape and reads one value.
fn adds_to_its_block(op: &Op) -> bool {
    match op {
        Op::BatchNormalization { .. }
        | Op::LayerNormalization { .. }
        | Op::Scale { .. }
        | Op::Normalization { .. }
        | Op::Activation(_)
        | Op::Dropout { .. }
        | Op::StochasticDepth { .. } => true,
        Op::Convolution { .. }
        | Op::DepthwiseConvolution { .. }
        | Op::Dense { .. }
        | Op::MaxPooling(_)
        | Op::AveragePooling(_)
        | Op::BlurPooling
        | Op::GlobalAveragePooling
        | Op::Flatten
        | Op::Add
        | Op::Multiply
        | Op::Concatenate => false,
    }
}

fn side(output: Shape, of: usize) -> f64 {
    match output {
        Shape::Map { height, .. } => height as f64 / of.max(1) as f64,
        Shape::Vector { .. } => 0.0,
    }
}

fn kind(op: &Op) -> BlockKind {
    match op {
        Op::Convolution { .. } | Op::DepthwiseConvolution { .. } => BlockKind::Convolution,
        Op::MaxPooling(_) | Op::AveragePooling(_) | Op::BlurPooling | Op::GlobalAveragePooling => {
            BlockKind::Pooling
        }
        Op::Dense { .. } => BlockKind::Dense,
        Op::BatchNormalization { .. }
        | Op::LayerNormalization { .. }
        | Op::Scale { .. }
        | Op::Normalization { .. }
        | Op::Activation(_)
        | Op::Flatten
        | Op::Dropout { .. }
        | Op::StochasticDepth { .. }
        | Op::Add
        | Op::Multiply
        | Op::Concatenate => BlockKind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stepladder_model::{Rung, RungCatalog};

    fn of(rung: &str) -> Vec<Block> {
        let rung = RungCatalog::shipped().get(rung).unwrap();
        blocks(&rung.graph(64, 5).unwrap())
    }

    #[test]
    fn blocks_hold_all_parameters_and_take_what_came_before() {
        for rung in stepladder_model::shipped() {
            let rung = RungCatalog::shipped().get(rung.name).unwrap();
            let graph = rung.graph(64, 5).unwrap();
            let blocks = blocks(&graph);
            assert!(blocks.len() <= graph.layers.len());
            for (number, block) in blocks.iter().enumerate() {
                assert!(
                    block.inputs.iter().all(|&input| input < number),
                    "{}: {block:?}",
                    rung.name
                );
                assert_eq!(block.inputs.is_empty(), number == 0, "{}: {block:?}", rung.name);
            }
        }
    }

    #[test]
    fn a_skip_connection_keeps_its_own_block() {
        let blocks = of("m7");
        let sums = blocks.iter().filter(|block| block.what.starts_with("Add"));
        assert!(sums.clone().count() > 0);
        assert!(sums.into_iter().all(|sum| sum.inputs.len() == 2), "{blocks:?}");
    }

    #[test]
    fn normalization_and_activation_join_their_convolution() {
        let blocks = of("m6");
        assert!(
            blocks
                .iter()
                .any(|block| block.what.starts_with("Conv2D") && block.what.contains("BatchNormalization"))
        );
    }

    #[test]
    fn all_that_changes_no_shape_joins_the_layer_before_it() {
        let toml = r#"
            name = "t"
            change = "t"
            layers = [
                { layer = "Conv2D", filters = 4, kernel_size = 3, activation = "relu6" },
                { layer = "Activation", activation = "linear" },
                { layer = "LayerNormalization" },
                { layer = "Scale" },
                { layer = "StochasticDepth", rate = 0.5 },
                { layer = "GlobalAveragePooling2D" },
                { layer = "Dense", units = "classes", activation = "softmax" },
            ]
            [input]
            size = 8
            [training]
            epochs = 1
            [optimizer]
            type = "adam"
        "#;
        let rung = Rung::from_toml(toml, "t.toml", &RungCatalog::shipped()).unwrap();
        let blocks = blocks(&rung.graph(8, 5).unwrap());
        let what: Vec<&str> = blocks.iter().map(|block| block.what.as_str()).collect();
        assert_eq!(
            what,
            [
                "Conv2D 3 x 3, relu6, LayerNormalization, Scale, StochasticDepth 0.5",
                "GlobalAveragePooling2D",
                "Dense, softmax"
            ]
        );
    }
}
