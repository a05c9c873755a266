//! Flex's tensors as slices of f32 or bf16, and the context that kernels run in.

use burn::backend::flex::FlexTensor;
use burn::tensor::{AllocationProperty, Bytes, Element as BurnElement, Shape, TensorData, bf16};
use std::sync::LazyLock;
use stepladder_kernels::{Buffer, BufferPool, Context, Element, Isa, UnknownIsa};

/// One context for the process: its threads are those of the rayon pool around the call, as for Burn's own operations, and
/// its memory serves every model.
static CONTEXT: LazyLock<Context> =
    LazyLock::new(|| Context::on_callers_pool(Isa::from_environment().unwrap_or_else(|_| Isa::detect())));

/// Where kernels run.
pub(crate) fn context() -> &'static Context {
    &CONTEXT
}

/// [`Context::together`] of that context.
pub(crate) fn together<R: Send>(step: impl FnOnce() -> R + Send) -> R {
    context().together(step)
}

/// The memory of all kernels.
pub(crate) fn buffers() -> &'static BufferPool {
    context().buffers()
}

/// The vector instructions that kernels use.
pub(crate) fn instruction_set() -> Isa {
    context().isa()
}

/// An error if the environment caps the instruction set by a name that does not exist.
pub(crate) fn check_environment() -> Result<(), UnknownIsa> {
    Isa::from_environment().map(|_| ())
}

/// How a tensor that kernels work on is stored.
pub(super) trait Storage: Element + BurnElement + bytemuck::Pod {}

impl Storage for f32 {}
impl Storage for bf16 {}

/// Evaluates an expression with `$E` standing for the storage type of a tensor.
macro_rules! with_storage {
    ($tensor:expr, $E:ident => $result:expr) => {
        match burn::backend::TensorMetadata::dtype($tensor) {
            burn::tensor::DType::F32 => {
                type $E = f32;
                $result
            }
            burn::tensor::DType::BF16 => {
                type $E = burn::tensor::bf16;
                $result
            }
            other => panic!("kernels work on f32 and bf16, not on {other:?}"),
        }
    };
}
pub(super) use with_storage;

/// `tensor`, copied if it is a view whose values do not lie in order.
pub(super) fn in_order(tensor: &FlexTensor) -> FlexTensor {
    tensor.to_contiguous()
}

/// The values of a tensor from [`in_order`] that is stored as `E`.
pub(super) fn values<E: Storage>(tensor: &FlexTensor) -> &[E] {
    tensor
        .as_slice()
        .expect("a tensor of the operation's storage type, whose values lie in order")
}

/// A new tensor of `shape`, filled by `fill`, which finds old values in it. Its memory comes from the context's buffers and
/// goes back there, so that a step does not ask the system for what the last step had.
pub(super) fn filled<E: Storage>(shape: impl Into<Shape>, fill: impl FnOnce(&mut [E])) -> FlexTensor {
    let shape = shape.into();
    let mut buffer: Buffer<E> = context().buffers().take(shape.num_elements());
    fill(&mut buffer);
    let bytes = bytes::Bytes::from_owner(buffer);
    let bytes = Bytes::from_shared(bytes, AllocationProperty::Other);
    FlexTensor::from_data(TensorData::from_bytes(bytes, shape, E::dtype()))
}

/// A tensor without values, for an operand or a result that an operation does not have.
pub(super) fn nothing() -> FlexTensor {
    FlexTensor::from_data(TensorData::new(Vec::<f32>::new(), [0]))
}
