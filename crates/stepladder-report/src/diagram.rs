//! A network as the blocks of its diagram: what follows a layer and changes no shape is one block with it.

use crate::run::grouped;
use stepladder_chart::{Block, BlockKind};
use stepladder_model::{Layer, Network, Node, Shape, Source};

/// The blocks, in the network's order.
pub(crate) fn blocks(network: &Network) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut parameters: Vec<u64> = Vec::new();
    // The block of each node.
    let mut place = Vec::with_capacity(network.nodes.len());
    for (number, node) in network.nodes.iter().enumerate() {
        let continues = number > 0
            && node.inputs == [Source::Node(number - 1)]
            && adds_to_its_block(&node.layer)
            && takers(network, number - 1) == 1;
        if continues && let (Some(block), Some(count)) = (blocks.last_mut(), parameters.last_mut()) {
            block.what += &format!(", {}", words(&node.layer));
            *count += node.parameter_count();
        } else {
            let block_of = |source: &Source| match *source {
                Source::Image => None,
                Source::Node(node) => place.get(node).copied(),
            };
            blocks.push(Block {
                what: words(&node.layer),
                gives: node.output.to_string(),
                kind: kind(&node.layer),
                side: side(node, network.input[0]),
                inputs: node.inputs.iter().filter_map(block_of).collect(),
            });
            parameters.push(node.parameter_count());
        }
        place.push(blocks.len() - 1);
    }
    for (block, count) in blocks.iter_mut().zip(parameters).filter(|(_, count)| *count > 0) {
        block.gives += &format!(", {} parameters", grouped(count));
    }
    blocks
}

/// How many nodes take what `node` gives.
fn takers(network: &Network, node: usize) -> usize {
    let inputs = network.nodes.iter().flat_map(|node| &node.inputs);
    inputs.filter(|input| **input == Source::Node(node)).count()
}

fn adds_to_its_block(layer: &Layer) -> bool {
    matches!(
        layer,
        Layer::BatchNormalization(_) | Layer::Activation(_) | Layer::LeakyReLU(_) | Layer::Dropout(_)
    )
}

fn side(node: &Node, of: usize) -> f64 {
    match node.output {
        Shape::Map { height, .. } => height as f64 / of.max(1) as f64,
        Shape::Vector { .. } => 0.0,
    }
}

fn kind(layer: &Layer) -> BlockKind {
    match layer {
        Layer::Conv2D(_) | Layer::SeparableConv2D(_) | Layer::DepthwiseConv2D(_) => BlockKind::Convolution,
        Layer::MaxPooling2D(_) | Layer::AveragePooling2D(_) | Layer::GlobalAveragePooling2D => {
            BlockKind::Pooling
        }
        Layer::Dense(_) => BlockKind::Dense,
        _ => BlockKind::Other,
    }
}

/// `Conv2D 3 x 3 by 2, swish`: the kind with what shapes do not say.
fn words(layer: &Layer) -> String {
    let window = |size: [usize; 2], strides: [usize; 2], usual: [usize; 2]| {
        let step = match strides {
            same if same == usual => String::new(),
            [down, _] => format!(" by {down}"),
        };
        format!(" {} x {}{step}", size[0], size[1])
    };
    let (details, activation) = match layer {
        Layer::Conv2D(conv) => (
            window(conv.kernel_size, conv.strides, [1, 1]),
            Some(conv.activation),
        ),
        Layer::SeparableConv2D(conv) => (
            window(conv.kernel_size, conv.strides, [1, 1]),
            Some(conv.activation),
        ),
        Layer::DepthwiseConv2D(conv) => (
            window(conv.kernel_size, conv.strides, [1, 1]),
            Some(conv.activation),
        ),
        Layer::Dense(dense) => (String::new(), Some(dense.activation)),
        Layer::MaxPooling2D(pool) | Layer::AveragePooling2D(pool) => {
            (window(pool.pool_size, pool.strides, pool.pool_size), None)
        }
        Layer::Dropout(dropout) => (format!(" {}", dropout.rate), None),
        Layer::Activation(activation) => return activation.name().to_string(),
        _ => (String::new(), None),
    };
    let activation = activation
        .map(|activation| activation.name())
        .filter(|name| *name != "linear");
    let activation = activation.map_or(String::new(), |name| format!(", {name}"));
    format!("{}{details}{activation}", layer.kind())
}

#[cfg(test)]
mod tests {
    use super::*;
    use stepladder_model::RungCatalog;

    fn of(rung: &str) -> Vec<Block> {
        let rung = RungCatalog::shipped().get(rung).unwrap();
        blocks(&rung.network(64, 5).unwrap())
    }

    #[test]
    fn blocks_hold_all_parameters_and_take_what_came_before() {
        for rung in stepladder_model::shipped() {
            let rung = RungCatalog::shipped().get(rung.name).unwrap();
            let network = rung.network(64, 5).unwrap();
            let blocks = blocks(&network);
            assert!(blocks.len() <= network.nodes.len());
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
}
