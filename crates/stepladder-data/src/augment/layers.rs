//! Keras' augmentation layers at the head of a model: `RandomRotation`, `RandomTranslation`, `RandomZoom`, `RandomFlip` and
//! `RandomBrightness` (keras/src/layers/preprocessing/image_preprocessing).
//!
//! In Keras each layer draws the picture anew. Here neighbouring layers with the same fill become one map and one drawing, which
//! keeps more of the detail and differs from Keras only where a later layer shows what an earlier one has filled in.

use stepladder_model::{FillMode, FlipMode, RandomTransform};

use super::affine::Affine;
use super::resample::{Edge, Pixel, pixels, resample};
use crate::random::Stream;

/// What was drawn for one layer and one photo.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Draw {
    /// Turns, from -0.5 to 0.5 for all directions; positive is counter-clockwise.
    Rotation { turns: f64, edge: Edge },
    /// Fractions of the picture, positive is down and right.
    Translation { height: f64, width: f64, edge: Edge },
    /// Factors; above 1 shows more, smaller.
    Zoom { height: f64, width: f64, edge: Edge },
    /// Mirrors left and right, and top and bottom.
    Flip { horizontal: bool, vertical: bool },
    /// Added, then clipped; on the 0..=255 scale.
    Brightness { delta: f64, low: f32, high: f32 },
}

fn edge(mode: FillMode, value: f32) -> Edge {
    match mode {
        FillMode::Constant => Edge::Constant(value * 255.0),
        FillMode::Nearest => Edge::Nearest,
        FillMode::Reflect => Edge::Reflect,
        FillMode::Wrap => Edge::Wrap,
    }
}

impl Draw {
    /// Draws the random numbers of `layer` for one photo.
    pub(crate) fn new(layer: &RandomTransform, random: &mut Stream) -> Self {
        let mut between = |[low, high]: [f32; 2]| {
            let (low, high) = (f64::from(low), f64::from(high));
            low + (high - low) * random.unit()
        };
        match layer {
            RandomTransform::Rotation(layer) => Self::Rotation {
                turns: between(layer.factor),
                edge: edge(layer.fill_mode, layer.fill_value),
            },
            RandomTransform::Translation(layer) => Self::Translation {
                height: between(layer.height_factor),
                width: between(layer.width_factor),
                edge: edge(layer.fill_mode, layer.fill_value),
            },
            RandomTransform::Zoom(layer) => {
                let height = 1.0 + between(layer.height_factor);
                let width = layer.width_factor.map_or(height, |factor| 1.0 + between(factor));
                Self::Zoom {
                    height,
                    width,
                    edge: edge(layer.fill_mode, layer.fill_value),
                }
            }
            RandomTransform::Flip(layer) => {
                // Keras draws one coin for both axes.
                let flip = between([0.0, 1.0]) <= 0.5;
                Self::Flip {
                    horizontal: flip && layer.mode != FlipMode::Vertical,
                    vertical: flip && layer.mode != FlipMode::Horizontal,
                }
            }
            RandomTransform::Brightness(layer) => {
                let [low, high] = layer.value_range.map(|v| v * 255.0);
                Self::Brightness {
                    delta: between(layer.factor) * f64::from(high - low),
                    low,
                    high,
                }
            }
        }
    }

    /// The map of a picture of `size` pixels, and what lies beyond its edge where that matters. `None` for brightness.
    fn map(&self, size: usize) -> Option<(Affine, Option<Edge>)> {
        let side = size as f64;
        match *self {
            Self::Rotation { turns, edge } => Some((
                Affine::rotation(turns * std::f64::consts::TAU).about_center(size),
                Some(edge),
            )),
            Self::Translation { height, width, edge } => {
                Some((Affine::translation(-width * side, -height * side), Some(edge)))
            }
            Self::Zoom { height, width, edge } => {
                Some((Affine::scale(width, height).about_center(size), Some(edge)))
            }
            Self::Flip { horizontal, vertical } => Some((Affine::flip(horizontal, vertical, size), None)),
            Self::Brightness { .. } => None,
        }
    }
}

/// Applies what was drawn to a square of `size` pixels.
pub(crate) fn apply(draws: &[Draw], source: &[Pixel], size: usize, out: &mut [f32]) {
    let (mut map, mut edge) = (Affine::IDENTITY, None);
    let mut rest = draws;
    // Neighbours whose fill is the same, or that need none, are one map.
    while let Some((draw, after)) = rest.split_first() {
        let Some((next, next_edge)) = draw.map(size) else {
            break;
        };
        if edge.is_some() && next_edge.is_some() && edge != next_edge {
            break;
        }
        map = map.then(next);
        edge = edge.or(next_edge);
        rest = after;
    }
    resample(source, size, &map, edge.unwrap_or(Edge::Nearest), out);
    while let Some((&Draw::Brightness { delta, low, high }, after)) = rest.split_first() {
        out.iter_mut()
            .for_each(|v| *v = (*v + delta as f32).max(low).min(high));
        rest = after;
    }
    if !rest.is_empty() {
        apply(rest, &pixels(out), size, out);
    }
}
