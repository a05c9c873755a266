//! Draws a picture anew under an affine map: each pixel of the result is the bilinear mean of the four source pixels about the
//! place that the map gives.

use std::ops::Range;

use super::affine::{Affine, Frame};
use super::vectorized::vectorized;

/// What is seen beyond the picture's edge. Keras' two pipelines differ in two of the modes, as the library beneath each does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Edge {
    /// `aaaa|abcd|dddd`
    Nearest,
    /// `dcba|abcd|dcba`
    Reflect,
    /// `abcd|abcd|abcd`, as TensorFlow does it: places between the last pixel and the first show one of the two.
    Wrap,
    /// As SciPy does it: the first pixel lies upon the last, so that the period is a pixel short.
    WrapOverlapping,
    /// A value; places up to a pixel beyond the edge blend into it.
    Constant(f32),
    /// A value, from the edge on.
    ConstantSharp(f32),
}

/// A pixel with a fourth value that nobody looks at: four fit a vector register, and blending them costs as much as one.
pub(crate) type Pixel = [f32; 4];

/// Packs pixels of 3 values for [`resample`], over what `packed` held.
pub(crate) fn pack<T: Copy + Into<f32>>(values: &[T], packed: &mut Vec<Pixel>) {
    packed.clear();
    vectorized(
        #[inline(always)]
        || {
            let pixels = values.as_chunks::<3>().0.iter();
            packed.extend(pixels.map(|&[r, g, b]| [r.into(), g.into(), b.into(), 0.0]));
        },
    );
}

/// The same in memory of its own.
pub(crate) fn pixels<T: Copy + Into<f32>>(values: &[T]) -> Vec<Pixel> {
    let mut packed = Vec::new();
    pack(values, &mut packed);
    packed
}

/// `height` rows of `width` pixels.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Picture<'a> {
    pixels: &'a [Pixel],
    frame: Frame,
}

impl<'a> Picture<'a> {
    /// Panics where there are not `width * height` pixels.
    pub(crate) fn new(pixels: &'a [Pixel], frame: Frame) -> Self {
        assert_eq!(pixels.len(), frame.pixels());
        Self { pixels, frame }
    }

    #[cfg(test)]
    pub(crate) fn square(pixels: &'a [Pixel], size: usize) -> Self {
        Self::new(pixels, Frame::square(size))
    }
}

/// Resamples `source` to `out`, rows of `width` pixels of 3 values: the value at (x, y) comes from `map.at(x, y)`.
pub(crate) fn resample(source: Picture<'_>, map: &Affine, edge: Edge, width: usize, out: &mut [f32]) {
    vectorized(Resample {
        source,
        map,
        edge,
        width,
        out,
    });
}

/// The arguments of [`resample`], for code that is compiled for several CPUs.
struct Resample<'a> {
    source: Picture<'a>,
    map: &'a Affine,
    edge: Edge,
    width: usize,
    out: &'a mut [f32],
}

impl pulp::NullaryFnOnce for Resample<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Resample {
            source,
            map,
            edge,
            width,
            out,
        } = self;
        for (y, row) in out.chunks_exact_mut(width * 3).enumerate() {
            resample_row(source, map, edge, y, row);
        }
    }
}

// From here on all is inlined, since only what is inlined is compiled for the CPU's vectors.

#[inline(always)]
fn resample_row(source: Picture<'_>, map: &Affine, edge: Edge, y: usize, row: &mut [f32]) {
    let Frame { width, height } = source.frame;
    let (has_neighbors, count) = (width > 1 && height > 1, row.len() / 3);
    // In the two usual modes, what lies beyond the edge is seen at a place inside, and needs no code of its own.
    if edge == Edge::Nearest && has_neighbors {
        return blend_row(source, map, y, 0, row, nearest);
    }
    if edge == Edge::Reflect && has_neighbors && is_mirrored_once(source.frame, map, y, count) {
        return blend_row(source, map, y, 0, row, |place, side| {
            let place = if place < 0.0 { -1.0 - place } else { place };
            nearest(place.min(2.0 * side - 1.0 - place), side)
        });
    }
    let inside = span_inside(map, y, source.frame, count);
    for x in (0..inside.start).chain(inside.end..count) {
        let (sx, sy) = map.at(x as f64, y as f64);
        let value = beyond(source, sx, sy, edge);
        row[x * 3..x * 3 + 3].copy_from_slice(&value[..3]);
    }
    let pixels = &mut row[inside.start * 3..inside.end * 3];
    blend_row(source, map, y, inside.start, pixels, |place, _| place);
}

