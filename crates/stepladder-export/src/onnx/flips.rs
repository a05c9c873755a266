//! Answers in the mean over a photo and its mirror image, left to right, within the model: the images go through the network beside
//! their mirror images, as one batch of twice the size.

use super::builder::{Attribute, Builder};
use super::{Emission, OUTPUT};
use crate::proto::DataType;

/// The axis of the columns, in NCHW.
const COLUMNS: i64 = 3;

/// `[batch, 3, height, width]` to `[2 batch, 3, height, width]`: the images, then their mirror images.
pub(super) fn both_sides(builder: &mut Builder, images: &str, width: usize) -> String {
    let one = |builder: &mut Builder, name: &str, value: i64| integers(builder, name, &[value]);
    let last = one(builder, "flips/last", -1);
    // One before the first, counted from the end.
    let before_first = one(builder, "flips/before_first", -(width as i64) - 1);
    let columns = one(builder, "flips/columns", COLUMNS);
    let backward = one(builder, "flips/backward", -1);
    let slice = [images, &last, &before_first, &columns, &backward];
    let mirrored = builder.node("Slice", &slice, "flips/mirrored", &[]);
    let along_the_batch = [("axis", Attribute::Int(0))];
    builder.node("Concat", &[images, &mirrored], "flips/both", &along_the_batch)
}

impl Emission<'_> {
    /// The mean of the two halves of the batch, behind which the calibration comes.
    pub(super) fn mean_probabilities(&mut self, logits: &str) -> String {
        let (temperature, classes) = (self.temperature, self.graph.classes as i64);
        let builder = &mut self.builder;
        let over_classes = [("axis", Attribute::Int(1))];
        let both = builder.node("Softmax", &[logits], "flips/probabilities", &over_classes);
        let halves = integers(builder, "flips/halves", &[2, -1, classes]);
        let pairs = builder.node("Reshape", &[&both, &halves], "flips/pairs", &[]);
        let over_pairs = [
            ("axes", Attribute::Ints(vec![0])),
            ("keepdims", Attribute::Int(0)),
        ];
        match temperature {
            None => builder.output("ReduceMean", &[&pairs], &over_pairs),
            Some(temperature) => {
                let mean = builder.node("ReduceMean", &[&pairs], "flips/mean", &over_pairs);
                // A probability of exactly 0 has no logarithm.
                let least = builder.floats("flips/least", &[], &[f32::MIN_POSITIVE]);
                let mean = builder.node("Max", &[&mean, &least], "flips/positive", &[]);
                let logits = builder.node("Log", &[&mean], "flips/logits", &[]);
                let logits = self.calibrated(&logits, temperature);
                self.builder.output("Softmax", &[&logits], &over_classes);
            }
        }
        OUTPUT.to_string()
    }
}

fn integers(builder: &mut Builder, name: &str, values: &[i64]) -> String {
    let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    builder.tensor(name, DataType::Int64, &[values.len()], bytes)
}
