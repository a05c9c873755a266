//! Limits of a network, and the checked arithmetic that they are told with: a rung may ask for more than fits any
//! machine.

/// More values than this in one map or parameter, or in all parameters together, are refused: 2^31 numbers of four
/// bytes are 8 GiB, four times over with the gradient and Adam's two moments.
pub(super) const LIMIT: u64 = 1 << 31;

/// The product, or `None` where it overflows.
pub(super) fn product(factors: &[usize]) -> Option<u64> {
    factors.iter().try_fold(1u64, |product, &factor| {
        product.checked_mul(u64::try_from(factor).ok()?)
    })
}

/// `total` and the values of a parameter; `None` where that is more than [`LIMIT`].
pub(super) fn add_parameter(total: u64, shape: &[usize]) -> Option<u64> {
    total.checked_add(product(shape)?).filter(|&sum| sum <= LIMIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_that_overflow_are_none() {
        assert_eq!(product(&[3, 4, 5]), Some(60));
        assert_eq!(product(&[usize::MAX, 2]), None);
    }

    #[test]
    fn a_sum_of_parameters_has_a_limit() {
        assert_eq!(add_parameter(10, &[3, 4]), Some(22));
        assert_eq!(add_parameter(1, &[1 << 31]), None);
        assert_eq!(add_parameter(0, &[1 << 31]), Some(1 << 31));
    }
}
