//! What a pass over the files keeps of each photo ([`Look`]): some numbers in place of its pixels.

use stepladder_data::{ColorMode, PhotoError, RgbPhoto, Scanned};

use crate::fingerprint::Fingerprint;

/// A photo, once its pixels are gone.
#[derive(Debug, Clone)]
pub(crate) struct Look {
    pub(crate) bytes: u64,
    pub(crate) content: [u8; 32],
    pub(crate) format: &'static str,
    pub(crate) color: ColorMode,
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// Mean of each channel, and of its square, on the scale of 0..=255.
    pub(crate) mean: [f64; 3],
    pub(crate) mean_square: [f64; 3],
    pub(crate) fingerprint: Option<Fingerprint>,
}

impl Look {
    pub(crate) fn new(scanned: Result<Scanned, PhotoError>) -> Result<Self, String> {
        let scanned = scanned.map_err(|error| error.to_string())?;
        let [mean, mean_square] = moments(&scanned.photo);
        Ok(Self {
            bytes: scanned.bytes,
            content: scanned.content,
            format: scanned.format,
            color: scanned.color,
            width: scanned.photo.width(),
            height: scanned.photo.height(),
            mean,
            mean_square,
            fingerprint: Fingerprint::new(&scanned.photo),
        })
    }

    pub(crate) fn short_side(&self) -> u32 {
        self.width.min(self.height)
    }

    /// The longer side in shorter sides.
    pub(crate) fn elongation(&self) -> f64 {
        f64::from(self.width.max(self.height)) / f64::from(self.short_side())
    }

    /// Standard deviation of the values of each channel within the photo.
    pub(crate) fn deviation(&self) -> [f64; 3] {
        std::array::from_fn(|c| {
            (self.mean_square[c] - self.mean[c] * self.mean[c])
                .max(0.0)
                .sqrt()
        })
    }
}

/// Mean of each channel, and mean of its square.
fn moments(photo: &RgbPhoto) -> [[f64; 3]; 2] {
    /// Eight pixels: their bytes are added up side by side, so that vector units can.
    const LANES: usize = 24;
    /// Steps that cannot overflow 32 bits: 255 * 255 * 60,000 < 2^32.
    const STEPS: usize = 60_000;
    let (mut sum, mut square) = ([0_u64; 3], [0_u64; 3]);
    for stretch in photo.pixels().chunks(LANES * STEPS) {
        let (mut sums, mut squares) = ([0_u32; LANES], [0_u32; LANES]);
        let whole = stretch.chunks_exact(LANES);
        for (lane, &value) in whole.remainder().iter().enumerate() {
            sum[lane % 3] += u64::from(value);
            square[lane % 3] += u64::from(value) * u64::from(value);
        }
        for pixels in whole {
            for lane in 0..LANES {
                let value = u32::from(pixels[lane]);
                sums[lane] += value;
                squares[lane] += value * value;
            }
        }
        for lane in 0..LANES {
            sum[lane % 3] += u64::from(sums[lane]);
            square[lane % 3] += u64::from(squares[lane]);
        }
    }
    let pixels = f64::from(photo.width()) * f64::from(photo.height());
    [sum.map(|v| v as f64 / pixels), square.map(|v| v as f64 / pixels)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_of_every_length_are_exact() {
        for width in [1, 7, 8, 9, 31] {
            let pixels: Vec<u8> = (0..width * 3).map(|v| (v * 37 % 256) as u8).collect();
            let photo = RgbPhoto::new(width, 1, pixels.clone()).expect("sizes agree");
            let [mean, square] = moments(&photo);
            for channel in 0..3 {
                let values: Vec<f64> = pixels
                    .iter()
                    .skip(channel)
                    .step_by(3)
                    .map(|&v| f64::from(v))
                    .collect();
                let count = f64::from(width);
                assert_eq!(mean[channel], values.iter().sum::<f64>() / count);
                assert_eq!(square[channel], values.iter().map(|v| v * v).sum::<f64>() / count);
            }
        }
    }
}
