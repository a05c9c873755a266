//! Softmax in the middle of a network. At its end, see [`crate::loss`].

use crate::{context::Context, simd::Element};

/// Values of a work item, about.
const PART: usize = 1 << 12;

/// `y` = softmax of each row of `x`, both `(rows, channels)`: `y[c]` = e^`x[c]` over the row's sum of them. A row with NaN is NaN
/// throughout.
///
/// # Panics
///
/// The lengths differ, or are not a multiple of `channels`.
pub fn softmax_rows<E: Element>(context: &Context, channels: usize, x: &[E], y: &mut [E]) {
    check(channels, x.len(), &[y.len()]);
    let part = part(channels);
    context.for_each_part(y, part, |item, y| {
        let x = &x[item * part..][..y.len()];
        let mut row_of_y = vec![0.0; channels];
        for (x, y) in x.chunks_exact(channels).zip(y.chunks_exact_mut(channels)) {
            row(x, &mut row_of_y);
            y.iter_mut()
                .zip(&row_of_y)
                .for_each(|(to, y)| *to = E::from_f32(*y as f32));
        }
    });
}

/// `dx`, the gradient of the loss by the softmax's input `x`, from `dy`, that by its output; all `(rows, channels)`: with y the
/// softmax of a row, `dx[c]` = `y[c]` (`dy[c]` - the sum of y dy).
///
/// # Panics
///
/// The lengths differ, or are not a multiple of `channels`.
pub fn softmax_rows_backward<E: Element>(
    context: &Context,
    channels: usize,
    x: &[E],
    dy: &[E],
    dx: &mut [E],
) {
    check(channels, x.len(), &[dy.len(), dx.len()]);
    let part = part(channels);
    context.for_each_part(dx, part, |item, dx| {
        let of_item = item * part..item * part + dx.len();
        let (x, dy) = (&x[of_item.clone()], &dy[of_item]);
        let mut y = vec![0.0; channels];
        let rows = x.chunks_exact(channels).zip(dy.chunks_exact(channels));
        for ((x, dy), dx) in rows.zip(dx.chunks_exact_mut(channels)) {
            row(x, &mut y);
            let wide = |value: &E| f64::from(value.to_f32());
            let sum: f64 = y.iter().zip(dy).map(|(y, dy)| y * wide(dy)).sum();
            for ((dx, y), dy) in dx.iter_mut().zip(&y).zip(dy) {
                *dx = E::from_f32((y * (wide(dy) - sum)) as f32);
            }
        }
    });
}

/// The softmax of a row.
fn row<E: Element>(x: &[E], y: &mut [f64]) {
    let values = || x.iter().map(|x| f64::from(x.to_f32()));
    let most = values().fold(f64::NEG_INFINITY, f64::max);
    let mut sum = 0.0;
    for (y, x) in y.iter_mut().zip(values()) {
        *y = (x - most).exp();
        sum += *y;
    }
    y.iter_mut().for_each(|y| *y /= sum);
}

/// Values of a work item: whole rows.
fn part(channels: usize) -> usize {
    (PART / channels).max(1) * channels
}

fn check(channels: usize, length: usize, others: &[usize]) {
    assert!(
        channels > 0 && length.is_multiple_of(channels),
        "rows of {channels} values"
    );
    assert!(others.iter().all(|other| *other == length), "values of a softmax");
}
