//! From a whole photo to the network's input under an affine map, with antialiasing where it shrinks.
//!
//! A map that only cuts, scales and mirrors is one pass of a triangle filter as wide as two pixels of the result, which is what
//! torchvision and Pillow do with a crop. Any other map takes a bilinear mean of four pixels, and so that it skips
//! none of the photo's pixels, a photo that it would shrink by more than [`SHRINKS`] is shrunk by that filter first.

use std::cell::RefCell;

use super::affine::{Affine, Frame};
use super::resample::{Edge, Picture, Pixel, pack, resample};
use crate::photo::RgbPhoto;

/// Photo pixels per pixel of the result up to which four of them are mean enough: between neighbors of the result lies at most one
/// pixel that neither has seen in full.
const SHRINKS: f64 = 1.5;

/// What rounding may move the edge of a crop by, in pixels.
const ROUNDING: f64 = 1e-6;

thread_local! {
    /// The rectangle that is resized, and what becomes of it.
    static RESIZED: RefCell<(Vec<u8>, Vec<u8>)> = const { RefCell::new((Vec::new(), Vec::new())) };
}

/// Writes the picture of the size `to` whose value at (x, y) lies at `map.at(x, y)` in `photo` to `out`, in 0..=255. `source` is
/// memory for the unpacked photo.
pub(super) fn draw(
    photo: &RgbPhoto,
    map: &Affine,
    edge: Edge,
    to: Frame,
    source: &mut Vec<Pixel>,
    out: &mut [f32],
) {
    match crop_of(map, photo.into(), to) {
        Some(crop) => RESIZED.with_borrow_mut(|(part, resized)| {
            photo.resize_part(
                crop.rectangle,
                [to.width, to.height].map(|side| side as u32),
                part,
                resized,
            );
            write_mirrored(resized, &crop, to, out);
        }),
        None => draw_turned(photo, map, edge, to, source, out),
    }
}

/// A map that only cuts, scales and mirrors.
#[derive(Debug, PartialEq)]
struct Crop {
    /// Left, top, width and height, inside the photo.
    rectangle: [f64; 4],
    mirrored: bool,
    upside_down: bool,
}

/// What `map` cuts out, where it does no more than that and stays inside the photo.
fn crop_of(map: &Affine, frame: Frame, to: Frame) -> Option<Crop> {
    let [[a, b, c], [d, e, f]] = map.0;
    if b != 0.0 || d != 0.0 {
        return None;
    }
    let span = |step: f64, first: f64, side: usize, to: usize| {
        let (one, other) = (first + 0.5 - step / 2.0, first + 0.5 + step * (to as f64 - 0.5));
        let (low, high, side) = (one.min(other), one.max(other), side as f64);
        let (kept_low, kept_high) = (settled(low).max(0.0), settled(high).min(side));
        let inside = (kept_low - low).abs() < ROUNDING && (kept_high - high).abs() < ROUNDING;
        (inside && kept_high > kept_low).then_some([kept_low, kept_high - kept_low])
    };
    let [left, width] = span(a, c, frame.width, to.width)?;
    let [top, height] = span(e, f, frame.height, to.height)?;
    Some(Crop {
        rectangle: [left, top, width, height],
        mirrored: a < 0.0,
        upside_down: e < 0.0,
    })
}

/// The whole number that rounding has led away from.
fn settled(edge: f64) -> f64 {
    let whole = edge.round();
    if (edge - whole).abs() < ROUNDING {
        whole
    } else {
        edge
    }
}

fn write_mirrored(resized: &[u8], crop: &Crop, size: Frame, out: &mut [f32]) {
    let values = size.width * 3;
    for (y, row) in out.chunks_exact_mut(values).enumerate() {
        let from = if crop.upside_down { size.height - 1 - y } else { y };
        let from = &resized[from * values..][..values];
        if crop.mirrored {
            let pixels = row.as_chunks_mut::<3>().0.iter_mut();
            for (to, from) in pixels.zip(from.as_chunks::<3>().0.iter().rev()) {
                *to = from.map(f32::from);
            }
        } else {
            for (to, &from) in row.iter_mut().zip(from) {
                *to = f32::from(from);
            }
        }
    }
}

fn draw_turned(
    photo: &RgbPhoto,
    map: &Affine,
    edge: Edge,
    to: Frame,
    source: &mut Vec<Pixel>,
    out: &mut [f32],
) {
    let [[a, b, _], [d, e, _]] = map.0;
    let shrinks = [libm::hypot(a, b), libm::hypot(d, e)];
    if shrinks.iter().all(|&shrinks| shrinks <= SHRINKS) {
        pack(photo.pixels(), source);
        return resample(Picture::new(source, photo.into()), map, edge, to.width, out);
    }
    let side = |side: u32, shrinks: f64| ((f64::from(side) / shrinks.max(1.0)).round() as u32).clamp(1, side);
    let small = photo.squeeze(side(photo.width(), shrinks[0]), side(photo.height(), shrinks[1]));
    let map = onto(photo.into(), (&small).into()).then(*map);
    pack(small.pixels(), source);
    resample(Picture::new(source, (&small).into()), &map, edge, to.width, out);
}

