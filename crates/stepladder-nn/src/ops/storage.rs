//! How values are stored, and who reads them.

use super::extension;
use crate::precision::Precision;
use burn::tensor::{DType, FloatDType, Tensor};

/// `x` stored at `precision`.
pub(crate) fn convert<const D: usize>(x: Tensor<D>, precision: Precision) -> Tensor<D> {
    let (is, wanted) = match precision {
        Precision::F32 => (DType::F32, FloatDType::F32),
        Precision::Bf16 => (DType::BF16, FloatDType::BF16),
    };
    if x.dtype() == is {
        x
    } else if extension::serve(&x) {
        extension::convert(x, precision)
    } else {
        x.cast(wanted)
    }
}

/// `x` for two readers, both of which must have a part in the loss: their gradients are added on all threads.
pub(crate) fn fork<const D: usize>(x: Tensor<D>) -> (Tensor<D>, Tensor<D>) {
    if extension::serve(&x) {
        extension::fork(x)
    } else {
        (x.clone(), x)
    }
}
