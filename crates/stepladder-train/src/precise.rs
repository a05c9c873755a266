//! The moving statistics of a trained model, computed anew from training photos as they are answered about: not augmented, and of the
//! size of the model's input.

use crate::error::TrainError;
use crate::preparation::{Prepared, TrainingRequest};
use stepladder_data::{Loader, LoaderConfig};
use stepladder_nn::{Model, PreciseStatistics};

/// `model` with statistics of as many training photos as the rung says; as it is, where that is none.
pub(crate) fn with_precise_statistics(
    model: Model,
    request: &TrainingRequest,
    prepared: &Prepared,
    batch_size: usize,
) -> Result<Model, TrainError> {
    let photos = request.rung.training.precise_batch_norm;
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
