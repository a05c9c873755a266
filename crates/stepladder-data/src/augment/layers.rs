//! The augmentation layers at the head of a model: Keras' `RandomRotation`, `RandomTranslation`, `RandomZoom`, `RandomFlip` and
//! `RandomBrightness` and `RandomContrast` (keras/src/layers/preprocessing/image_preprocessing), and torchvision's
//! `RandomResizedCrop`, `ColorJitter`, `RandomErasing`, `TrivialAugmentWide` and `RandAugment`.
//!
//! In Keras each layer draws the picture anew. Here neighbouring layers with the same fill become one map and one drawing, which
//! keeps more of the detail and differs from Keras only where a later layer shows what an earlier one has filled in. A crop is
//! one more factor of the map, so that what lies beyond its edge is the photo, as long as there is some.

use stepladder_model::{FillMode, FlipMode, RandomFlip, RandomTransform};

use super::Showing;
use super::affine::{Affine, Frame};
use super::automatic::{self, Op};
use super::color::{self, Adjustment};
use super::crop;
use super::erasing::Erasing;
use super::resample::{Edge, Picture, Pixel, pixels, resample};
use super::whole;
use crate::photo::RgbPhoto;
use crate::random::{Numbers, Purpose, Stream};

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
    /// Each channel away from its mean by a factor, then clipped; on the 0..=255 scale.
    Contrast { factor: f64, low: f32, high: f32 },
    /// Changes of color, one after the other.
    Jitter(Vec<Adjustment>),
    /// A rectangle that is lost; `None` where none is.
    Erasing(Option<Erasing>),
    /// Operations one after the other, with what lies beyond the edge in 0..=255.
    Automatic { ops: Vec<Op>, fill: f32 },
    /// Left, top, width and height in pixels of the photo, which become the picture `to`.
    ResizedCrop { rectangle: [f64; 4], to: Frame },
}

/// Draws for each of the layers, in order, for a picture of this size, of which a crop makes one of the size `to`.
pub(super) fn draws(
    layers: &[RandomTransform],
    frame: Frame,
    to: Frame,
    showing: Showing,
    random: &mut Stream,
) -> Vec<Draw> {
    let mut drawing = Drawing {
        random,
        showing,
        frame,
        to,
    };
    let layers = layers.iter().enumerate();
    layers
        .map(|(number, layer)| drawing.draw(number, layer))
        .collect()
}

/// Draws layer by layer.
struct Drawing<'a> {
    random: &'a mut Stream,
    showing: Showing,
    /// The size of the picture that the next layer gets.
    frame: Frame,
    /// The size of the picture that a crop makes, and of all after it.
    to: Frame,
}

/// Whether the layer with this number mirrors the photo: by a coin in the first epoch, and then every other time.
fn alternates(showing: Showing, layer: usize) -> bool {
    let first = Showing {
        epoch: layer as u64,
        ..showing
    };
    let heads = first.stream(Purpose::Alternation).unit() < 0.5;
    heads ^ !showing.epoch.is_multiple_of(2)
}

fn flipped(layer: &RandomFlip, flip: bool) -> Draw {
    Draw::Flip {
        horizontal: flip && layer.mode != FlipMode::Vertical,
        vertical: flip && layer.mode != FlipMode::Horizontal,
    }
}

fn edge(mode: FillMode, value: f32) -> Edge {
    match mode {
        FillMode::Constant => Edge::Constant(value * 255.0),
        FillMode::Nearest => Edge::Nearest,
        FillMode::Reflect => Edge::Reflect,
        FillMode::Wrap => Edge::Wrap,
    }
}