/// The nearest place on a side; in this order, what is no number becomes 0.
#[inline(always)]
fn nearest(place: f64, side: f64) -> f64 {
    let (place, last) = (if place > 0.0 { place } else { 0.0 }, side - 1.0);
    if place < last { place } else { last }
}

/// Whether no place of row `y` lies further beyond an edge than the picture is wide.
#[inline(always)]
fn is_mirrored_once(frame: Frame, map: &Affine, y: usize, count: usize) -> bool {
    let once = |place: f64, side: usize| {
        let side = side as f64;
        (-side..2.0 * side - 1.0).contains(&place)
    };
    let ends = [map.at(0.0, y as f64), map.at(count as f64 - 1.0, y as f64)];
    ends.iter()
        .all(|&(x, y)| once(x, frame.width) && once(y, frame.height))
}

/// Places that are worked out together, before any pixel is taken: arithmetic alone, which fills vector registers.
const TOGETHER: usize = 16;

/// The pixels of row `y` from `start` on, whose places `settle` moves to where all four neighbours are inside the picture, each of a
/// place's coordinates by itself. On the last row or column the neighbour before it is the other one.
#[inline(always)]
fn blend_row(
    source: Picture<'_>,
    map: &Affine,
    y: usize,
    start: usize,
    row: &mut [f32],
    settle: impl Fn(f64, f64) -> f64,
) {
    let (width, height) = (source.frame.width as f64, source.frame.height as f64);
    let (mut at, mut fx, mut fy) = ([0_u32; TOGETHER], [0.0; TOGETHER], [0.0; TOGETHER]);
    let mut x = start;
    for pixels in row.chunks_mut(TOGETHER * 3) {
        // Places beyond the last pixel are worked out too, and not looked at.
        for lane in 0..TOGETHER {
            let (sx, sy) = map.at((x + lane) as f64, y as f64);
            let (sx, sy) = (settle(sx, width), settle(sy, height));
            let (left, top) = (whole(sx).min(width - 2.0), whole(sy).min(height - 2.0));
            at[lane] = low_bits(top * width + left);
            (fx[lane], fy[lane]) = ((sx - left) as f32, (sy - top) as f32);
        }
        let blended = |lane: usize| blend(source, at[lane], fx[lane], fy[lane]);
        let last = (pixels.len() / 3).saturating_sub(1).min(TOGETHER - 1);
        for lane in 0..last {
            // All four values in one store: the next pixel overwrites the one that nobody looks at.
            pixels[lane * 3..lane * 3 + 4].copy_from_slice(&blended(lane));
        }
        pixels[last * 3..last * 3 + 3].copy_from_slice(&blended(last)[..3]);
        x += TOGETHER;
    }
}

/// The bilinear mean of the pixel `at`, its neighbour on the right, and the two below.
#[inline(always)]
fn blend(source: Picture<'_>, at: u32, fx: f32, fy: f32) -> Pixel {
    let (at, width) = (at as usize, source.frame.width);
    let (upper, lower) = (
        &source.pixels[at..at + 2],
        &source.pixels[at + width..at + width + 2],
    );
    mix(mix(upper[0], upper[1], fx), mix(lower[0], lower[1], fx), fy)
}

