//! Kernels for training convolutional networks on the CPU, on plain slices, channels last (NHWC).
//!
//! Everything is Rust; the instruction set is chosen at run time ([`Isa`]). Activations are stored as `f32` or `bf16`
//! ([`Element`]); arithmetic, sums, statistics and weights are f32, with bf16 dot products where the CPU has them.
//! Results do not depend on the number of threads: see [`Context`].
//!
//! This crate alone may use `unsafe`; each block says why it is sound. Shapes are checked before any of them runs, and
//! a slice of the wrong length is a panic: callers compute shapes from the same structs.

#![allow(
    unsafe_code,
    reason = "vector intrinsics and writes to disjoint parts of a slice; see above"
)]
#![allow(
    clippy::needless_range_loop,
    reason = "arrays of sums are indexed by pixel and vector, side by side"
)]

pub mod activation;
mod allocator;
mod blur_pool;
mod buffer;
mod channel_scale;
mod compiled;
pub mod concatenate;
mod context;
mod conv;
mod dense;
mod depthwise;
pub mod elementwise;
mod epilogue;
mod isa;
mod layer_norm;
mod math;
mod multiply;
mod pool;
mod reduce;
mod shape;
mod simd;
mod team;
mod window;
mod workspace;

pub mod loss;
pub mod optimizer;
pub mod peak;

pub use activation::Activation;
pub use allocator::return_large_allocations;
pub use blur_pool::BlurPool;
pub use buffer::{Buffer, BufferPool, Plain};
pub use channel_scale::ChannelScale;
pub use context::{Context, ContextError};
pub use conv::{Conv2d, GroupedConv2d, PackedWeights, Statistics};
pub use dense::Dense;
pub use depthwise::DepthwiseConv2d;
pub use epilogue::{Affine, Epilogue, NormGradient};
pub use isa::{ISA_VARIABLE, Isa, UnknownIsa};
pub use layer_norm::{LayerNorm, LayerNormGradient};
pub use multiply::Multiply;
pub use pool::{GlobalAveragePool, Pool2d, PoolKind};
pub use reduce::{channel_statistics, channel_statistics_workspace};
pub use simd::Element;
pub use window::Window;
pub use workspace::Workspace;
