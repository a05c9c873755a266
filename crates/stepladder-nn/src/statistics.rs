//! Moving statistics of batch normalizations computed anew from photos, instead of the moving average that training left: "precise batch
//! norm" (Wu and Johnson 2021, "Rethinking Batch in BatchNorm", section 3). Averaged weights need it, because the moving averages
//! belong to the weights before; so does input of another size than that of training.

use crate::array::Array;
use crate::backend::{Noise, Operands};
use crate::model::{Model, ModelError};
use crate::program::Purpose;
use std::sync::Arc;
use stepladder_model::{Graph, Op, ParameterId};

/// Statistics of a model's batch normalizations over the batches that it was shown.
#[derive(Debug)]
pub struct PreciseStatistics {
    /// The model, whose moving statistics are those of the last batch alone.
    last_batch: Model,
    layers: Vec<LayerSums>,
    photos: f64,
}

/// Sums over photos for one batch normalization, by channel.
#[derive(Debug)]
struct LayerSums {
    moving_mean: ParameterId,
    moving_variance: ParameterId,
    means: Vec<f64>,
    /// Of the squares: variance plus squared mean.
    squares: Vec<f64>,
}

impl PreciseStatistics {
    /// Statistics of no photos yet, for the weights of `model`.
    ///
    /// # Errors
    ///
    /// None that a model which computes can have.
    pub fn new(model: &Model) -> Result<PreciseStatistics, ModelError> {
        let mut graph = Graph::clone(model.graph());
        let mut layers = Vec::new();
        let is_frozen: Vec<bool> = graph.layers.iter().map(|layer| layer.frozen_statistics).collect();
        for operation in &mut graph.operations {
            if is_frozen[operation.layer] {
                continue;
            }
            if let Op::BatchNormalization {
                moving_mean,
                moving_variance,
                momentum,
                ..
            } = &mut operation.op
            {
                *momentum = 0.0;
                let channels = graph.parameters[moving_mean.0].shape.iter().product();
                layers.push(LayerSums {
                    moving_mean: *moving_mean,
                    moving_variance: *moving_variance,
                    means: vec![0.0; channels],
                    squares: vec![0.0; channels],
                });
            }
        }
        // In the model's own memory: its executor has no other program for this purpose.
        let last_batch = model.clone().with_graph(Arc::new(graph));
        Ok(PreciseStatistics {
            last_batch,
            layers,
            photos: 0.0,
        })
    }

    /// Whether there is anything to compute.
    pub fn is_empty(&self) -> bool {
        self.layers.is_empty()
    }

    /// Takes in a batch: `images` is `[photos, H, W, 3]`, of the graph's input size.
    ///
    /// # Panics
    ///
    /// If `images` is not that long.
    pub fn observe(&mut self, images: &[f32], photos: usize) {
        let model = &mut self.last_batch;
        let image: usize = model.graph().input.iter().product();
        assert_eq!(images.len(), photos * image, "values of {photos} images");
        let executor = model.executor().clone();
        let program = executor.program(model.graph(), Purpose::BatchStatistics, photos, model.form());
        executor.run(|backend| {
            backend.begin(&program, images);
            for step in 0..program.forward.len() {
                let operands = Operands {
                    images,
                    parameters: model.parameters(),
                    packed: &[],
                    noise: Noise::default(),
                };
                backend.forward(&program, step, &operands);
                // At once: without a backward pass, a step's statistics make room for what follows.
                backend.move_statistics(&program, step, model.parameters_mut());
            }
        });
        self.add_last_batch(photos as f64);
    }

    fn add_last_batch(&mut self, photos: f64) {
        let arrays = self.last_batch.to_arrays();
        for layer in &mut self.layers {
            let mean = &arrays[layer.moving_mean.0].values;
            let variance = &arrays[layer.moving_variance.0].values;
            for (channel, (&mean, &variance)) in mean.iter().zip(variance).enumerate() {
                let mean = f64::from(mean);
                layer.means[channel] += photos * mean;
                layer.squares[channel] += photos * (f64::from(variance) + mean * mean);
            }
        }
        self.photos += photos;
    }

    /// The arrays of the model with these statistics for its moving ones; unchanged where no photo was seen.
    pub fn into_arrays(self) -> Vec<Array> {
        let mut arrays = self.last_batch.to_arrays();
        for layer in self.layers.iter().filter(|_| self.photos > 0.0) {
            for (channel, (&sum, &squares)) in layer.means.iter().zip(&layer.squares).enumerate() {
                let mean = sum / self.photos;
                arrays[layer.moving_mean.0].values[channel] = mean as f32;
                let variance = (squares / self.photos - mean * mean).max(0.0);
                arrays[layer.moving_variance.0].values[channel] = variance as f32;
            }
        }
        arrays
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::Device;
    use stepladder_model::RungCatalog;

    fn images(photos: usize) -> Vec<f32> {
        (0..photos * 32 * 32 * 3)
            .map(|i| ((i * 7919 + i / 3072 * 13) % 997) as f32 / 997.0)
            .collect()
    }

    /// A folded answer with statistics of the photos themselves is that of batch statistics.
    #[test]
    fn statistics_of_a_batch_give_the_answers_of_batch_statistics() {
        let graph = RungCatalog::shipped().get("m10").unwrap().graph(32, 3).unwrap();
        let model = Model::new(graph.clone(), 3, Device::Cpu);
        let images = images(12);
        let mut statistics = PreciseStatistics::new(&model).unwrap();
        assert!(!statistics.is_empty());
        statistics.observe(&images, 12);
        let precise = Model::from_arrays(graph, statistics.into_arrays(), Device::Cpu).unwrap();
        let expected = model.predict_by_batch_statistics(&images, 12);
        for (found, expected) in precise.predict(&images, 12).iter().zip(&expected) {
            assert!((found - expected).abs() < 1e-4, "{found} {expected}");
        }
    }

    /// The first layer's input does not depend on how photos are divided into batches, and so its statistics do not.
    #[test]
    fn batches_add_up_to_the_statistics_of_all_photos() {
        let graph = RungCatalog::shipped().get("m10").unwrap().graph(32, 3).unwrap();
        let model = Model::new(graph, 3, Device::Cpu);
        let images = images(12);
        let (first, second) = images.split_at(8 * 3072);
        let mut whole = PreciseStatistics::new(&model).unwrap();
        whole.observe(&images, 12);
        let mut parts = PreciseStatistics::new(&model).unwrap();
        parts.observe(first, 8);
        parts.observe(second, 4);
        let [mean, variance] = {
            let layer = &whole.layers[0];
            [layer.moving_mean.0, layer.moving_variance.0]
        };
        let (whole, parts) = (whole.into_arrays(), parts.into_arrays());
        for index in [mean, variance] {
            for (a, b) in whole[index].values.iter().zip(&parts[index].values) {
                assert!((a - b).abs() <= 1e-4 * a.abs().max(1e-2), "{a} {b}");
            }
        }
    }
}
