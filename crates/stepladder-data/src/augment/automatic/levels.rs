//! Operations on the levels of a picture in 0..=255: posterize, solarize, autocontrast, equalize, and sharpness.

use crate::augment::affine::Frame;
use crate::augment::color::clipped;
use crate::augment::vectorized::each;

const LEVELS: usize = 256;

/// The nearest byte.
fn level(value: f32) -> u8 {
    clipped(value).round_ties_even() as u8
}

/// Keeps the upper bits of each byte.
pub(super) fn posterize(values: &mut [f32], bits: u32) {
    let cut = 8_u32.saturating_sub(bits).min(7);
    values
        .iter_mut()
        .for_each(|value| *value = f32::from(level(*value) >> cut << cut));
}

/// Inverts what is as bright as the threshold or brighter.
pub(super) fn solarize(values: &mut [f32], threshold: f32) {
    each(values, |v| if v >= threshold { 255.0 - v } else { v });
}

/// Stretches each channel to the full range; one that has a single value stays.
pub(super) fn stretch(values: &mut [f32]) {
    let pixels = values.as_chunks_mut::<3>().0;
    for channel in 0..3 {
        let of = pixels.iter().map(|pixel| pixel[channel]);
        let (low, high) = of.fold((f32::MAX, f32::MIN), |(low, high), v| (low.min(v), high.max(v)));
        let scale = 255.0 / (high - low);
        if high > low && scale.is_finite() {
            for pixel in &mut *pixels {
                pixel[channel] = clipped((pixel[channel] - low) * scale);
            }
        }
    }
}

/// Spreads the levels of each channel so that all occur about as often.
pub(super) fn equalize(values: &mut [f32]) {
    let pixels = values.as_chunks_mut::<3>().0;
    for channel in 0..3 {
        let mut counts = [0_usize; LEVELS];
        for pixel in &*pixels {
            counts[usize::from(level(pixel[channel]))] += 1;
        }
        if let Some(table) = equalized(&counts) {
            for pixel in &mut *pixels {
                pixel[channel] = table[usize::from(level(pixel[channel]))];
            }
        }
    }
}

/// The new level of each, in whole numbers as Pillow and torchvision work them out; `None` where there is nothing to spread.
fn equalized(counts: &[usize; LEVELS]) -> Option<[f32; LEVELS]> {
    let brightest = counts.iter().rev().find(|&&count| count > 0)?;
    let step = (counts.iter().sum::<usize>() - brightest) / 255;
    if step == 0 {
        return None;
    }
    let mut below = 0;
    Some(counts.map(|count| {
        let new = (below + step / 2) / step;
        below += count;
        new.min(255) as f32
    }))
}

/// Away from a slight blur, or towards it: a factor of 0 is the blur. The outermost pixels stay.
pub(super) fn sharpen(values: &mut [f32], frame: Frame, factor: f32) {
    if frame.width <= 2 || frame.height <= 2 {
        return;
    }
    let before = values.to_vec();
    let row = frame.width * 3;
    for y in 1..frame.height - 1 {
        for at in y * row + 3..(y + 1) * row - 3 {
            let line = |from: usize| before[from - 3] + before[from] + before[from + 3];
            let around = line(at - row) + line(at) + line(at + row);
            let blurred = (around + 4.0 * before[at]) / 13.0;
            values[at] = clipped(factor * before[at] + (1.0 - factor) * blurred);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_color_stays_as_it_is() {
        let flat = vec![90.0; 5 * 5 * 3];
        for change in [stretch as fn(&mut [f32]), equalize, |v| {
            sharpen(v, Frame::square(5), 0.0)
        }] {
            let mut found = flat.clone();
            change(&mut found);
            assert!(found.iter().all(|v| (v - 90.0).abs() < 1e-4));
        }
    }

    #[test]
    fn levels_are_cut_and_inverted() {
        let mut values = [0.0, 127.0, 128.0, 200.4, 255.0];
        posterize(&mut values, 1);
        assert_eq!(values, [0.0, 0.0, 128.0, 128.0, 128.0]);
        solarize(&mut values, 128.0);
        assert_eq!(values, [0.0, 0.0, 127.0, 127.0, 127.0]);
    }
}
