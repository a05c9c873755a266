//! A close look at a network in the middle of its work: what each layer gives and what gradient comes back to it, on a few photos.
//! It changes nothing: neither weights nor statistics nor the place of the training.

use crate::backend::{Backend, Noise, Operands};
use crate::executor::forward;
use crate::program::{Kind, Program, Purpose};
use crate::targets::Targets;
use crate::trainer::{Trainer, scores_and_loss};

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
        let executor = model.executor();
        let photos = targets.labels.len();
        let program = executor.program(model.graph(), Purpose::Inspection, photos, model.form());
        executor.run(|backend| self.inspect_on(backend, &program, &images, &targets))
    }

    fn inspect_on(
        &self,
        backend: &mut dyn Backend,
        program: &Program,
        images: &[f32],
        targets: &Targets,
    ) -> Inspection {
        let graph = self.model().graph();
        let parameters = self.model().parameters();
        let operands = Operands {
            images,
            parameters,
            packed: &[],
            noise: Noise::default(),
        };
        let mut seen: Vec<(usize, LayerScale)> = Vec::new();
        forward(backend, program, &operands, &mut |backend, step| {
            let step = &program.forward[step];
            if matches!(step.kind, Kind::Statistics { .. } | Kind::Convert) {
                return;
            }
            let values = backend.read(program, step.output, images);
            let name = &graph.layers[step.layer].name;
            // A layer and its own activation are two steps with one name: the second is its output.
            seen.retain(|(known, _)| *known != step.layer);
            let units = graph.layer_output(step.layer).channels();
            seen.push((step.layer, LayerScale::new(name, &values, units)));
        });
        let photos = targets.labels.len();
        let found = scores_and_loss(backend, program, images, targets, self.label_smoothing(), photos);
        let mut gradients: Vec<Option<f32>> = vec![None; graph.parameters.len()];
        if found.loss.is_finite() {
            for (index, step) in program.backward.iter().enumerate() {
                backend.backward(program, index, &operands);
                for (id, gradient) in &step.parameters {
                    gradients[id.0] = Some(rms(&backend.read(program, *gradient, images)));
                }
            }
        }
        let layers = seen.into_iter().map(|(layer, scale)| {
            let own = graph.layer_parameters(layer).into_iter();
            let first = own.map(|id| id.0).find(|&id| graph.parameters[id].trainable);
            LayerScale {
                weight_rms: first.map(|id| rms(&backend.to_host(&parameters[id]))),
                gradient_rms: first.and_then(|id| gradients[id]),
                ..scale
            }
        });
        Inspection {
            loss: found.loss,
            logit_spread: spread(&found.scores, photos),
            layers: layers.collect(),
        }
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
