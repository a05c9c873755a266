//! Which part of a photo a class's score rests on: Grad-CAM (Selvaraju et al. 2017, <https://arxiv.org/abs/1610.02391>).
//!
//! The network's last map of features still knows where things are. The gradient of a class's score by that map says which
//! features speak for the class; the map weighted by them says where.

use crate::forward::{Mapped, through_last_map};
use crate::model::{Model, to_host};
use crate::precision::Precision;
use burn::tensor::{Tensor, TensorData};

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
    /// network makes a map.
    ///
    /// `image` holds RGB values in [0, 1], `[H, W, 3]`, of the network's input size.
    ///
    /// # Panics
    ///
    /// If `image` is not that long, or `class` is no class.
    pub fn map_gradient(&self, image: Vec<f32>, class: usize) -> Option<MapGradient> {
        // A leaf, so that gradients end here.
        let (mapped, score) =
            self.score_through(image, class, |map| map.inner().autodiff().require_grad())?;
        let [_, height, width, channels] = mapped.map.dims();
        let gradient = mapped.map.grad(&score.backward());
        // A map that the score does not depend on has no gradient.
        let gradient = gradient.map_or_else(|| vec![0.0; height * width * channels], to_host);
        Some(MapGradient {
            height,
            width,
            channels,
            map: to_host(mapped.map.inner()),
            gradient,
            score: to_host(score.inner())[0],
        })
    }

    /// The class's heat map on `image`; as [`Model::map_gradient`] otherwise.
    pub fn heat_map(&self, image: Vec<f32>, class: usize) -> Option<HeatMap> {
        Some(self.map_gradient(image, class)?.heat_map())
    }

    /// The pass of one photo whose last map `visit` may change, and the score of `class`.
    fn score_through(
        &self,
        image: Vec<f32>,
        class: usize,
        visit: impl FnOnce(Tensor<4>) -> Tensor<4>,
    ) -> Option<(Mapped, Tensor<1>)> {
        let classes = self.network().classes;
        assert!(class < classes, "class {class} of {classes}");
        let model = self.clone().with_precision(Precision::F32);
        let parameters: Vec<Tensor<1>> = model.parameters().iter().map(|p| p.clone().autodiff()).collect();
        let image = model.images(image, 1).autodiff();
        let mapped = through_last_map(model.network(), model.plan(), &parameters, image, visit)?;
        let mut chosen = vec![0.0; classes];
        chosen[class] = 1.0;
        let chosen = TensorData::new(chosen, [1, classes]);
        let chosen = Tensor::<2>::from_data(chosen, &self.device().burn()).autodiff();
        let score = (mapped.logits.clone() * chosen).sum();
        Some((mapped, score))
    }
}

#[cfg(test)]
mod tests;
