//! A heat map over its photo, as a picture, in the colors of the page that `serve` gives: clear where nothing speaks for the
//! class, then yellow, then red.

use stepladder_data::{RgbPhoto, Scaling};
use stepladder_model::ImageSize;
use stepladder_nn::HeatMap;

/// How much of the warmest places is color; the rest is the photo.
const OPACITY: f32 = 0.7;

/// The color of a heat from 0 to 1, R, G, B of 0 to 255, and how much of it lies over the photo, from 0 to 1.
pub fn heat_color(heat: f32) -> ([f32; 3], f32) {
    let heat = heat.clamp(0.0, 1.0);
    let color = [255.0, 220.0 * (1.0 - heat), 0.0];
    (color, OPACITY * (2.0 * heat).min(1.0))
}

/// What the network sees of `photo`, by the rule `scaling`, at this size, in the shape of its input, under the colors of `heat`. The map, which is
/// coarse, is enlarged bilinearly.
pub fn overlay(photo: &RgbPhoto, scaling: Scaling, heat: &HeatMap, size: impl Into<ImageSize>) -> RgbPhoto {
    let square = scaling.input(photo, size).into_owned();
    let (width, height) = (square.width(), square.height());
    let mut pixels = square.into_pixels();
    for (at, pixel) in pixels.chunks_exact_mut(3).enumerate() {
        let (x, y) = (at as u32 % width, at as u32 / width);
        let (color, share) = heat_color(heat_at(heat, along(x, width), along(y, height)));
        for (value, color) in pixel.iter_mut().zip(color) {
            *value = (f32::from(*value) * (1.0 - share) + color * share).round() as u8;
        }
    }
    RgbPhoto::new(width, height, pixels).expect("as many pixels as before")
}

/// The middle of a pixel, as a share of its row or column.
fn along(at: u32, count: u32) -> f32 {
    (at as f32 + 0.5) / count as f32
}

/// The heat at a point given in shares of width and height, between the middles of the map's places; 0 of a map without any.
fn heat_at(heat: &HeatMap, x: f32, y: f32) -> f32 {
    let value =
        |row: usize, column: usize| heat.values.get(row * heat.width + column).copied().unwrap_or(0.0);
    let [(left, right, x), (top, bottom, y)] = [neighbors(x, heat.width), neighbors(y, heat.height)];
    let between = |a: f32, b: f32, share: f32| a + (b - a) * share;
    between(
        between(value(top, left), value(top, right), x),
        between(value(bottom, left), value(bottom, right), x),
        y,
    )
}

/// The places on both sides of a point, and how far it is from the first to the second. Beyond the outermost middles, both are
/// the outermost.
fn neighbors(share: f32, count: usize) -> (usize, usize, f32) {
    let last = count.saturating_sub(1);
    let point = (share * count as f32 - 0.5).clamp(0.0, last as f32);
    let first = point.floor() as usize;
    (first, (first + 1).min(last), point - first as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heat(width: usize, values: &[f32]) -> HeatMap {
        HeatMap {
            height: values.len() / width,
            width,
            values: values.to_vec(),
        }
    }

    fn gray(width: u32, height: u32) -> RgbPhoto {
        RgbPhoto::new(width, height, vec![100; (width * height * 3) as usize]).unwrap()
    }

    #[test]
    fn cold_places_stay_as_they_are_and_the_warmest_are_mostly_red() {
        let picture = overlay(&gray(4, 4), Scaling::Bilinear, &heat(2, &[0.0, 0.0, 0.0, 1.0]), 4);
        assert_eq!(picture.pixels()[..3], [100; 3]);
        // 0.3 of 100, and 0.7 of 255.
        assert_eq!(picture.pixels()[45..], [209, 30, 30]);
    }

    #[test]
    fn between_the_middles_of_two_places_heat_rises_evenly() {
        let heat = heat(2, &[0.0, 1.0]);
        let found = [0.1, 0.25, 0.5, 0.625, 0.75, 0.9].map(|x| heat_at(&heat, x, 0.5));
        assert_eq!(found, [0.0, 0.0, 0.5, 0.75, 1.0, 1.0]);
    }

    #[test]
    fn it_is_the_central_square_at_the_side_that_was_asked_for() {
        for side in [1, 3, 50_u32] {
            let picture = overlay(&gray(9, 5), Scaling::Bilinear, &heat(1, &[0.5]), side as usize);
            assert_eq!((picture.width(), picture.height()), (side, side));
            // 0.3 of 100, and 0.7 of the middle of yellow and red.
            assert_eq!(picture.pixels()[..3], [209, 107, 30]);
        }
        let empty = overlay(&gray(2, 2), Scaling::Bilinear, &heat(1, &[]), 2);
        assert_eq!(empty, gray(2, 2));
        // A photo that is not cut is shown with the gray beside it.
        let padded = overlay(&gray(8, 4), Scaling::Pad, &heat(1, &[0.0]), 8);
        assert_eq!(
            (padded.pixels()[0], padded.pixels()[3 * 8 * 3]),
            (Scaling::GRAY, 100)
        );
    }
}
