//! Small pictures for the page: photos, and photos with the places that speak for an answer.

use image::ExtendedColorType;
use image::codecs::jpeg::JpegEncoder;
use stepladder_classifier::overlay;
use stepladder_data::{RgbPhoto, Scaling};
use stepladder_model::ImageSize;
use stepladder_nn::HeatMap;
use stepladder_page::element::data_uri;

/// The shorter side of a picture, in pixels.
const SIDE: u32 = 112;
const QUALITY: u8 = 80;

/// A small JPEG of the photo, as a data URI.
pub(crate) fn small(photo: &RgbPhoto) -> Option<String> {
    encoded(&photo.fit(SIDE))
}

/// A small JPEG of what the network sees, values in 0..=1, of an input of this size.
pub(crate) fn of_input(values: &[f32], size: ImageSize) -> Option<String> {
    let [width, height] = [size.width, size.height].map(|side| side as u32);
    let pixels = values
        .iter()
        .map(|value| (value.clamp(0.0, 1.0) * 255.0).round() as u8);
    encoded(&RgbPhoto::new(width, height, pixels.collect())?.fit(SIDE))
}

/// What the network sees of the photo under the colors of what speaks for the answer. None where nothing does.
pub(crate) fn look(photo: &RgbPhoto, scaling: Scaling, input: ImageSize, map: &HeatMap) -> Option<String> {
    if map.values.iter().all(|value| *value <= 0.0) {
        return None;
    }
    let size = input.with_short_side(SIDE as usize);
    encoded(&overlay(photo, scaling, map, size))
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
    fn nothing_to_look_at_is_no_picture() {
        let map = HeatMap {
            height: 1,
            width: 2,
            values: vec![0.0, 1.0],
        };
        let photo = RgbPhoto::new(8, 6, vec![100; 8 * 6 * 3]).unwrap();
        assert!(
            look(&photo, Scaling::Bilinear, 4.into(), &map)
                .unwrap()
                .starts_with("data:image/jpeg;base64,")
        );
        assert_eq!(
            look(
                &photo,
                Scaling::Bilinear,
                4.into(),
                &HeatMap {
                    values: vec![0.0; 2],
                    ..map
                }
            ),
            None
        );
        assert!(small(&photo).is_some() && of_input(&[0.5; 12], 2.into()).is_some());
        assert_eq!(of_input(&[0.5; 11], 2.into()), None);
    }
}
