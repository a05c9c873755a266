//! Small pictures for the page: photos, and photos with the places that speak for an answer.

use image::ExtendedColorType;
use image::codecs::jpeg::JpegEncoder;
use stepladder_data::RgbPhoto;
use stepladder_nn::HeatMap;
use stepladder_page::element::data_uri;

/// The shorter side of a picture, in pixels.
const SIDE: u32 = 112;
const QUALITY: u8 = 80;

/// The share of the color where a place speaks for the answer most.
const STRENGTH: f32 = 0.65;

/// A small JPEG of the photo, as a data URI.
pub(crate) fn small(photo: &RgbPhoto) -> Option<String> {
    encoded(&photo.fit(SIDE))
}

/// A small JPEG of what the network sees: the central square, values in 0..=1, `side * side * 3` of them.
pub(crate) fn square(values: &[f32], side: u32) -> Option<String> {
    let pixels = values
        .iter()
        .map(|value| (value.clamp(0.0, 1.0) * 255.0).round() as u8);
    encoded(&RgbPhoto::new(side, side, pixels.collect())?.fit(SIDE))
}

/// The photo's central square, colored from violet to yellow by how much each place speaks for the answer. None where nothing does.
pub(crate) fn look(photo: &RgbPhoto, map: &HeatMap) -> Option<String> {
    if map.values.iter().all(|value| *value <= 0.0) {
        return None;
    }
    let photo = photo.square(SIDE);
    let mut pixels = photo.pixels().to_vec();
    for (at, pixel) in pixels.chunks_exact_mut(3).enumerate() {
        let (x, y) = (at as u32 % SIDE, at as u32 / SIDE);
        let value = sample(
            map,
            (x as f32 + 0.5) / SIDE as f32,
            (y as f32 + 0.5) / SIDE as f32,
        );
        let share = STRENGTH * value;
        for (channel, color) in pixel.iter_mut().zip(color(value)) {
            *channel = (f32::from(*channel) * (1.0 - share) + color * share).round() as u8;
        }
    }
    encoded(&RgbPhoto::new(SIDE, SIDE, pixels)?)
}

/// Violet, red, yellow: told apart by lightness too.
fn color(value: f32) -> [f32; 3] {
    const STOPS: [[f32; 3]; 3] = [[80.0, 20.0, 120.0], [225.0, 70.0, 60.0], [250.0, 235.0, 90.0]];
    let at = value.clamp(0.0, 1.0) * 2.0;
    let (from, to) = if at < 1.0 {
        (STOPS[0], STOPS[1])
    } else {
        (STOPS[1], STOPS[2])
    };
    let share = at - at.floor().min(1.0);
    [0, 1, 2].map(|i| from[i] + (to[i] - from[i]) * share)
}

/// The map at a place in 0..1 of its width and height, between its values.
fn sample(map: &HeatMap, x: f32, y: f32) -> f32 {
    let place = |at: f32, length: usize| {
        let at = (at * length as f32 - 0.5).clamp(0.0, length as f32 - 1.0);
        let low = at.floor() as usize;
        (low, (low + 1).min(length - 1), at - at.floor())
    };
    let ((left, right, across), (top, bottom, down)) = (place(x, map.width), place(y, map.height));
    let value = |row: usize, column: usize| map.values[row * map.width + column];
    let row = |row: usize| value(row, left) * (1.0 - across) + value(row, right) * across;
    row(top) * (1.0 - down) + row(bottom) * down
}

fn encoded(photo: &RgbPhoto) -> Option<String> {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, QUALITY)
        .encode(
            photo.pixels(),
            photo.width(),
            photo.height(),
            ExtendedColorType::Rgb8,
        )
        .ok()?;
    Some(data_uri("image/jpeg", &bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_is_read_between_its_values() {
        let map = HeatMap {
            height: 1,
            width: 2,
            values: vec![0.0, 1.0],
        };
        let at = [0.0, 0.25, 0.5, 0.75, 1.0].map(|x| sample(&map, x, 0.5));
        assert_eq!(at, [0.0, 0.0, 0.5, 1.0, 1.0]);
        let photo = RgbPhoto::new(8, 6, vec![100; 8 * 6 * 3]).unwrap();
        assert!(look(&photo, &map).unwrap().starts_with("data:image/jpeg;base64,"));
        assert_eq!(
            look(
                &photo,
                &HeatMap {
                    values: vec![0.0; 2],
                    ..map
                }
            ),
            None
        );
    }

    #[test]
    fn colors_grow_lighter() {
        let light = |value| color(value).iter().sum::<f32>();
        assert!(light(0.0) < light(0.5) && light(0.5) < light(1.0));
        assert_eq!(color(1.0), [250.0, 235.0, 90.0]);
    }
}
