//! What a photo looks like in 300 bytes ([`Fingerprint`]), so that copies are found that were encoded anew, resized, turned or
//! mirrored.
//!
//! The hash holds the signs of the 63 lowest frequencies (8 x 8 without the mean) of the discrete cosine transform of the photo squeezed into 32 x 32 gray
//! pixels, as perceptual hashes do (Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions", 2010), but by
//! sign rather than against their median: then mirroring toggles the signs of the odd frequencies and turning over swaps rows
//! and columns, so that the hashes of all eight poses follow from one. Whether two photos with close hashes are copies is
//! decided by their 16 x 16 gray pixels.

use std::f64::consts::PI;

use stepladder_data::RgbPhoto;

/// The side of the square that is transformed.
const SIDE: usize = 32;
/// Frequencies on each axis that count.
const FREQUENCIES: usize = 8;
/// The side of the square that is compared.
const SMALL: usize = 16;
/// Photos with a shorter side than this are too small to tell copies from look-alikes.
pub(crate) const SMALLEST_SIDE: u32 = 32;
/// Gray levels, as standard deviation, below which there is too little to compare.
const FAINT: f32 = 4.0;

/// What a photo looks like.
#[derive(Debug, Clone, PartialEq)]
pub struct Fingerprint {
    /// Signs of the low frequencies: bit `8 u + v` for frequency `u` down the rows and `v` along them. Bit 0 is 0.
    hash: u64,
    /// Gray values of 16 rows of 16 pixels.
    gray: Box<[u8; SMALL * SMALL]>,
    /// Mean red, green and blue.
    color: [u8; 3],
    /// Mean and standard deviation of `gray`.
    mean: f32,
    deviation: f32,
}

/// One of the eight ways in which a square can lie: turned over its main diagonal, then mirrored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pose {
    over: bool,
    left_right: bool,
    top_bottom: bool,
}

impl Pose {
    /// All eight; the first leaves a photo as it is.
    pub(crate) fn all() -> impl Iterator<Item = Pose> {
        (0..8).map(|number| Pose {
            over: number & 4 != 0,
            left_right: number & 2 != 0,
            top_bottom: number & 1 != 0,
        })
    }
}