/// 1.5 * 2^52: from here on, an `f64` has no fraction, so that adding it rounds, and its lowest bits are the whole number.
const NO_FRACTION: f64 = 6_755_399_441_055_744.0;

/// The whole part of a place of 0 to 2^31, in fewer steps than a conversion that also minds all other numbers.
#[inline(always)]
fn whole(place: f64) -> f64 {
    let near = (place + NO_FRACTION) - NO_FRACTION;
    if near > place { near - 1.0 } else { near }
}

/// A whole number of 0 to 2^32 as an integer.
#[inline(always)]
fn low_bits(whole: f64) -> u32 {
    (whole + NO_FRACTION).to_bits() as u32
}

/// The pixels of row `y`, of `count`, whose places have all four neighbours inside the picture. They are contiguous, as a line
/// crosses a rectangle once.
#[inline(always)]
fn span_inside(map: &Affine, y: usize, frame: Frame, count: usize) -> Range<usize> {
    let last = [frame.width, frame.height].map(|side| side.saturating_sub(1) as f64);
    let inside = |x: usize| {
        let (sx, sy) = map.at(x as f64, y as f64);
        (0.0..last[0]).contains(&sx) && (0.0..last[1]).contains(&sy)
    };
    let (mut low, mut high) = (0.0, count as f64);
    let (x0, y0) = map.at(0.0, y as f64);
    for (start, step, last) in [(x0, map.0[0][0], last[0]), (y0, map.0[1][0], last[1])] {
        if step != 0.0 {
            let (a, b) = (-start / step, (last - start) / step);
            low = a.min(b).max(low);
            high = a.max(b).min(high);
        }
    }
    // The divisions round, so the ends are tried themselves. A map that is not finite ends up with nothing inside.
    let (mut low, mut high) = (low as usize, (high.ceil() as usize + 1).min(count));
    while low < high && !inside(low) {
        low += 1;
    }
    while low < high && !inside(high - 1) {
        high -= 1;
    }
    if low < high { low..high } else { 0..0 }
}

/// `a` where `share` is 0, `b` where it is 1.
#[inline(always)]
fn mix(a: Pixel, b: Pixel, share: f32) -> Pixel {
    std::array::from_fn(|i| a[i] + (b[i] - a[i]) * share)
}

/// The value at a place on or beyond the edge.
#[inline(always)]
fn beyond(source: Picture<'_>, x: f64, y: f64, edge: Edge) -> Pixel {
    if let Edge::Constant(value) = edge {
        return blend_into(source, x, y, value);
    }
    let Frame { width, height } = source.frame;
    match (fold(x, width, edge), fold(y, height, edge)) {
        (Some(x), Some(y)) => blend_clamped(source, x, y),
        _ => {
            [if let Edge::ConstantSharp(value) = edge {
                value
            } else {
                0.0
            }; 4]
        }
    }
}

/// Brings a coordinate into 0..=size - 1, or says that it shows the constant.
#[inline(always)]
fn fold(at: f64, size: usize, edge: Edge) -> Option<f64> {
    let (len, last) = (size as f64, size as f64 - 1.0);
    if (0.0..=last).contains(&at) {
        return Some(at);
    }
    let folded = match edge {
        Edge::Constant(_) | Edge::ConstantSharp(_) => return None,
        Edge::Nearest => at,
        // The edges lie half a pixel beyond the outer centers. Most places are mirrored once.
        Edge::Reflect if (-len..0.0).contains(&at) => -1.0 - at,
        Edge::Reflect if (last..2.0 * len - 1.0).contains(&at) => 2.0 * len - 1.0 - at,
        Edge::Reflect => {
            let place = (at + 0.5).rem_euclid(2.0 * len);
            (if place < len { place } else { 2.0 * len - place }) - 0.5
        }
        _ if size <= 1 => 0.0,
        // tensorflow/core/kernels/image/image_ops.h, MapCoordinate<WRAP>
        Edge::Wrap if at < 0.0 => at + len * ((-at / last).trunc() + 1.0),
        Edge::Wrap => at - len * (at / last).trunc(),
        // scipy/ndimage/src/ni_interpolation.c, NI_EXTEND_WRAP
        Edge::WrapOverlapping => at.rem_euclid(last),
    };
    Some(folded.clamp(0.0, last))
}

