//! The table of a network that `stepladder models m5` shows.

use std::fmt;

use super::{Network, Node, Source};
use crate::activation::Activation;
use crate::layer::Layer;

/// A table of a network's nodes with output shapes, parameters and multiply-adds; its `Display` is the table.
#[derive(Clone, Copy, Debug)]
pub struct Summary<'a> {
    network: &'a Network,
}

impl<'a> Summary<'a> {
    pub(super) fn new(network: &'a Network) -> Summary<'a> {
        Summary { network }
    }
}

impl fmt::Display for Summary<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let network = self.network;
        let heads = ["Name", "Layer", "Output", "Parameters", "Multiply-adds"].map(str::to_owned);
        let [height, width, channels] = network.input;
        let image = format!("{height} x {width} x {channels}");
        let mut rows = vec![
            heads,
            [
                "image".to_owned(),
                String::new(),
                image,
                String::new(),
                String::new(),
            ],
        ];
        for (index, node) in network.nodes.iter().enumerate() {
            rows.push([
                node.name.clone(),
                format!("{}{}", description(node), inputs(network, index, node)),
                node.output.to_string(),
                counted(node.parameter_count()),
                counted(node.multiply_adds),
            ]);
        }
        let total = "total".to_owned();
        let (parameters, multiply_adds) = (network.parameter_count(), network.multiply_adds());
        rows.push([
            total,
            String::new(),
            String::new(),
            grouped(parameters),
            grouped(multiply_adds),
        ]);

        let widths: [usize; 5] =
            std::array::from_fn(|column| rows.iter().map(|row| row[column].len()).max().unwrap_or(0));
        for [name, layer, output, parameters, multiply_adds] in rows {
            let [a, b, c, d, e] = widths;
            let row = format!("{name:a$}  {layer:b$}  {output:c$}  {parameters:>d$}  {multiply_adds:>e$}");
            writeln!(formatter, "{}", row.trim_end())?;
        }
        let fixed = parameters - network.trainable_parameter_count();
        if fixed > 0 {
            writeln!(
                formatter,
                "{} of the parameters are moving statistics, not trained",
                grouped(fixed)
            )?;
        }
        for layer in &network.augmentation {
            writeln!(
                formatter,
                "{} is applied to the photos of the training part",
                layer.kind()
            )?;
        }
        Ok(())
    }
}

/// The layer's kind, its window and its activation.
fn description(node: &Node) -> String {
    let window = match &node.layer {
        Layer::Conv2D(conv) => Some((conv.kernel_size, conv.strides)),
        Layer::SeparableConv2D(conv) => Some((conv.kernel_size, conv.strides)),
        Layer::DepthwiseConv2D(conv) => Some((conv.kernel_size, conv.strides)),
        Layer::MaxPooling2D(pooling) | Layer::AveragePooling2D(pooling) => {
            Some((pooling.pool_size, pooling.strides))
        }
        _ => None,
    };
    let mut text = node.layer.kind().to_owned();
    if let Some(([height, width], strides)) = window {
        text.push_str(&format!(" {height} x {width}"));
        if strides != [1, 1] {
            text.push_str(&format!(
                " / {}",
                strides.map(|side| side.to_string()).join(" x ")
            ));
        }
    }
    if node.layer.activation() != Activation::Linear && !matches!(node.layer, Layer::LeakyReLU(_)) {
        text.push_str(&format!(" {}", node.layer.activation().name()));
    }
    text
}

/// Where the node takes its input from, unless that is the row above.
fn inputs(network: &Network, index: usize, node: &Node) -> String {
    let above = if index == 0 {
        Source::Image
    } else {
        Source::Node(index - 1)
    };
    if node.inputs == [above] {
        return String::new();
    }
    let names: Vec<&str> = node
        .inputs
        .iter()
        .map(|source| network.source_name(*source))
        .collect();
    format!(" of {}", names.join(", "))
}

/// Nothing where there is nothing to count.
fn counted(count: u64) -> String {
    if count == 0 { String::new() } else { grouped(count) }
}

/// `1234567` as `1,234,567`.
fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let groups = digits.as_bytes().rchunks(3).rev();
    groups
        .map(|group| String::from_utf8_lossy(group))
        .collect::<Vec<_>>()
        .join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_234_567), "1,234,567");
    }
}
