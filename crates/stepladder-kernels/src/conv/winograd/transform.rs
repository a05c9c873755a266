//! The transforms of F(2x2, 3x3), by the names of Lavin and Gray: `A`, `B` and `G`, an apostrophe for the transposed. Values of a tile, of a
//! kernel and at the points are in the order of rows; each is a vector of channels or filters.

use super::{PLACES, POINTS};
use crate::simd::Simd;

/// `B' d B` of 4x4 input pixels.
#[inline(always)]
pub(super) fn input<S: Simd>(s: S, d: [S::F; POINTS]) -> [S::F; POINTS] {
    let mut columns = [[s.splat(0.0); 4]; 4];
    for x in 0..4 {
        columns[x] = by_b(s, [d[x], d[4 + x], d[8 + x], d[12 + x]]);
    }
    let mut points = [s.splat(0.0); POINTS];
    for y in 0..4 {
        let row = by_b(s, [columns[0][y], columns[1][y], columns[2][y], columns[3][y]]);
        points[4 * y..4 * y + 4].copy_from_slice(&row);
    }
    points
}

/// `G g G'` of the weights at the kernel's 3x3 places.
#[inline(always)]
pub(super) fn weights<S: Simd>(s: S, g: [S::F; PLACES]) -> [S::F; POINTS] {
    let mut columns = [[s.splat(0.0); 4]; 3];
    for x in 0..3 {
        columns[x] = by_g(s, [g[x], g[3 + x], g[6 + x]]);
    }
    let mut points = [s.splat(0.0); POINTS];
    for y in 0..4 {
        let row = by_g(s, [columns[0][y], columns[1][y], columns[2][y]]);
        points[4 * y..4 * y + 4].copy_from_slice(&row);
    }
    points
}

/// The 2x2 output pixels `A' m A` of the products `m`.
#[inline(always)]
pub(super) fn output<S: Simd>(s: S, m: [S::F; POINTS]) -> [S::F; 4] {
    let mut columns = [[s.splat(0.0); 2]; 4];
    for x in 0..4 {
        columns[x] = by_a_transposed(s, [m[x], m[4 + x], m[8 + x], m[12 + x]]);
    }
    let mut pixels = [s.splat(0.0); 4];
    for y in 0..2 {
        let row = [columns[0][y], columns[1][y], columns[2][y], columns[3][y]];
        pixels[2 * y..2 * y + 2].copy_from_slice(&by_a_transposed(s, row));
    }
    pixels
}

/// `A y A'` of the gradient of 2x2 output pixels.
#[inline(always)]
pub(super) fn output_gradient<S: Simd>(s: S, y: [S::F; 4]) -> [S::F; POINTS] {
    let columns = [by_a(s, [y[0], y[2]]), by_a(s, [y[1], y[3]])];
    let mut points = [s.splat(0.0); POINTS];
    for y in 0..4 {
        points[4 * y..4 * y + 4].copy_from_slice(&by_a(s, [columns[0][y], columns[1][y]]));
    }
    points
}

/// The gradient of the weights at 3x3 places, `G' m G` of the products `m`.
#[inline(always)]
pub(super) fn weight_gradient<S: Simd>(s: S, m: [S::F; POINTS]) -> [S::F; PLACES] {
    let mut columns = [[s.splat(0.0); 3]; 4];
    for x in 0..4 {
        columns[x] = by_g_transposed(s, [m[x], m[4 + x], m[8 + x], m[12 + x]]);
    }
    let mut places = [s.splat(0.0); PLACES];
    for y in 0..3 {
        let row = [columns[0][y], columns[1][y], columns[2][y], columns[3][y]];
        places[3 * y..3 * y + 3].copy_from_slice(&by_g_transposed(s, row));
    }
    places
}

/// The product with `B'`, whose rows are `1 0 -1 0`, `0 1 1 0`, `0 -1 1 0`, `0 1 0 -1`.
#[inline(always)]
fn by_b<S: Simd>(s: S, [a, b, c, d]: [S::F; 4]) -> [S::F; 4] {
    [s.sub(a, c), s.add(b, c), s.sub(c, b), s.sub(b, d)]
}

/// The product with `G`, whose rows are `1 0 0`, `½ ½ ½`, `½ -½ ½`, `0 0 1`.
#[inline(always)]
fn by_g<S: Simd>(s: S, [a, b, c]: [S::F; 3]) -> [S::F; 4] {
    let half = s.splat(0.5);
    let (ends, middle) = (s.mul(half, s.add(a, c)), s.mul(half, b));
    [a, s.add(ends, middle), s.sub(ends, middle), c]
}

/// The product with `G'`.
#[inline(always)]
fn by_g_transposed<S: Simd>(s: S, [a, b, c, d]: [S::F; 4]) -> [S::F; 3] {
    let half = s.splat(0.5);
    let (sum, difference) = (s.mul(half, s.add(b, c)), s.mul(half, s.sub(b, c)));
    [s.add(a, sum), difference, s.add(sum, d)]
}

/// The product with `A`.
#[inline(always)]
fn by_a<S: Simd>(s: S, [a, b]: [S::F; 2]) -> [S::F; 4] {
    [a, s.add(a, b), s.sub(a, b), s.sub(s.splat(0.0), b)]
}

/// The product with `A'`, whose rows are `1 1 1 0`, `0 1 -1 -1`.
#[inline(always)]
fn by_a_transposed<S: Simd>(s: S, [a, b, c, d]: [S::F; 4]) -> [S::F; 2] {
    [s.add(s.add(a, b), c), s.sub(s.sub(b, c), d)]
}
