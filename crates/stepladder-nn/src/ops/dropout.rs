//! Dropout (Srivastava et al. 2014), inverted: what is kept is scaled up, so that inference needs nothing.

use super::extension::{self, Dropout};
use burn::tensor::{Tensor, TensorData};
use stepladder_kernels::elementwise;

/// Sets each element of `x` to zero with probability `rate` and scales the others by 1 / (1 - rate).
///
/// The mask follows from `key` and each element's place: the same on every device.
pub(crate) fn dropout<const D: usize>(x: Tensor<D>, rate: f32, key: u64) -> Tensor<D> {
    if rate <= 0.0 {
        x
    } else if extension::serve(&x) {
        extension::dropout(x, Dropout { key, rate })
    } else {
        composed_dropout(x, rate, key)
    }
}

/// [`dropout`] with the mask made on the host.
pub(super) fn composed_dropout<const D: usize>(x: Tensor<D>, rate: f32, key: u64) -> Tensor<D> {
    let shape = x.dims();
    let ones = vec![1.0; shape.iter().product()];
    let mut mask = vec![0.0; ones.len()];
    elementwise::dropout(extension::context(), key, rate, &ones, &mut mask);
    x.clone() * Tensor::<D>::from_data(TensorData::new(mask, shape), &x.device())
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    fn dropped(rate: f32, key: u64) -> Vec<f32> {
        let ones = Tensor::<2>::ones([100, 100], &Device::flex());
        dropout(ones, rate, key).into_data().try_to_vec().unwrap()
    }

    #[test]
    fn the_share_dropped_is_the_rate_and_the_mean_is_kept() {
        let y = dropped(0.25, 1);
        let zeros = y.iter().filter(|&&v| v == 0.0).count();
        assert!(
            (2300..2700).contains(&zeros),
            "{zeros} of 10,000 dropped at rate 0.25"
        );
        assert!(y.iter().all(|&v| v == 0.0 || (v - 4.0 / 3.0).abs() < 1e-6));
        let mean = y.iter().sum::<f32>() / 1e4;
        assert!((mean - 1.0).abs() < 0.05, "mean {mean}");
    }

    #[test]
    fn masks_follow_from_the_key_alone() {
        assert_eq!(dropped(0.5, 1), dropped(0.5, 1));
        assert_ne!(dropped(0.5, 1), dropped(0.5, 2));
        assert_eq!(dropped(0.0, 1), vec![1.0; 10_000]);
    }
}
