//! The geometry of a window that slides over a map: what convolution, depthwise convolution and pooling share.

/// Kernel size, strides and padding, each `[vertical, horizontal]`; sizes in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    /// Height and width of the window; at least 1.
    pub kernel: [usize; 2],
    /// Steps between windows; at least 1.
    pub stride: [usize; 2],
    /// Padding before the first row and column, less than the kernel.
    pub before: [usize; 2],
    /// Padding after the last row and column, less than the kernel.
    pub after: [usize; 2],
}

impl Window {
    /// No padding: Keras' `valid`.
    pub fn valid(kernel: [usize; 2], stride: [usize; 2]) -> Window {
        Window {
            kernel,
            stride,
            before: [0; 2],
            after: [0; 2],
        }
    }

    /// Keras' `same` for a map of `input` pixels: as many windows as strides fit, the odd pad at bottom and right.
    pub fn same(kernel: [usize; 2], stride: [usize; 2], input: [usize; 2]) -> Window {
        let total = |i: usize| {
            let windows = input[i].div_ceil(stride[i]);
            (windows.saturating_sub(1) * stride[i])
                .saturating_add(kernel[i])
                .saturating_sub(input[i])
        };
        let totals = [total(0), total(1)];
        let before = totals.map(|total| total / 2);
        Window {
            kernel,
            stride,
            before,
            after: [totals[0] - before[0], totals[1] - before[1]],
        }
    }

    /// The number of windows on a map of `input` pixels.
    ///
    /// # Panics
    ///
    /// The padded map is smaller than the window, the kernel or a stride is 0, or a pad is not less than the kernel.
    pub fn output(&self, input: [usize; 2]) -> [usize; 2] {
        [0, 1].map(|i| {
            let (kernel, stride) = (self.kernel[i], self.stride[i]);
            assert!(
                kernel > 0 && stride > 0,
                "kernel and strides must be at least 1: {self:?}"
            );
            assert!(
                self.before[i] < kernel && self.after[i] < kernel,
                "padding must be less than the kernel: {self:?}"
            );
            let padded = [self.before[i], self.after[i]]
                .into_iter()
                .try_fold(input[i], usize::checked_add)
                .expect("a padded map that memory can hold");
            assert!(
                input[i] > 0 && padded >= kernel,
                "{self:?} does not fit on a map of {input:?} pixels"
            );
            (padded - kernel) / stride + 1
        })
    }

    /// Whether each window is one pixel and they cover the map once.
    pub(crate) fn is_pointwise(&self) -> bool {
        self.kernel == [1, 1] && self.stride == [1, 1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_puts_the_odd_pad_last() {
        let window = Window::same([3, 3], [2, 2], [8, 7]);
        assert_eq!((window.before, window.after), ([0, 1], [1, 1]));
        assert_eq!(window.output([8, 7]), [4, 4]);
        let window = Window::same([1, 1], [2, 2], [8, 7]);
        assert_eq!((window.before, window.after), ([0, 0], [0, 0]));
        assert_eq!(window.output([8, 7]), [4, 4]);
    }
}
