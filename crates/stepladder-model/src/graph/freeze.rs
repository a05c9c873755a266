//! What of a network stays as it is in training: the layers of a pretrained backbone, the statistics of its batch normalizations;
//! and how much slower its layers learn, the further they are from the head.

use super::{Graph, Op, Shape, Source};
use crate::start::Frozen;

impl Graph {
    /// The index of the dense operation that makes the scores, seen through what only rescales or bends them: the head. What it
    /// reads are the features. `None` where no dense operation makes the scores.
    pub fn head(&self) -> Option<usize> {
        let mut source = self.logits();
        while let Source::Operation(index) = source {
            let operation = &self.operations[index];
            match &operation.op {
                Op::Dense { .. } => return Some(index),
                Op::Activation(_)
                | Op::BatchNormalization { .. }
                | Op::LayerNormalization { .. }
                | Op::Scale { .. }
                | Op::Normalization { .. }
                | Op::Dropout { .. }
                | Op::StochasticDepth { .. }
                | Op::Flatten => source = operation.inputs[0],
                Op::Convolution { .. }
                | Op::DepthwiseConvolution { .. }
                | Op::MaxPooling(_)
                | Op::AveragePooling(_)
                | Op::BlurPooling
                | Op::GlobalAveragePooling
                | Op::Add
                | Op::Multiply
                | Op::Concatenate => return None,
            }
        }
        None
    }

    /// The layers that `frozen` names, which are the first so many of [`Graph::layers`]. A name that no layer has names none.
    pub fn frozen_layers(&self, frozen: &Frozen) -> usize {
        match frozen {
            Frozen::None => 0,
            Frozen::Backbone => self.head().map_or(0, |head| self.operations[head].layer),
            Frozen::UpTo(name) => self.layer_index(name).map_or(0, |layer| layer + 1),
        }
    }

    /// The same network for a training in which the first `layers` layers are frozen, as with Keras' `trainable = False`: their
    /// parameters stay as they are, and their batch normalizations use their moving statistics, which stay too. With
    /// `frozen_statistics`, so do those of the other layers, whose gamma and beta are trained nevertheless: Keras'
    /// `training=False`.
    pub fn freeze(mut self, layers: usize, frozen_statistics: bool) -> Graph {
        for index in 0..self.layers.len() {
            let is_frozen = index < layers;
            self.layers[index].frozen_statistics = is_frozen || frozen_statistics;
            if is_frozen {
                for id in self.layer_parameters(index) {
                    self.parameters[id.0].trainable = false;
                }
            }
        }
        self
    }

    /// For each parameter, what the learning rate is multiplied by: 1 for the head, and `decay` once more for each stage further
    /// from it (discriminative rates, Howard and Ruder 2018, section 3.1). A stage is a part of the network whose maps have
    /// one size; the last is the one that the features come from.
    pub fn learning_rate_factors(&self, decay: f32) -> Vec<f32> {
        let head = self.head().map(|head| self.operations[head].layer);
        let mut factors = vec![1.0; self.parameters.len()];
        let (mut stage, mut size) = (0, 0);
        for layer in (0..self.layers.len()).rev() {
            if let Shape::Map { height, width, .. } = self.layer_output(layer)
                && height * width > size
            {
                size = height * width;
                stage += 1;
            }
            if head.is_some_and(|head| layer >= head) {
                continue;
            }
            // A dense layer below the head is of the last stage.
            for id in self.layer_parameters(layer) {
                factors[id.0] = (0..stage.max(1)).fold(1.0, |factor, _| factor * decay);
            }
        }
        factors
    }
}
