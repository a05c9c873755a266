//! A close look at a network in the middle of its work: what each layer gives and what gradient comes back to it, on a few photos.
//! It changes nothing: neither weights nor statistics nor the place of the training.

use crate::forward::{Mode, forward_watched};
use crate::model::{specs, to_host};
use crate::ops;
use crate::precision::Precision;
use crate::targets::Targets;
use crate::trainer::{Trainer, track};
use burn::tensor::Tensor;
use stepladder_model::Shape;

/// What [`Trainer::inspect`] saw.
#[derive(Debug, Clone, PartialEq)]
pub struct Inspection {
    /// Mean loss over the photos.
    pub loss: f32,
    /// How much the logits of one class differ from photo to photo: the standard deviation, in the mean over classes.
    pub logit_spread: f32,
    /// One for each step of the pass, in its order; layers that are computed together are the last of them.
    pub layers: Vec<LayerScale>,
}

/// The scale of a layer's values and gradients.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerScale {
    /// The layer's name.
    pub layer: String,
    /// Root of the mean square of its output; not finite where one of its values is not.
    pub rms: f32,
    /// Its channels.
    pub units: usize,
    /// How many of them are 0 at every place of every photo.
    pub dead: usize,
    /// Root of the mean square of its first trainable parameter; `None` where it has none.
    pub weight_rms: Option<f32>,
    /// The same of the loss's gradient by that parameter; `None` without one, or where the loss is not a number.
    pub gradient_rms: Option<f32>,
}

impl Trainer {
    /// One forward and backward pass in training mode, dropout aside, watched layer by layer. Each layer's output is copied to
    /// the host while it is looked at: give few photos.
    ///
    /// # Panics
    ///
    /// As [`Trainer::step`].
    pub fn inspect(&self, images: Vec<f32>, targets: impl Into<Targets>) -> Inspection {
        let targets = targets.into();
        let model = self.model();
        let network = model.network();
        let photos = targets.labels.len();
        let trainable: Vec<bool> = specs(network).map(|spec| spec.trainable).collect();
        let tracked: Vec<Tensor<1>> = model.parameters().iter().zip(&trainable).map(track).collect();
        let images = model.images(images, photos).autodiff();
        let mut seen: Vec<(usize, LayerScale)> = Vec::new();
        let mut watch = |index: usize, value: &dyn Fn() -> Tensor<2>| {
            let values = to_host(ops::convert(value().inner(), Precision::F32));
            let node = &network.nodes[index];
            let units = match node.output {
                Shape::Map { channels, .. } => channels,
                Shape::Vector { .. } => values.len() / photos.max(1),
            };
            // A layer and its own activation are two steps with one name: the second is its output.
            seen.retain(|(known, _)| *known != index);
            seen.push((index, LayerScale::new(&node.name, &values, units)));
        };
        let pass = forward_watched(
            network,
            model.plan(),
            tracked.as_slice().into(),
            images,
            Mode::BatchStatistics,
            &mut watch,
        );
        let loss = ops::cross_entropy(pass.logits.clone(), &targets, self.label_smoothing(), photos);
        let logits = to_host(pass.logits.inner());
        let mut inspection = Inspection {
            loss: to_host(loss.clone().inner())[0],
            logit_spread: spread(&logits, photos),
            layers: Vec::new(),
        };
        let mut gradients = inspection.loss.is_finite().then(|| loss.backward());
        let mut first = 0;
        let mut scales = vec![(None, None); network.nodes.len()];
        for (node, scale) in network.nodes.iter().zip(&mut scales) {
            if let Some(parameter) = node.parameters.iter().position(|spec| spec.trainable) {
                let parameter = &tracked[first + parameter];
                scale.0 = Some(rms(&to_host(parameter.clone().inner())));
                let gradient = gradients.as_mut().and_then(|all| parameter.grad_remove(all));
                scale.1 = gradient.map(|gradient| rms(&to_host(gradient)));
            }
            first += node.parameters.len();
        }
        inspection.layers = seen
            .into_iter()
            .map(|(index, layer)| LayerScale {
                weight_rms: scales[index].0,
                gradient_rms: scales[index].1,
                ..layer
            })
            .collect();
        inspection
    }
}

impl LayerScale {
    /// `values` have their channels innermost.
    fn new(layer: &str, values: &[f32], units: usize) -> LayerScale {
        let mut alive = vec![false; units];
        for place in values.chunks_exact(units.max(1)) {
            for (alive, value) in alive.iter_mut().zip(place) {
                *alive |= *value != 0.0;
            }
        }
        LayerScale {
            layer: layer.to_string(),
            rms: rms(values),
            units,
            dead: alive.iter().filter(|alive| !**alive).count(),
            weight_rms: None,
            gradient_rms: None,
        }
    }
}

/// Root of the mean square.
fn rms(values: &[f32]) -> f32 {
    let squares: f64 = values.iter().map(|value| f64::from(*value).powi(2)).sum();
    (squares / values.len().max(1) as f64).sqrt() as f32
}

/// The standard deviation over rows, in the mean over columns.
fn spread(logits: &[f32], rows: usize) -> f32 {
    let classes = logits.len() / rows.max(1);
    let deviation = |class: usize| {
        let column = || logits.iter().skip(class).step_by(classes).map(|x| f64::from(*x));
        let mean = column().sum::<f64>() / rows as f64;
        (column().map(|x| (x - mean).powi(2)).sum::<f64>() / rows as f64).sqrt()
    };
    ((0..classes).map(deviation).sum::<f64>() / classes.max(1) as f64) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_are_those_of_the_values() {
        let scale = LayerScale::new("relu", &[3.0, 0.0, 4.0, 0.0], 2);
        assert_eq!((scale.units, scale.dead), (2, 1));
        assert!((scale.rms - 2.5).abs() < 1e-6);
        assert!(LayerScale::new("relu", &[1.0, f32::NAN], 2).rms.is_nan());
        assert_eq!(spread(&[1.0, 5.0, 3.0, 5.0], 2), 0.5);
    }
}