/// As [`blend`], for places up to the last pixel's center.
#[inline(always)]
fn blend_clamped(source: Picture<'_>, x: f64, y: f64) -> Pixel {
    let Frame { width, height } = source.frame;
    let (left, top) = (x as usize, y as usize);
    let (right, bottom) = ((left + 1).min(width - 1), (top + 1).min(height - 1));
    let (fx, fy) = ((x - left as f64) as f32, (y - top as f64) as f32);
    let at = |x: usize, y: usize| source.pixels[y * width + x];
    mix(
        mix(at(left, top), at(right, top), fx),
        mix(at(left, bottom), at(right, bottom), fx),
        fy,
    )
}

/// The bilinear mean where neighbours outside the picture have the value `outside`.
fn blend_into(source: Picture<'_>, x: f64, y: f64, outside: f32) -> Pixel {
    let Frame { width, height } = source.frame;
    let (left, top) = (x.floor(), y.floor());
    let (fx, fy) = ((x - left) as f32, (y - top) as f32);
    let at = |x: f64, y: f64| {
        let seen = (0.0..width as f64).contains(&x) && (0.0..height as f64).contains(&y);
        if seen {
            source.pixels[y as usize * width + x as usize]
        } else {
            [outside; 4]
        }
    };
    let above = mix(at(left, top), at(left + 1.0, top), fx);
    let below = mix(at(left, top + 1.0), at(left + 1.0, top + 1.0), fx);
    mix(above, below, fy)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A 4 x 4 picture whose value is 10 row + column, in all channels.
    fn picture() -> Vec<Pixel> {
        (0..16).map(|i| [(i / 4 * 10 + i % 4) as f32; 4]).collect()
    }

    fn row(map: &Affine, edge: Edge, y: usize) -> [f32; 4] {
        let mut out = vec![0.0; 48];
        resample(Picture::square(&picture(), 4), map, edge, 4, &mut out);
        std::array::from_fn(|x| out[(y * 4 + x) * 3])
    }

    #[test]
    fn whole_parts_are_those_of_a_conversion() {
        for place in [
            0.0,
            0.5,
            0.999_999_999,
            1.0,
            1.5,
            2.5,
            127.499,
            65_534.999_99,
            2e9 + 0.25,
        ] {
            assert_eq!(whole(place), f64::from(place as u32), "{place}");
            assert_eq!(low_bits(whole(place)), place as u32, "{place}");
        }
    }

    #[test]
    fn the_identity_changes_nothing() {
        let mut out = vec![0.0; 48];
        resample(
            Picture::square(&picture(), 4),
            &Affine::IDENTITY,
            Edge::Reflect,
            4,
            &mut out,
        );
        assert_eq!(
            pixels(&out).iter().map(|p| p[0]).collect::<Vec<_>>(),
            picture().iter().map(|p| p[0]).collect::<Vec<_>>()
        );
    }

    #[test]
    fn a_quarter_turn_is_exact() {
        let turned = Affine::rotation(std::f64::consts::FRAC_PI_2).about_center(Frame::square(4));
        // Counter-clockwise: the last column becomes the first row.
        for (got, expected) in row(&turned, Edge::Nearest, 0)
            .into_iter()
            .zip([3.0, 13.0, 23.0, 33.0])
        {
            assert!((got - expected).abs() < 1e-4, "{got} {expected}");
        }
    }

    #[test]
    fn flips_and_whole_shifts_are_exact() {
        assert_eq!(
            row(&Affine::flip(true, false, Frame::square(4)), Edge::Nearest, 1),
            [13.0, 12.0, 11.0, 10.0]
        );
        assert_eq!(
            row(&Affine::flip(false, true, Frame::square(4)), Edge::Nearest, 0),
            [30.0, 31.0, 32.0, 33.0]
        );
        assert_eq!(
            row(&Affine::translation(1.0, 2.0), Edge::Nearest, 0),
            [21.0, 22.0, 23.0, 23.0]
        );
    }

    #[test]
    fn every_edge_shows_what_it_should() {
        let left = Affine::translation(-6.0, 0.0);
        let right = Affine::translation(3.0, 0.0);
        for (edge, before, after) in [
            (Edge::Nearest, [0.0, 0.0, 0.0, 0.0], [3.0, 3.0, 3.0, 3.0]),
            (Edge::Reflect, [2.0, 3.0, 3.0, 2.0], [3.0, 3.0, 2.0, 1.0]),
            (Edge::WrapOverlapping, [0.0, 1.0, 2.0, 0.0], [3.0, 1.0, 2.0, 0.0]),
            (Edge::Constant(9.0), [9.0, 9.0, 9.0, 9.0], [3.0, 9.0, 9.0, 9.0]),
            (
                Edge::ConstantSharp(9.0),
                [9.0, 9.0, 9.0, 9.0],
                [3.0, 9.0, 9.0, 9.0],
            ),
        ] {
            assert_eq!(row(&left, edge, 0), before, "{edge:?}");
            assert_eq!(row(&right, edge, 0), after, "{edge:?}");
        }
        let half = Affine::translation(-0.5, 0.0);
        assert_eq!(row(&half, Edge::Constant(9.0), 0), [4.5, 0.5, 1.5, 2.5]);
        assert_eq!(row(&half, Edge::ConstantSharp(9.0), 0), [9.0, 0.5, 1.5, 2.5]);
        assert_eq!(row(&half, Edge::Reflect, 0), [0.0, 0.5, 1.5, 2.5]);
    }

    #[test]
    fn a_rectangle_is_drawn_to_rows_of_another_width() {
        // 3 columns, 5 rows, value 10 row + column.
        let source: Vec<Pixel> = (0..15).map(|i| [(i / 3 * 10 + i % 3) as f32; 4]).collect();
        let picture = Picture::new(&source, Frame { width: 3, height: 5 });
        for edge in [Edge::Nearest, Edge::Reflect, Edge::Constant(99.0)] {
            let mut out = vec![0.0; 2 * 4 * 3];
            let map = Affine::translation(0.5, 1.0).then(Affine::scale(0.5, 1.0));
            resample(picture, &map, edge, 4, &mut out);
            let found: Vec<f32> = out.chunks(3).map(|p| p[0]).collect();
            assert_eq!(
                found,
                [10.5, 11.0, 11.5, 12.0, 20.5, 21.0, 21.5, 22.0],
                "{edge:?}"
            );
        }
        let mut out = vec![0.0; 5 * 3];
        let row = Affine::translation(-1.0, 4.0);
        resample(picture, &row, Edge::Reflect, 5, &mut out);
        assert_eq!(
            out.chunks(3).map(|p| p[0]).collect::<Vec<_>>(),
            [40.0, 40.0, 41.0, 42.0, 42.0]
        );
    }

    #[test]
    fn a_single_pixel_and_far_places_are_fine() {
        for edge in [
            Edge::Nearest,
            Edge::Reflect,
            Edge::Wrap,
            Edge::WrapOverlapping,
            Edge::Constant(1.0),
        ] {
            let mut out = [0.0; 3];
            resample(
                Picture::square(&[[7.0; 4]], 1),
                &Affine::scale(1.0, 1.0),
                edge,
                1,
                &mut out,
            );
            assert_eq!(out, [7.0; 3]);
            let mut out = vec![0.0; 48];
            let far = Affine::translation(1e9, -1e9);
            resample(Picture::square(&picture(), 4), &far, edge, 4, &mut out);
            assert!(out.iter().all(|v| (0.0..=33.0).contains(v)));
        }
    }
}