impl Drawing<'_> {
    /// Draws for a layer, the one with this number.
    fn draw(&mut self, number: usize, layer: &RandomTransform) -> Draw {
        let mut between = |bounds: [f32; 2]| self.random.between(bounds.map(f64::from));
        match layer {
            RandomTransform::Rotation(layer) => Draw::Rotation {
                turns: between(layer.factor),
                edge: edge(layer.fill_mode, layer.fill_value),
            },
            RandomTransform::Translation(layer) => Draw::Translation {
                height: between(layer.height_factor),
                width: between(layer.width_factor),
                edge: edge(layer.fill_mode, layer.fill_value),
            },
            RandomTransform::Zoom(layer) => {
                let height = 1.0 + between(layer.height_factor);
                let width = layer.width_factor.map_or(height, |factor| 1.0 + between(factor));
                Draw::Zoom {
                    height,
                    width,
                    edge: edge(layer.fill_mode, layer.fill_value),
                }
            }
            RandomTransform::Flip(layer) if layer.alternating => {
                flipped(layer, alternates(self.showing, number))
            }
            // Keras draws one coin for both axes.
            RandomTransform::Flip(layer) => flipped(layer, between([0.0, 1.0]) <= 0.5),
            RandomTransform::ResizedCrop(layer) => {
                let rectangle = crop::rectangle(layer, self.frame, self.random);
                self.frame = self.to;
                Draw::ResizedCrop {
                    rectangle: rectangle.map(|v| v as f64),
                    to: self.to,
                }
            }
            RandomTransform::Contrast(layer) => {
                let [low, high] = layer.value_range.map(|v| v * 255.0);
                let [lower, upper] = layer.factor;
                Draw::Contrast {
                    factor: 1.0 + between([-lower, upper]),
                    low,
                    high,
                }
            }
            RandomTransform::ColorJitter(layer) => Draw::Jitter(Adjustment::draw(layer, self.random)),
            RandomTransform::Erasing(layer) => Draw::Erasing(Erasing::draw(layer, self.to, self.random)),
            RandomTransform::TrivialAugmentWide(layer) => Draw::Automatic {
                ops: vec![automatic::trivial(layer, self.random)],
                fill: layer.fill_value * 255.0,
            },
            RandomTransform::RandAugment(layer) => Draw::Automatic {
                ops: automatic::rand_augment(layer, self.to, self.random),
                fill: layer.fill_value * 255.0,
            },
            RandomTransform::Brightness(layer) => {
                let [low, high] = layer.value_range.map(|v| v * 255.0);
                Draw::Brightness {
                    delta: between(layer.factor) * f64::from(high - low),
                    low,
                    high,
                }
            }
        }
    }
}

impl Draw {
    /// The map of a picture of this size, and what lies beyond its edge where that matters. `None` where only colors change.
    fn map(&self, frame: Frame) -> Option<(Affine, Option<Edge>)> {
        let (columns, rows) = (frame.width as f64, frame.height as f64);
        match *self {
            Self::Rotation { turns, edge } => Some((
                Affine::rotation(turns * std::f64::consts::TAU).about_center(frame),
                Some(edge),
            )),
            Self::Translation { height, width, edge } => {
                Some((Affine::translation(-width * columns, -height * rows), Some(edge)))
            }
            Self::Zoom { height, width, edge } => {
                Some((Affine::scale(width, height).about_center(frame), Some(edge)))
            }
            Self::Flip { horizontal, vertical } => Some((Affine::flip(horizontal, vertical, frame), None)),
            Self::ResizedCrop { rectangle, to } => Some((Affine::crop(rectangle, to), None)),
            Self::Brightness { .. }
            | Self::Contrast { .. }
            | Self::Jitter(_)
            | Self::Erasing(_)
            | Self::Automatic { .. } => None,
        }
    }

    /// The size of the picture after it.
    fn frame(&self, before: Frame) -> Frame {
        match *self {
            Self::ResizedCrop { to, .. } => to,
            Self::Rotation { .. }
            | Self::Translation { .. }
            | Self::Zoom { .. }
            | Self::Flip { .. }
            | Self::Brightness { .. }
            | Self::Contrast { .. }
            | Self::Jitter(_)
            | Self::Erasing(_)
            | Self::Automatic { .. } => before,
        }
    }

    /// Changes the colors of a picture of this size; `false` where that is not what it does.
    fn recolor(&self, frame: Frame, out: &mut [f32]) -> bool {
        match self {
            &Self::Brightness { delta, low, high } => out
                .iter_mut()
                .for_each(|v| *v = (*v + delta as f32).max(low).min(high)),
            &Self::Contrast { factor, low, high } => {
                color::channel_contrast(out, factor as f32, low, high);
            }
            Self::Jitter(adjustments) => adjustments.iter().for_each(|change| change.apply(out)),
            Self::Erasing(erasing) => erasing.iter().for_each(|erasing| erasing.apply(frame, out)),
            Self::Automatic { ops, fill } => ops.iter().for_each(|op| op.apply(frame, *fill, out)),
            Self::Rotation { .. }
            | Self::Translation { .. }
            | Self::Zoom { .. }
            | Self::Flip { .. }
            | Self::ResizedCrop { .. } => return false,
        }
        true
    }

