//! Dropout (Srivastava et al. 2014), inverted: what is kept is scaled up, so that inference needs nothing.

use crate::random::Stream;
use burn::tensor::{Tensor, TensorData};

/// Sets each element of `x` to zero with probability `rate` and scales the others by 1 / (1 - rate).
///
/// The mask comes from `stream`, in element order: the same stream gives the same mask on every device.
pub(crate) fn dropout<const D: usize>(x: Tensor<D>, rate: f32, stream: &mut Stream) -> Tensor<D> {
    if rate <= 0.0 {
        return x;
    }
    let shape = x.dims();
    let keep = 1.0 / (1.0 - rate);
    let mask: Vec<f32> = (0..shape.iter().product())
        .map(|_| if stream.uniform() < rate { 0.0 } else { keep })
        .collect();
    let mask = Tensor::<D>::from_data(TensorData::new(mask, shape), &x.device());
    x * mask
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    fn dropped(rate: f32, seed: u64) -> Vec<f32> {
        let ones = Tensor::<2>::ones([100, 100], &Device::flex());
        let y = dropout(ones, rate, &mut Stream::new(seed, "dropout", 0));
        y.into_data().try_to_vec().unwrap()
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
    fn masks_follow_from_the_stream_alone() {
        assert_eq!(dropped(0.5, 1), dropped(0.5, 1));
        assert_ne!(dropped(0.5, 1), dropped(0.5, 2));
        assert_eq!(dropped(0.0, 1), vec![1.0; 10_000]);
    }
}