/// Where a place of a picture lies in the same picture of another size.
fn onto(from: Frame, to: Frame) -> Affine {
    let (x, y) = (
        to.width as f64 / from.width as f64,
        to.height as f64 / from.height as f64,
    );
    Affine([[x, 0.0, x / 2.0 - 0.5], [0.0, y, y / 2.0 - 0.5]])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::photo::tests::ramp;

    fn drawn(photo: &RgbPhoto, map: &Affine, edge: Edge, size: usize) -> Vec<f32> {
        let mut out = vec![f32::NAN; size * size * 3];
        draw(photo, map, edge, Frame::square(size), &mut Vec::new(), &mut out);
        out
    }

    #[test]
    fn a_crop_is_that_part_of_the_photo_mirrored_where_it_should_be() {
        let photo = ramp(30, 20);
        let crop = Affine::crop([7.0, 3.0, 4.0, 4.0], Frame::square(4));
        let found = drawn(&photo, &crop, Edge::Nearest, 4);
        assert_eq!(found[..6], [7.0, 3.0, 7.0, 8.0, 3.0, 7.0]);
        let both = crop.then(Affine::flip(true, true, Frame::square(4)));
        let found = drawn(&photo, &both, Edge::Nearest, 4);
        assert_eq!(found[..6], [10.0, 6.0, 7.0, 9.0, 6.0, 7.0]);
    }

    #[test]
    fn what_crops_by_fractions_and_stays_inside_is_one_pass() {
        let frame = Frame {
            width: 30,
            height: 20,
        };
        let eight = Frame::square(8);
        let of = |map: Affine| crop_of(&map, frame, eight);
        let whole = of(Affine::crop([0.0, 0.0, 30.0, 20.0], eight)).expect("inside");
        assert_eq!(whole.rectangle, [0.0, 0.0, 30.0, 20.0]);
        let zoomed = Affine::scale(0.5, 0.5).about_center(eight);
        let part = of(Affine::crop([0.0, 0.0, 30.0, 20.0], eight).then(zoomed)).expect("inside");
        assert_eq!(part.rectangle, [7.5, 5.0, 15.0, 10.0]);
        let beyond = Affine::scale(1.5, 1.5).about_center(eight);
        assert_eq!(of(Affine::crop([0.0, 0.0, 30.0, 20.0], eight).then(beyond)), None);
        assert_eq!(of(Affine::rotation(0.1)), None);
        assert_eq!(of(Affine::scale(0.0, 1.0)), None);
        assert_eq!(of(Affine::scale(f64::NAN, 1.0)), None);
    }

    #[test]
    fn both_ways_to_draw_agree_on_a_smooth_photo() {
        let photo = ramp(120, 90);
        for rectangle in [
            [10.0, 5.0, 40.0, 50.0],
            [0.0, 0.0, 120.0, 90.0],
            [30.0, 9.0, 12.0, 9.0],
        ] {
            let crop = Affine::crop(rectangle, Frame::square(16));
            let once = drawn(&photo, &crop, Edge::Nearest, 16);
            let mut turned = vec![0.0; 16 * 16 * 3];
            draw_turned(
                &photo,
                &crop,
                Edge::Nearest,
                Frame::square(16),
                &mut Vec::new(),
                &mut turned,
            );
            // Bytes are rounded, and at the outer pixels a filter sees the photo end.
            let inner = |at: &usize| (1..15).contains(&(at / 48)) && (1..15).contains(&(at / 3 % 16));
            for at in (0..once.len()).filter(inner) {
                assert!((once[at] - turned[at]).abs() < 1.1, "{} {}", once[at], turned[at]);
            }
        }
    }

    #[test]
    fn shrinking_leaves_no_pattern_behind() {
        // Columns of black and white, a pixel wide each: gray from afar, whichever way it is drawn.
        let stripes = (0..96 * 96).flat_map(|i| [if i % 2 == 0 { 0 } else { 255 }; 3]);
        let photo = RgbPhoto::new(96, 96, stripes.collect()).expect("sizes agree");
        let crop = Affine::crop([0.0, 0.0, 96.0, 96.0], Frame::square(24));
        let turned = crop.then(Affine::rotation(0.3).about_center(Frame::square(24)));
        for map in [crop, turned] {
            let found = drawn(&photo, &map, Edge::Reflect, 24);
            assert!(found.iter().all(|v| (108.0..148.0).contains(v)), "{found:?}");
        }
    }
}
