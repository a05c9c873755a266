//! Where kernels become machine code: here, once for each type of [`crate::Element`] and instruction set.
//!
//! A generic function is compiled in each crate that calls it. Passes are generic, so that every program and test on top of this crate would
//! compile all kernels again, in minutes. They call a kernel through [`Compiled`] instead, whose methods are not generic.

use half::bf16;

use crate::{
    activation::{self, Activation},
    blur_pool,
    buffer::Buffer,
    channel_scale, conv, depthwise, elementwise, epilogue,
    isa::Isa,
    layer_norm, multiply, pool, reduce,
    workspace::Workspace,
};

/// Declares [`Compiled`]: for each kernel the name that it is called by, its type, and what it returns.
macro_rules! compiled {
    ($($name:ident: $kernel:ty $(=> $output:ty)?;)*) => {
        /// The kernels of a storage type.
        pub(crate) trait Compiled: Sized {
            $(
                /// Runs the kernel of this name on an instruction set.
                fn $name(isa: Isa, kernel: $kernel) $(-> $output)?;
            )*
            /// Runs the forward pass of an epilogue.
            fn epilogue_forward(activation: Activation, pass: epilogue::Forward<'_, Self>);
            /// Runs the backward pass of an epilogue.
            fn epilogue_backward(activation: Activation, pass: epilogue::Backward<'_, Self>);
        }

        compiled!(@ f32: $($name: $kernel $(=> $output)?;)*);
        compiled!(@ bf16: $($name: $kernel $(=> $output)?;)*);
    };
    (@ $element:ty: $($name:ident: $kernel:ty $(=> $output:ty)?;)*) => {
        impl Compiled for $element {
            $(
                fn $name(isa: Isa, kernel: $kernel) $(-> $output)? {
                    isa.run(kernel)
                }
            )*

            fn epilogue_forward(activation: Activation, pass: epilogue::Forward<'_, Self>) {
                activation.apply(pass);
            }

            fn epilogue_backward(activation: Activation, pass: epilogue::Backward<'_, Self>) {
                activation.apply(pass);
            }
        }
    };
}

compiled! {
    conv_pack: conv::Pack<'_, Self> => Buffer<u32>;
    conv_multiply: conv::Multiply<'_, '_, Self>;
    conv_reduce: conv::Reduce<'_, Self>;
    conv_measure: conv::Measure<'_, Self> => Workspace;
    winograd_pack: conv::WinogradPack<'_, Self> => Buffer<u32>;
    winograd_multiply: conv::WinogradMultiply<'_, '_, Self>;
    winograd_reduce: conv::WinogradReduce<'_, Self>;
    depthwise_forward: depthwise::Forward<'_, Self>;
    depthwise_gather: depthwise::Gather<'_, Self>;
    depthwise_reduce: depthwise::Reduce<'_, Self>;
    pool_forward: pool::Forward<'_, Self>;
    pool_backward: pool::Backward<'_, Self>;
    pool_mean: pool::Mean<'_, Self>;
    channel_sums: reduce::ChannelSums<'_, Self>;
    activation_forward: activation::Forward<'_, Self>;
    activation_backward: activation::Backward<'_, Self>;
    layer_norm_forward: layer_norm::Forward<'_, Self>;
    layer_norm_backward: layer_norm::Backward<'_, Self>;
    channel_scale_forward: channel_scale::Forward<'_, Self>;
    channel_scale_backward: channel_scale::Backward<'_, Self>;
    multiply: multiply::Product<'_, Self>;
    multiply_sums: multiply::Sums<'_, Self>;
    blur_pool: blur_pool::Gather<'_, Self>;
    accumulate: elementwise::Accumulate<'_, Self>;
    scale: elementwise::Scale<'_, Self>;
    dropout: elementwise::Dropout<'_, Self>;
}
