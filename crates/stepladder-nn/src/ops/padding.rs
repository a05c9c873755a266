//! How many rows and columns of padding Keras' `same` means.

use stepladder_model::Padding;

/// Padding before and after one axis of `input` positions, for a window of `kernel` moved by `stride`.
///
/// `same` gives ceil(input / stride) positions and puts the odd pad at the end (bottom and right), as TensorFlow
/// and Keras do; PyTorch pads both ends alike.
pub(crate) fn pad_of_axis(padding: Padding, input: usize, kernel: usize, stride: usize) -> (usize, usize) {
    match padding {
        Padding::Valid => (0, 0),
        Padding::Same => {
            let output = input.div_ceil(stride);
            let total = ((output - 1) * stride + kernel).saturating_sub(input);
            (total / 2, total - total / 2)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_puts_the_odd_pad_at_the_end() {
        assert_eq!(pad_of_axis(Padding::Same, 5, 3, 1), (1, 1));
        assert_eq!(pad_of_axis(Padding::Same, 5, 2, 1), (0, 1));
        assert_eq!(pad_of_axis(Padding::Same, 6, 3, 2), (0, 1));
        assert_eq!(pad_of_axis(Padding::Same, 5, 1, 2), (0, 0));
        assert_eq!(pad_of_axis(Padding::Valid, 5, 3, 1), (0, 0));
    }
}
