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
