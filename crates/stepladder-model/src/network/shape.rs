//! Shapes of what flows between layers, and Keras' arithmetic of sliding windows.

use std::fmt;

use super::cost;
use crate::layer::Padding;

/// The shape of one photo's values after a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A map of features; height x width x channels.
    Map {
        /// Rows.
        height: usize,
        /// Columns.
        width: usize,
        /// Features at each place.
        channels: usize,
    },
    /// A vector.
    Vector {
        /// Values.
        units: usize,
    },
}

impl Shape {
    /// Number of values.
    pub fn count(&self) -> u64 {
        match *self {
            Shape::Map {
                height,
                width,
                channels,
            } => height as u64 * width as u64 * channels as u64,
            Shape::Vector { units } => units as u64,
        }
    }

    /// As [`count`](Self::count), or `None` where that overflows.
    pub(super) fn checked_count(&self) -> Option<u64> {
        match *self {
            Shape::Map {
                height,
                width,
                channels,
            } => cost::product(&[height, width, channels]),
            Shape::Vector { units } => cost::product(&[units]),
        }
    }

    /// Height and width of a map.
    pub(super) fn sides(&self) -> Option<[usize; 2]> {
        match *self {
            Shape::Map { height, width, .. } => Some([height, width]),
            Shape::Vector { .. } => None,
        }
    }

    /// Size of the last axis: channels of a map, units of a vector.
    pub fn channels(&self) -> usize {
        match *self {
            Shape::Map { channels, .. } => channels,
            Shape::Vector { units } => units,
        }
    }
}

/// `30 x 30 x 32` or `128`.
impl fmt::Display for Shape {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Shape::Map {
                height,
                width,
                channels,
            } => format!("{height} x {width} x {channels}"),
            Shape::Vector { units } => units.to_string(),
        };
        formatter.pad(&text)
    }
}

/// Positions that a window of `window` takes along `size`, `stride` apart; 0 where it does not fit.
///
/// Keras: `valid` gives `floor((n - k) / s) + 1`, `same` gives `floor((n - 1) / s) + 1`.
pub(super) fn window_positions(size: usize, window: usize, stride: usize, padding: Padding) -> usize {
    if size == 0 || window == 0 || stride == 0 {
        return 0;
    }
    match padding {
        Padding::Valid if window > size => 0,
        Padding::Valid => (size - window) / stride + 1,
        Padding::Same => (size - 1) / stride + 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_counted_as_in_keras() {
        // (size, window, stride, padding) against keras.ops.conv on the same numbers.
        assert_eq!(window_positions(28, 3, 1, Padding::Valid), 26);
        assert_eq!(window_positions(11, 2, 2, Padding::Valid), 5);
        assert_eq!(window_positions(11, 2, 2, Padding::Same), 6);
        assert_eq!(window_positions(512, 7, 2, Padding::Valid), 253);
        assert_eq!(window_positions(512, 7, 2, Padding::Same), 256);
        assert_eq!(window_positions(2, 3, 1, Padding::Valid), 0);
        assert_eq!(window_positions(2, 3, 1, Padding::Same), 2);
    }
}
