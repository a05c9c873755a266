//! The moving statistics of a trained model, computed anew from training photos as they are answered about: not augmented, and of the
//! size of the model's input.

use crate::error::TrainError;
use crate::preparation::{Prepared, TrainingRequest};
use stepladder_data::{Loader, LoaderConfig};
use stepladder_model::{Graph, Op};
use stepladder_nn::{Model, PreciseStatistics};

/// The share of their start that moving averages may still hold: with Keras' momentum of 0.99, what is left after 300 steps.
const MOST_OF_START: f32 = 0.05;

/// Training photos from which averages that lag are computed anew, at most.
const PHOTOS: usize = 1024;

/// Training photos from which the moving averages of `model` are to be computed anew because they lag behind its weights: they begin at a
/// mean of 0 and a variance of 1, and after few steps are still near that, so that a network which has learned answers by chance. `None`
/// where they do not lag, where the rung says what to do, or where Keras' figures were asked for.
pub(crate) fn photos_for_lagging(
    model: &Model,
    request: &TrainingRequest,
    prepared: &Prepared,
    steps: u64,
) -> Option<usize> {
    let is_asked_otherwise = request.rung.training.precise_batch_norm > 0
        || request.controls.moving_statistics
        || request.rung.start.is_some();
    let lags = left_of_start(model.graph(), steps) > MOST_OF_START;
    (lags && !is_asked_otherwise).then(|| PHOTOS.min(prepared.split.train.len()))
}

/// The share of their start that the slowest moving averages of a network hold after so many steps; 0 without any.
fn left_of_start(graph: &Graph, steps: u64) -> f32 {
    let steps = i32::try_from(steps).unwrap_or(i32::MAX);
    let left = graph.operations.iter().map(|operation| match &operation.op {
        Op::BatchNormalization { momentum, .. } if !graph.layers[operation.layer].frozen_statistics => {
            momentum.powi(steps)
        }
        _ => 0.0,
    });
    left.fold(0.0, f32::max)
}

/// `model` with statistics of so many training photos; as it is, where that is none.
pub(crate) fn with_precise_statistics(
    model: Model,
    request: &TrainingRequest,
    prepared: &Prepared,
    batch_size: usize,
    photos: usize,
) -> Result<Model, TrainError> {
    let mut statistics = PreciseStatistics::new(&model)?;
    if photos == 0 || statistics.is_empty() {
        return Ok(model);
    }
    let config = LoaderConfig {
        shuffle: true,
        seed: request.seed,
        threads: request.threads,
        ..LoaderConfig::new(batch_size, model.graph().image_size())
    };
    let Prepared {
        store, labels, split, ..
    } = prepared;
    let loader = Loader::new(store, labels, &split.train, config)?;
    for batch in loader.epoch(0).take(photos.div_ceil(batch_size)) {
        let batch = batch?;
        statistics.observe(&batch.images, batch.labels.len());
    }
    let graph = model.graph().clone();
    let precise = Model::from_arrays(graph, statistics.into_arrays(), model.device())?;
    Ok(precise.with_precision(model.precision()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use stepladder_model::RungCatalog;

    #[test]
    fn averages_lag_for_a_few_hundred_steps() {
        let rung = RungCatalog::shipped().get("m13").unwrap();
        let graph = rung.graph(64, 3).unwrap();
        assert!(left_of_start(&graph, 30) > 0.7);
        assert!(left_of_start(&graph, 290) > MOST_OF_START);
        assert!(left_of_start(&graph, 310) < MOST_OF_START);
        let without = RungCatalog::shipped().get("baseline").unwrap();
        assert_eq!(left_of_start(&without.graph(64, 3).unwrap(), 0), 0.0);
        // Of another's weights they are not at a start.
        let frozen = graph.freeze(0, true);
        assert_eq!(left_of_start(&frozen, 1), 0.0);
    }
}
