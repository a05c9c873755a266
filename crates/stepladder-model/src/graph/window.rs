//! Sliding windows: Keras' paddings in numbers, and how many positions a window takes.

use super::lower::Lowering;
use super::{GraphError, Shape, Window};
use crate::layer::Padding;

/// A window as a layer asks for it.
pub(super) struct Sliding {
    pub(super) size: [usize; 2],
    pub(super) strides: [usize; 2],
    pub(super) padding: Padding,
    /// What the layer calls the window's size.
    pub(super) key: &'static str,
}

impl Sliding {
    pub(super) fn kernel(size: [usize; 2], strides: [usize; 2], padding: Padding) -> Sliding {
        Sliding {
            size,
            strides,
            padding,
            key: "kernel_size",
        }
    }
}

impl Lowering<'_> {
    /// The window on a map, and its positions: rows and columns of the output.
    pub(super) fn place_window(
        &self,
        input: Shape,
        sliding: &Sliding,
    ) -> Result<(Window, [usize; 2]), GraphError> {
        let sides = self.map(input)?;
        let Sliding {
            size, strides, key, ..
        } = *sliding;
        for side in size {
            self.positive(side, key)?;
        }
        for stride in strides {
            self.positive(stride, "strides")?;
        }
        let padding = [0, 1].map(|axis| match sliding.padding {
            Padding::Valid => [0, 0],
            Padding::Same => same_padding(sides[axis], size[axis], strides[axis]),
            Padding::Explicit(padding) => padding[axis],
        });
        for (padding, side) in padding.into_iter().zip(size) {
            // A window of padding alone has nothing to compute from; `same` never makes one.
            let [before, after] = padding;
            if before.max(after) >= side {
                return Err(GraphError::PaddingTooLarge {
                    place: self.place.clone(),
                    layer: self.kind,
                    key,
                    padding: before.max(after),
                    side,
                    most: side - 1,
                });
            }
        }
        let output = [0, 1].map(|axis| positions(sides[axis], size[axis], strides[axis], padding[axis]));
        if output.contains(&0) {
            return Err(GraphError::WindowTooLarge {
                place: self.place.clone(),
                layer: self.kind,
                key,
                height: size[0],
                width: size[1],
                shape: input,
                size: self.graph.image_size(),
            });
        }
        let window = Window {
            size,
            strides,
            padding,
        };
        Ok((window, output))
    }
}

/// What Keras' `same` puts before and after `size` pixels, so that there are `ceil(size / stride)` positions: an odd
/// pixel goes after. All arguments are at least 1.
fn same_padding(size: usize, window: usize, stride: usize) -> [usize; 2] {
    let last = (size - 1) / stride * stride;
    let total = last.saturating_add(window).saturating_sub(size);
    [total / 2, total - total / 2]
}

/// Positions that a window takes along `size` padded pixels, `stride` apart; 0 where it does not fit.
fn positions(size: usize, window: usize, stride: usize, [before, after]: [usize; 2]) -> usize {
    let padded = size.saturating_add(before).saturating_add(after);
    match padded.checked_sub(window) {
        Some(room) => room / stride + 1,
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_counted_as_in_keras() {
        // (size, window, stride) against keras.ops.conv on the same numbers, `valid` and then `same`.
        let valid = |size, window, stride| positions(size, window, stride, [0, 0]);
        assert_eq!(valid(28, 3, 1), 26);
        assert_eq!(valid(11, 2, 2), 5);
        assert_eq!(valid(512, 7, 2), 253);
        assert_eq!(valid(2, 3, 1), 0);
        let same = |size, window, stride| positions(size, window, stride, same_padding(size, window, stride));
        assert_eq!(same(11, 2, 2), 6);
        assert_eq!(same(512, 7, 2), 256);
        assert_eq!(same(2, 3, 1), 2);
    }

    #[test]
    fn the_odd_pad_of_same_is_at_the_bottom_and_right() {
        // 9 rows with stride 2: 5 positions reach 10. 9 columns with stride 3: 3 positions reach 10.
        assert_eq!(same_padding(9, 2, 2), [0, 1]);
        assert_eq!(same_padding(9, 4, 3), [0, 1]);
        assert_eq!(same_padding(11, 5, 1), [2, 2]);
        assert_eq!(same_padding(8, 1, 3), [0, 0]);
        assert_eq!(same_padding(1, 7, 5), [3, 3]);
    }
}
