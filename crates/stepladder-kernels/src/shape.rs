//! How many values a shape has, for every kernel: a product that wrapped around would let a short slice pass for a long one, and the
//! kernel behind it read beyond its end.

/// Extents of an array, in any order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape<const N: usize>(pub [usize; N]);

/// More values than any slice has, also in bytes and with what kernels add to them.
const MOST: usize = isize::MAX as usize / 64;

impl<const N: usize> Shape<N> {
    /// The product of the extents; none where no memory could hold so many values. A part of the extents has a product then, too, even
    /// where another one is 0.
    pub(crate) fn len(self) -> Option<usize> {
        let mut product = 1_usize;
        for extent in self.0 {
            product = product
                .checked_mul(extent.max(1))
                .filter(|product| *product <= MOST)?;
        }
        Some(if self.0.contains(&0) { 0 } else { product })
    }
}

/// [`Shape::len`] of `extents`.
///
/// # Panics
///
/// No memory could hold so many values.
pub(crate) fn values<const N: usize>(extents: [usize; N]) -> usize {
    Shape(extents)
        .len()
        .unwrap_or_else(|| panic!("no memory holds as many values as a shape of {extents:?}"))
}

/// Where the last of some values ends, each extent of which is taken in steps of its own; none where there are none, or no place that far.
pub(crate) fn end<const N: usize>(extents: [usize; N], steps: [usize; N], values: usize) -> Option<usize> {
    let steps = extents.into_iter().zip(steps);
    steps
        .map(|(extent, step)| extent.checked_sub(1)?.checked_mul(step))
        .try_fold(values, |end, step| end.checked_add(step?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_exact_or_none() {
        assert_eq!(Shape([2, 3, 4]).len(), Some(24));
        assert_eq!(Shape([0, 3]).len(), Some(0));
        assert_eq!(Shape([]).len(), Some(1));
        let half = 1 << (usize::BITS / 2);
        assert_eq!(Shape([half, half]).len(), None);
        assert_eq!(Shape([half, half, 0]).len(), None);
        assert_eq!(Shape([usize::MAX]).len(), None);
        assert_eq!(end([2, 3], [10, 2], 5), Some(19));
        assert_eq!(end([0, 3], [10, 2], 5), None);
        assert_eq!(end([2, usize::MAX], [10, 2], 5), None);
    }
}
