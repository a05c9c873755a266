//! Lints of the training.

use super::{Remark, Subject};
use crate::optimizer::OptimizerConfig;

/// A learning rate this many times above or below the usual one is still a choice; a little more, because neither rate is
/// exact in binary.
const ABOVE: f32 = 10.01;
const BELOW: f32 = 100.1;

pub(super) fn learning_rate(subject: &Subject<'_>) -> Vec<Remark> {
    let optimizer = &subject.rung.optimizer;
    let rate = optimizer.learning_rate();
    // Keras' defaults. Gradient descent without momentum takes ten times as much.
    let usual: f32 = match optimizer {
        OptimizerConfig::Adam { .. } | OptimizerConfig::AdamW { .. } | OptimizerConfig::Nadam { .. } => 0.001,
        // A third of Adam's, as its authors advise.
        OptimizerConfig::Lion { .. } => 0.0003,
        OptimizerConfig::Sgd { momentum, .. } if *momentum > 0.0 => 0.01,
        OptimizerConfig::Sgd { .. } => 0.1,
    };
    let (times, word) = if rate / usual > ABOVE {
        (rate / usual, "above")
    } else if usual / rate > BELOW {
        (usual / rate, "below")
    } else {
        return Vec::new();
    };
    let why = format!(
        "a learning rate of {rate} is {times:.0} times {word} what is usual for {}",
        optimizer.name()
    );
    let instead = format!("write learning_rate = {usual} in [optimizer], or --lr {usual}");
    vec![Remark::about(subject.rung, why, instead)]
}
