//! Turning a picture as its EXIF orientation says, on RGB pixels.

use image::metadata::Orientation;

/// Side of the squares that are turned one after another, in pixels: columns become rows, and so many rows stay in the cache.
const TILE: usize = 32;

/// Turns `width` by `height` RGB pixels upright. Gives them with their width and height.
///
/// # Panics
///
/// Where `pixels` does not hold `width * height * 3` bytes.
pub(super) fn upright(
    pixels: Vec<u8>,
    [width, height]: [u32; 2],
    orientation: Orientation,
) -> (Vec<u8>, [u32; 2]) {
    let (w, h) = (width as isize, height as isize);
    assert_eq!(pixels.len() as isize, w * h * 3, "three bytes a pixel");
    // Where the first pixel of the result comes from, and the steps in the source for one to the right and one down.
    let (first, right, down) = match orientation {
        Orientation::NoTransforms => return (pixels, [width, height]),
        Orientation::FlipHorizontal => (w - 1, -1, w),
        Orientation::FlipVertical => ((h - 1) * w, 1, -w),
        Orientation::Rotate180 => (h * w - 1, -1, -w),
        Orientation::Rotate90 => ((h - 1) * w, -w, 1),
        Orientation::Rotate270 => (w - 1, w, -1),
        Orientation::Rotate90FlipH => (0, w, 1),
        Orientation::Rotate270FlipH => (h * w - 1, -w, -1),
    };
    let [to_w, to_h] = match right.abs() == 1 && down.abs() == w {
        true => [width, height],
        false => [height, width],
    };
    let source = pixels.as_chunks::<3>().0;
    let mut turned = vec![[0; 3]; source.len()];
    let (columns, rows) = (to_w as usize, to_h as usize);
    for top in (0..rows).step_by(TILE) {
        for left in (0..columns).step_by(TILE) {
            for y in top..rows.min(top + TILE) {
                let line = &mut turned[y * columns + left..y * columns + columns.min(left + TILE)];
                let mut at = first + y as isize * down + left as isize * right;
                for pixel in line {
                    *pixel = source[at as usize];
                    at += right;
                }
            }
        }
    }
    (turned.into_flattened(), [to_w, to_h])
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{DynamicImage, Rgb, RgbImage};

    #[test]
    fn it_turns_as_the_image_crate_does() {
        let all = [
            Orientation::NoTransforms,
            Orientation::FlipHorizontal,
            Orientation::FlipVertical,
            Orientation::Rotate180,
            Orientation::Rotate90,
            Orientation::Rotate270,
            Orientation::Rotate90FlipH,
            Orientation::Rotate270FlipH,
        ];
        for [width, height] in [[1, 1], [1, 5], [5, 1], [70, 33], [33, 70], [64, 64]] {
            let picture = RgbImage::from_fn(width, height, |x, y| Rgb([x as u8, y as u8, (x * 7 + y) as u8]));
            for orientation in all {
                let mut expected = DynamicImage::ImageRgb8(picture.clone());
                expected.apply_orientation(orientation);
                let (pixels, size) = upright(picture.clone().into_raw(), [width, height], orientation);
                assert_eq!(size, [expected.width(), expected.height()], "{orientation:?}");
                assert_eq!(
                    pixels,
                    expected.into_rgb8().into_raw(),
                    "{orientation:?} {width} x {height}"
                );
            }
        }
    }
}
