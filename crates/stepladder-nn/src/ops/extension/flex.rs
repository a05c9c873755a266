//! Flex's tensors as slices, and the context that kernels run in.

use burn::backend::flex::FlexTensor;
use burn::tensor::{Shape, TensorData};
use std::sync::LazyLock;
use stepladder_kernels::{Context, Isa, UnknownIsa};

/// One context for the process: its threads are those of the rayon pool around the call, as for Burn's own operations, and
/// its scratch memory serves every model.
static CONTEXT: LazyLock<Context> =
    LazyLock::new(|| Context::on_callers_pool(Isa::from_environment().unwrap_or_else(|_| Isa::detect())));

/// Where kernels run.
pub(super) fn context() -> &'static Context {
    &CONTEXT
}

/// The vector instructions that kernels use.
pub(crate) fn instruction_set() -> &'static str {
    context().isa().name()
}

/// An error if the environment caps the instruction set by a name that does not exist.
pub(crate) fn check_environment() -> Result<(), UnknownIsa> {
    Isa::from_environment().map(|_| ())
}

/// `tensor`, copied if it is a view whose values do not lie in order.
pub(super) fn in_order(tensor: &FlexTensor) -> FlexTensor {
    tensor.to_contiguous()
}

/// The values of a tensor from [`in_order`].
pub(super) fn values(tensor: &FlexTensor) -> &[f32] {
    tensor
        .as_slice()
        .expect("an f32 tensor whose values lie in order")
}

/// A new tensor of `shape`, filled by `fill`.
pub(super) fn filled(shape: impl Into<Shape>, fill: impl FnOnce(&mut [f32])) -> FlexTensor {
    let shape = shape.into();
    let mut values = vec![0.0; shape.num_elements()];
    fill(&mut values);
    FlexTensor::from_data(TensorData::new(values, shape))
}
