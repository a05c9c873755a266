//! Which part of a photo a class's score rests on: Grad-CAM (Selvaraju et al. 2017, <https://arxiv.org/abs/1610.02391>).
//!
//! The network's last map of features still knows where things are. The gradient of a class's score by that map says which
//! features speak for the class; the map weighted by them says where.

use crate::backend::{Noise, Operands};
use crate::executor::forward;
use crate::fuse::{Fusion, StepKind, fuse};
use crate::model::Model;
use crate::precision::Precision;
use crate::program::{Form, Purpose};
use stepladder_model::{Graph, Op, Shape, Source};

/// The last map of features that a network makes of one photo, and the gradient of a class's score by it.
///
/// The map is the last convolution's, after its normalization, skip addition and activation, before any pooling.
#[derive(Debug, Clone, PartialEq)]
pub struct MapGradient {
    /// Rows of the map.
    pub height: usize,
    /// Columns of the map.
    pub width: usize,
    /// Features at each place.
    pub channels: usize,
    /// The map, `[height, width, channels]`, row-major.
    pub map: Vec<f32>,
    /// The gradient of the score, the class's logit before the softmax, by each value of `map`.
    pub gradient: Vec<f32>,
    /// The score itself.
    pub score: f32,
}

/// How much each place of a photo speaks for a class.
#[derive(Debug, Clone, PartialEq)]
pub struct HeatMap {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// `[height, width]`, row-major, from the square that the network sees: 0 for what does not speak for the class, 1 for
    /// what does so most. All zero where nothing does.
    pub values: Vec<f32>,
}

impl MapGradient {
    /// Grad-CAM: ReLU(sum over channels of a_c A_c), where A_c is a channel of the map and a_c the mean of its gradient over
    /// all places; divided by its greatest value.
    pub fn heat_map(&self) -> HeatMap {
        let places = (self.height * self.width).max(1);
        let mut weights = vec![0.0_f64; self.channels];
        for place in self.gradient.chunks_exact(self.channels) {
            for (weight, gradient) in weights.iter_mut().zip(place) {
                *weight += f64::from(*gradient) / places as f64;
            }
        }
        let heat = self.map.chunks_exact(self.channels).map(|place| {
            let features = place.iter().zip(&weights);
            let sum: f64 = features
                .map(|(feature, weight)| f64::from(*feature) * weight)
                .sum();
            sum.max(0.0)
        });
        let heat: Vec<f64> = heat.collect();
        let greatest = heat.iter().copied().fold(0.0, f64::max);
        let scale = if greatest > 0.0 { 1.0 / greatest } else { 0.0 };
        HeatMap {
            height: self.height,
            width: self.width,
            values: heat.iter().map(|value| (value * scale) as f32).collect(),
        }
    }
}

impl Model {
    /// The last map of `image` and the gradient of the score of `class` by it, computed in f32; `None` where no layer of the
    /// graph makes a map.
    ///
    /// `image` holds RGB values in [0, 1], `[H, W, 3]`, of the graph's input size.
    ///
    /// # Panics
    ///
    /// If `image` is not that long, or `class` is no class.
    pub fn map_gradient(&self, image: Vec<f32>, class: usize) -> Option<MapGradient> {
        let graph = self.graph();
        assert!(class < graph.classes, "class {class} of {}", graph.classes);
        assert_eq!(
            image.len(),
            graph.input.iter().product::<usize>(),
            "values of an image"
        );
        let operation = last_map(graph)?;
        let Shape::Map {
            height,
            width,
            channels,
        } = graph.operations[operation].output
        else {
            return None;
        };
        let executor = self.executor();
        let program = executor.program(graph, Purpose::MapGradient(operation), 1, UNPACKED);
        executor.run(|backend| {
            let operands = Operands {
                images: &image,
                parameters: self.parameters(),
                packed: &[],
                noise: Noise::default(),
            };
            forward(backend, &program, &operands, &mut |_, _| {});
            let scores = backend.read(&program, program.output, &image);
            let (map, gradient) = program.map?;
            let mut by_score = vec![0.0; graph.classes];
            by_score[class] = 1.0;
            backend.write(&program, program.output_gradient?, &by_score);
            for step in 0..program.backward.len() {
                backend.backward(&program, step, &operands);
            }
            let mut gradient = backend.read(&program, gradient, &image);
            // A map that the score does not depend on has no gradient.
            gradient.resize(height * width * channels, 0.0);
            Some(MapGradient {
                height,
                width,
                channels,
                map: backend.read(&program, map, &image),
                gradient,
                score: scores[class],
            })
        })
    }

    /// The class's heat map on `image`; as [`Model::map_gradient`] otherwise.
    pub fn heat_map(&self, image: Vec<f32>, class: usize) -> Option<HeatMap> {
        Some(self.map_gradient(image, class)?.heat_map())
    }
}

/// In f32, from the weights as they are.
const UNPACKED: Form = Form {
    precision: Precision::F32,
    packed: false,
};

/// The operation whose value is the last map: the output of the last convolution with all that follows it in its block, activation
/// included, but not pooled: the finest place that the classes' scores all depend on.
fn last_map(graph: &Graph) -> Option<usize> {
    let is_map = |index: &usize| matches!(graph.operations[*index].output, Shape::Map { .. });
    let steps = fuse(graph, Fusion::default());
    let maps = steps.iter().rev().filter_map(|step| match &step.kind {
        StepKind::Epilogue(epilogue) if epilogue.pool != [1, 1] => {
            // The pooling's input, which is no step's by itself.
            match graph.operations[step.output].inputs[0] {
                Source::Operation(before) => Some(before),
                Source::Image => None,
            }
        }
        StepKind::Epilogue(_) | StepKind::Activated { .. } => Some(step.output),
        StepKind::Operation => makes_a_map(&graph.operations[step.output].op).then_some(step.output),
    });
    maps.into_iter().find(is_map)
}

/// Whether an operation makes a map of its own, and not a smaller or thinned one of its input's.
fn makes_a_map(op: &Op) -> bool {
    match op {
        Op::MaxPooling(_)
        | Op::AveragePooling(_)
        | Op::BlurPooling
        | Op::GlobalAveragePooling
        | Op::Dropout { .. }
        | Op::StochasticDepth { .. }
        | Op::Flatten => false,
        Op::Convolution { .. }
        | Op::DepthwiseConvolution { .. }
        | Op::Dense { .. }
        | Op::BatchNormalization { .. }
        | Op::LayerNormalization { .. }
        | Op::Scale { .. }
        | Op::Normalization { .. }
        | Op::Activation(_)
        | Op::Add
        | Op::Multiply
        | Op::Concatenate => true,
    }
}

#[cfg(test)]
mod tests;
