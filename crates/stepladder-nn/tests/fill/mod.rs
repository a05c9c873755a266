//! The numbers of `oracle/fill.py`, bit for bit: weights and photos that both sides can make up.

use stepladder_model::ImageSize;

/// `count` values in [-1, 1), a hash of `name` and the index.
fn unit(name: &str, count: usize) -> Vec<f32> {
    let start = crc32(name.as_bytes());
    let value = |i: usize| {
        let mut x = start.wrapping_add(i as u32);
        x = (x ^ (x >> 16)).wrapping_mul(0x7FEB_352D);
        x = (x ^ (x >> 15)).wrapping_mul(0x846C_A68B);
        x ^= x >> 16;
        (x >> 8) as f32 / (1_u32 << 23) as f32 - 1.0
    };
    (0..count).map(value).collect()
}

/// The checksum of zlib (polynomial 0xEDB88320).
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg())
        })
    };
    !bytes.iter().fold(u32::MAX, step)
}

/// Values of a plausible scale for the parameter called `<layer>/<parameter>`.
pub fn parameter(name: &str, shape: &[usize]) -> Vec<f32> {
    let values = unit(name, shape.iter().product());
    let kind = name.rsplit('/').next().unwrap_or(name);
    let fan_in: usize = shape[..shape.len() - 1].iter().product();
    match kind {
        "gamma" | "moving_variance" => values.iter().map(|v| 1.0 + 0.25 * v).collect(),
        _ if shape.len() == 1 => values.iter().map(|v| 0.125 * v).collect(),
        _ => {
            // He: signals keep their scale through many layers.
            let scale = (6.0 / fan_in as f64).sqrt() as f32;
            values.iter().map(|v| scale * v).collect()
        }
    }
}

/// A batch of RGB photos in [0, 1), NHWC: photo i is the pattern of class i % classes, with noise.
pub fn images(batch: usize, size: impl Into<ImageSize>, classes: usize) -> Vec<f32> {
    let count = size.into().values();
    let noise = unit("noise", batch * count);
    let patterns = (0..batch).flat_map(|i| unit(&format!("class {}", i % classes), count));
    patterns
        .zip(noise)
        .map(|(pattern, noise)| 0.5 + 0.25 * pattern + 0.25 * noise)
        .collect()
}
