//! The table of a network that `stepladder models m5` shows.

use super::{Graph, Source};

impl Graph {
    /// A table for people: every layer in words, with its output shape, parameters and multiply-adds per photo. Ends in a
    /// newline.
    pub fn summary(&self) -> String {
        let [height, width, channels] = self.input;
        let image = format!("{height} x {width} x {channels}");
        let row = |cells: [&str; 5]| cells.map(str::to_owned);
        let mut rows = vec![row(["Name", "Layer", "Output", "Parameters", "Multiply-adds"])];
        rows.push(row(["image", "", &image, "", ""]));
        for (index, layer) in self.layers.iter().enumerate() {
            let words = format!("{}{}", self.words(index), inputs(self, index));
            let output = self.layer_output(index).to_string();
            let parameters = counted(self.layer_parameter_count(index));
            let multiply_adds = counted(self.layer_multiply_adds(index));
            rows.push(row([&layer.name, &words, &output, &parameters, &multiply_adds]));
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
        for transform in &self.augmentation {
            text.push_str(&format!(
                "{} is applied to the photos of the training part\n",
                transform.kind()
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

/// Where the layer takes its input from, unless that is the row above.
fn inputs(graph: &Graph, layer: usize) -> String {
    let above = layer
        .checked_sub(1)
        .map_or(Source::Image, |above| graph.layers[above].output);
    let inputs = graph.layer_inputs(layer);
    if inputs == [above] {
        return String::new();
    }
    let names: Vec<&str> = inputs.iter().map(|source| graph.source_name(*source)).collect();
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
