//! Shapes of what flows between operations.

use std::fmt;

use super::cost;

/// The shape of one photo's values between operations.
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

    /// The same with another last axis.
    pub(super) fn with_channels(self, channels: usize) -> Shape {
        match self {
            Shape::Map { height, width, .. } => Shape::Map {
                height,
                width,
                channels,
            },
            Shape::Vector { .. } => Shape::Vector { units: channels },
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