    fn is_crop(&self) -> bool {
        matches!(self, Self::ResizedCrop { .. })
    }
}

/// As many leading draws as can be one drawing: the map, what lies beyond the picture's edge, and the draws after.
fn leading(draws: &[Draw], mut frame: Frame) -> (Affine, Edge, &[Draw]) {
    let (mut map, mut edge, mut rest) = (Affine::IDENTITY, None, draws);
    // Neighbours whose fill is the same, or that need none, are one map; so is all up to a crop, with the first one's fill.
    while let Some((draw, after)) = rest.split_first() {
        let Some((next, next_edge)) = draw.map(frame) else {
            break;
        };
        let crops_later = after.iter().any(Draw::is_crop);
        if edge.is_some() && next_edge.is_some() && edge != next_edge && !crops_later {
            break;
        }
        map = map.then(next);
        edge = edge.or(next_edge);
        (frame, rest) = (draw.frame(frame), after);
    }
    (map, edge.unwrap_or(Edge::Nearest), rest)
}

/// Applies what was drawn to a picture of this size.
pub(crate) fn apply(draws: &[Draw], source: &[Pixel], frame: Frame, out: &mut [f32]) {
    let (map, edge, rest) = leading(draws, frame);
    resample(Picture::new(source, frame), &map, edge, frame.width, out);
    apply_rest(rest, frame, out);
}

/// Applies what was drawn, with a crop in it, to a whole photo. `source` is memory for its pixels.
pub(super) fn apply_to_whole(
    draws: &[Draw],
    photo: &RgbPhoto,
    to: Frame,
    source: &mut Vec<Pixel>,
    out: &mut [f32],
) {
    let (map, edge, rest) = leading(draws, photo.into());
    whole::draw(photo, &map, edge, to, source, out);
    apply_rest(rest, to, out);
}

/// Applies what comes after the first drawing, to the picture of this size in `out`.
fn apply_rest(mut rest: &[Draw], frame: Frame, out: &mut [f32]) {
    while let Some((draw, after)) = rest.split_first() {
        if !draw.recolor(frame, out) {
            break;
        }
        rest = after;
    }
    if !rest.is_empty() {
        apply(rest, &pixels(out), frame, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDE: Frame = Frame { width: 6, height: 3 };

    /// Value 10 row + column.
    fn drawn(draws: &[Draw]) -> Vec<f32> {
        let source: Vec<Pixel> = (0..18).map(|at| [(at / 6 * 10 + at % 6) as f32; 4]).collect();
        let mut out = vec![0.0; 54];
        apply(draws, &source, WIDE, &mut out);
        out.chunks(3).map(|pixel| pixel[0]).collect()
    }

    #[test]
    fn factors_are_of_height_and_width_each() {
        let edge = Edge::Constant(99.0);
        let shifted = drawn(&[Draw::Translation {
            height: 1.0 / 3.0,
            width: 0.5,
            edge,
        }]);
        assert_eq!(shifted[..6], [99.0; 6]);
        assert_eq!(shifted[6..12], [99.0, 99.0, 99.0, 0.0, 1.0, 2.0]);
        let flipped = drawn(&[Draw::Flip {
            horizontal: true,
            vertical: true,
        }]);
        assert_eq!(flipped[..6], [25.0, 24.0, 23.0, 22.0, 21.0, 20.0]);
    }

    #[test]
    fn turning_keeps_pixels_square() {
        // A quarter counter-clockwise: what lay right of the center lies above it. Of six columns three rows remain.
        let turned = drawn(&[Draw::Rotation {
            turns: 0.25,
            edge: Edge::Constant(99.0),
        }]);
        let at = |row: usize, column: usize| turned[row * 6 + column];
        assert_eq!(at(0, 0), 99.0);
        for row in 0..3 {
            // Columns 2.5 and on are between two rows of the source each: half a pixel, as width and height differ by an odd number.
            let source = 3.5 - row as f32;
            assert!((at(row, 2) - (5.0 + source)).abs() < 1e-3, "{turned:?}");
            assert!((at(row, 3) - (15.0 + source)).abs() < 1e-3, "{turned:?}");
        }
    }
}
