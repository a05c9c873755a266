//! The table of a network that `stepladder models m5` shows.

use super::{Network, Node, Source};
use crate::activation::Activation;
use crate::layer::Layer;

impl Network {
    /// A table for people: every node with its layer, output shape, parameters and multiply-adds per photo. Ends in a
    /// newline.
    pub fn summary(&self) -> String {
        let [height, width, channels] = self.input;
        let image = format!("{height} x {width} x {channels}");
        let row = |cells: [&str; 5]| cells.map(str::to_owned);
        let mut rows = vec![row(["Name", "Layer", "Output", "Parameters", "Multiply-adds"])];
        rows.push(row(["image", "", &image, "", ""]));
        for (index, node) in self.nodes.iter().enumerate() {
            let layer = format!("{}{}", description(node), inputs(self, index, node));
            let output = node.output.to_string();
            let (parameters, multiply_adds) = (counted(node.parameter_count()), counted(node.multiply_adds));
            rows.push(row([&node.name, &layer, &output, &parameters, &multiply_adds]));
        }
        let (parameters, multiply_adds) = (self.parameter_count(), self.multiply_adds());
        rows.push(row([
            "total",
            "",
            "",
            &grouped(parameters),
            &grouped(multiply_adds),
        ]));

        let mut text = aligned(&rows);
        let fixed = parameters - self.trainable_parameter_count();
        if fixed > 0 {
            let fixed = grouped(fixed);
            text.push_str(&format!(
                "{fixed} of the parameters are moving statistics, not trained\n"
            ));
        }
        for layer in &self.augmentation {
            text.push_str(&format!(
                "{} is applied to the photos of the training part\n",
                layer.kind()
            ));
        }
        text
    }
}

/// Columns as wide as their widest cell; the last two are numbers.
fn aligned(rows: &[[String; 5]]) -> String {
    let widest = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let [a, b, c, d, e] = std::array::from_fn(widest);
    let lines = rows
        .iter()
        .map(|[name, layer, output, parameters, multiply_adds]| {
            let line = format!("{name:a$}  {layer:b$}  {output:c$}  {parameters:>d$}  {multiply_adds:>e$}");
            line.trim_end().to_owned() + "\n"
        });
    lines.collect()
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
    if node.inputs == [Source::before(index)] {
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