impl Fingerprint {
    /// The fingerprint of an upright photo. `None` where its short side is below 32 pixels, or where it shows so little that any two such
    /// photos would be alike.
    pub fn new(photo: &RgbPhoto) -> Option<Self> {
        if photo.short_side() < SMALLEST_SIDE {
            return None;
        }
        let square = photo.squeeze(SIDE as u32, SIDE as u32);
        let luma: Vec<f64> = square.pixels().chunks_exact(3).map(luma).collect();
        let gray: Box<[u8; SMALL * SMALL]> = Box::new(std::array::from_fn(|place| {
            let (x, y) = (place % SMALL * 2, place / SMALL * 2);
            let at = |dx, dy| luma[(y + dy) * SIDE + x + dx];
            ((at(0, 0) + at(1, 0) + at(0, 1) + at(1, 1)) / 4.0).round() as u8
        }));
        let count = (SMALL * SMALL) as f32;
        let mean = gray.iter().map(|&v| f32::from(v)).sum::<f32>() / count;
        let square_sum: f32 = gray.iter().map(|&v| (f32::from(v) - mean).powi(2)).sum();
        let deviation = (square_sum / count).sqrt();
        if deviation < FAINT {
            return None;
        }
        let pixels = (SIDE * SIDE) as u32;
        let color = std::array::from_fn(|channel| {
            let sum: u32 = square
                .pixels()
                .iter()
                .skip(channel)
                .step_by(3)
                .map(|&v| u32::from(v))
                .sum();
            (sum / pixels) as u8
        });
        Some(Self {
            hash: signs(&luma),
            gray,
            color,
            mean,
            deviation,
        })
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    /// The hash that the photo has in another pose.
    pub(crate) fn hash_in(&self, pose: Pose) -> u64 {
        let mut hash = if pose.over {
            transposed(self.hash)
        } else {
            self.hash
        };
        // Bits of odd v, and of odd u.
        if pose.left_right {
            hash ^= 0xaaaa_aaaa_aaaa_aaaa;
        }
        if pose.top_bottom {
            hash ^= 0xff00_ff00_ff00_ff00;
        }
        hash
    }

    /// Whether `other` is `self` in this pose, up to what encoding and resizing do.
    pub(crate) fn is_copy(&self, pose: Pose, other: &Self) -> bool {
        let near = |a: u8, b: u8, limit: u8| a.abs_diff(b) <= limit;
        if !self
            .color
            .iter()
            .zip(&other.color)
            .all(|(&a, &b)| near(a, b, COLOR_LIMIT))
        {
            return false;
        }
        let mut product = 0.0;
        let mut difference = 0.0;
        for (place, &there) in other.gray.iter().enumerate() {
            let (mut x, mut y) = (place % SMALL, place / SMALL);
            if pose.left_right {
                x = SMALL - 1 - x;
            }
            if pose.top_bottom {
                y = SMALL - 1 - y;
            }
            if pose.over {
                (x, y) = (y, x);
            }
            let (here, there) = (f32::from(self.gray[y * SMALL + x]), f32::from(there));
            product += (here - self.mean) * (there - other.mean);
            difference += (here - there).abs();
        }
        let count = (SMALL * SMALL) as f32;
        let correlation = product / (count * self.deviation * other.deviation);
        correlation >= CORRELATION && difference / count <= DIFFERENCE
    }
}

/// What copies have at least in common, tried on 3,666 photos of flowers and 2,521 of rubbish, encoded anew at quality 40 to 95, at half
/// their size, turned and mirrored: `cargo run --release -p stepladder-inspection --example recall -- photos.zip`.
const CORRELATION: f32 = 0.985;
/// Mean difference of gray values.
const DIFFERENCE: f32 = 8.0;
/// Difference of a mean color.
const COLOR_LIMIT: u8 = 16;

/// BT.601, as in JPEG.
fn luma(rgb: &[u8]) -> f64 {
    0.299 * f64::from(rgb[0]) + 0.587 * f64::from(rgb[1]) + 0.114 * f64::from(rgb[2])
}

/// The signs of the lowest frequencies of a 32 x 32 picture.
fn signs(luma: &[f64]) -> u64 {
    // DCT-II; a scale would change no sign.
    let wave: Vec<[f64; FREQUENCIES]> = (0..SIDE)
        .map(|x| std::array::from_fn(|f| libm::cos(PI * f as f64 * (2 * x + 1) as f64 / (2 * SIDE) as f64)))
        .collect();
    let rows: Vec<[f64; FREQUENCIES]> = luma
        .chunks_exact(SIDE)
        .map(|row| std::array::from_fn(|v| row.iter().zip(&wave).map(|(value, wave)| value * wave[v]).sum()))
        .collect();
    let mut hash = 0;
    for u in 0..FREQUENCIES {
        for v in 0..FREQUENCIES {
            let frequency: f64 = rows.iter().zip(&wave).map(|(row, wave)| row[v] * wave[u]).sum();
            if frequency > 0.0 && u + v > 0 {
                hash |= 1 << (u * FREQUENCIES + v);
            }
        }
    }
    hash
}

/// An 8 x 8 matrix of bits with rows and columns swapped.
fn transposed(hash: u64) -> u64 {
    let mut out = 0;
    for u in 0..8 {
        for v in 0..8 {
            out |= (hash >> (u * 8 + v) & 1) << (v * 8 + u);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A picture without symmetry.
    fn photo(width: u32, height: u32) -> RgbPhoto {
        let pixels = (0..height).flat_map(|y| {
            (0..width).flat_map(move |x| {
                let (u, v) = (f64::from(x) / f64::from(width), f64::from(y) / f64::from(height));
                let value =
                    127.0 + 60.0 * (7.0 * u + 2.0 * v * v).sin() + 50.0 * (11.0 * v + 3.0 * u * v).cos();
                [value as u8, (value * 0.8) as u8, (u * 200.0) as u8]
            })
        });
        RgbPhoto::new(width, height, pixels.collect()).expect("sizes agree")
    }

    fn posed(photo: &RgbPhoto, pose: Pose) -> RgbPhoto {
        let (w, h) = (photo.width(), photo.height());
        let (out_w, out_h) = if pose.over { (h, w) } else { (w, h) };
        let mut pixels = Vec::new();
        for y in 0..out_h {
            for x in 0..out_w {
                let x = if pose.left_right { out_w - 1 - x } else { x };
                let y = if pose.top_bottom { out_h - 1 - y } else { y };
                let (x, y) = if pose.over { (y, x) } else { (x, y) };
                pixels.extend_from_slice(&photo.pixels()[((y * w + x) * 3) as usize..][..3]);
            }
        }
        RgbPhoto::new(out_w, out_h, pixels).expect("sizes agree")
    }

    #[test]
    fn every_pose_is_known_from_the_one() {
        let upright = photo(96, 64);
        let fingerprint = Fingerprint::new(&upright).expect("large enough");
        for pose in Pose::all() {
            let other = Fingerprint::new(&posed(&upright, pose)).expect("large enough");
            let apart = (fingerprint.hash_in(pose) ^ other.hash).count_ones();
            assert!(apart <= 2, "{pose:?}: {apart}");
            assert!(fingerprint.is_copy(pose, &other), "{pose:?}");
            let wrong = Pose {
                over: !pose.over,
                ..pose
            };
            assert!(!fingerprint.is_copy(wrong, &other), "{pose:?}");
        }
    }

    #[test]
    fn size_matters_little_and_too_little_gives_none() {
        let (large, small) = (photo(640, 480), photo(64, 48));
        let (large, small) = (Fingerprint::new(&large), Fingerprint::new(&small));
        let (large, small) = (large.expect("large enough"), small.expect("large enough"));
        let upright = Pose::all().next().expect("eight");
        assert!(large.is_copy(upright, &small) && (large.hash ^ small.hash).count_ones() <= 4);
        assert!(Fingerprint::new(&photo(31, 200)).is_none());
        let blank = RgbPhoto::new(50, 50, vec![200; 7500]).expect("sizes agree");
        assert!(Fingerprint::new(&blank).is_none());
    }

    #[test]
    fn swapping_twice_changes_nothing() {
        let hash = 0x0123_4567_89ab_cdee;
        assert_eq!(transposed(transposed(hash)), hash);
        assert_eq!(transposed(1 << (2 * 8 + 5)), 1 << (5 * 8 + 2));
    }
}
