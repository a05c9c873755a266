//! Shapes whose product wraps around, and slices that do not fit: each safe function of this crate panics and reads nothing beyond them.

use std::panic::{AssertUnwindSafe, catch_unwind};

use stepladder_kernels::{
    Activation, BlurPool, BufferPool, ChannelScale, Context, Conv2d, Dense, DepthwiseConv2d, Epilogue,
    GlobalAveragePool, GroupedConv2d, Isa, LayerNorm, Multiply, Pool2d, PoolKind, Window,
};

/// Half of the bits of an address: the square of this wraps around to 0.
const HALF: usize = 1 << (usize::BITS / 2);
const QUARTER: usize = HALF / 2;

fn context() -> Context {
    Context::with_isa(Isa::Portable, 1).unwrap()
}

#[track_caller]
fn refuses(what: &str, work: impl FnOnce()) {
    assert!(
        catch_unwind(AssertUnwindSafe(work)).is_err(),
        "{what} went through"
    );
}

#[test]
fn maps_larger_than_memory_are_no_empty_slices() {
    let context = context();
    let context = &context;
    for (input, channels) in [
        ([HALF, HALF], 1),
        ([HALF, QUARTER], 2),
        ([1, HALF], HALF),
        ([usize::MAX, 1], 3),
        ([HALF, HALF], 0),
    ] {
        let window = Window::valid([1, 1], [QUARTER, QUARTER]);
        let mut output = [0.0_f32; 64];
        for kind in [PoolKind::Max, PoolKind::Average] {
            let pool = Pool2d {
                batch: 1,
                input,
                channels,
                window,
                kind,
            };
            refuses("pool", || {
                pool.forward::<f32>(context, &[], &mut output[..pool.output_len()])
            });
            refuses("pool backward", || {
                pool.backward::<f32>(context, &[], &[], &mut [])
            });
        }
        let blur = BlurPool {
            batch: 1,
            input,
            channels,
        };
        refuses("blur", || blur.forward::<f32>(context, &[], &mut []));
        let epilogue = Epilogue {
            batch: 1,
            input,
            channels,
            activation: Activation::Relu,
            pool: [input[0].clamp(1, QUARTER), input[1].clamp(1, QUARTER)],
        };
        refuses("epilogue", || {
            epilogue.forward::<f32>(context, &[], None, None, &mut [])
        });
        let depthwise = DepthwiseConv2d {
            batch: 1,
            input,
            channels,
            multiplier: 1,
            window,
        };
        refuses("depthwise", || {
            depthwise.forward::<f32>(context, &[], &[1.0], None, Activation::Linear, &mut [], None);
        });
        let conv = Conv2d {
            batch: 1,
            input,
            in_channels: channels,
            out_channels: 1,
            window,
        };
        refuses("convolution", || {
            conv.forward::<f32>(context, &[], &[], None, &mut [], None)
        });
        refuses("weight gradient", || {
            conv.weight_gradient::<f32>(context, &[], &[], &mut [], None);
        });
        let grouped = GroupedConv2d { conv, groups: 1 };
        refuses("grouped convolution", || {
            grouped.forward::<f32>(context, &[], &[], None, Activation::Linear, &mut [], None)
        });
    }
}

#[test]
fn rows_larger_than_memory_are_no_empty_slices() {
    let context = context();
    let context = &context;
    let mut rows = [0.0_f32; 4];
    let dense = Dense {
        batch: HALF,
        inputs: HALF,
        outputs: 1,
    };
    refuses("dense", || dense.forward::<f32>(context, &[], &[], None, &mut []));
    let norm = LayerNorm {
        rows: HALF,
        channels: HALF,
        epsilon: 1e-3,
    };
    refuses("layer norm", || {
        norm.forward::<f32>(context, &[], None, None, &mut [])
    });
    let scale = ChannelScale {
        rows: HALF,
        channels: HALF,
    };
    refuses("channel scale", || {
        scale.forward::<f32>(context, &[], &[], &mut [])
    });
    let mean = GlobalAveragePool {
        batch: 4,
        pixels: HALF,
        channels: HALF,
    };
    refuses("mean", || mean.forward::<f32>(context, &[], &mut rows));
    let product = Multiply {
        batch: HALF,
        pixels: [1, 1],
        channels: HALF,
    };
    refuses("product", || product.forward::<f32>(context, &[], &[], &mut []));
}

#[test]
fn windows_whose_padding_wraps_around_fit_on_no_map() {
    let window = Window {
        kernel: [usize::MAX, 1],
        stride: [1, 1],
        before: [usize::MAX - 1, 0],
        after: [usize::MAX - 1, 0],
    };
    refuses("window", || {
        let _ = window.output([4, 4]);
    });
    let same = Window::same([usize::MAX, usize::MAX], [usize::MAX, 1], [4, 4]);
    // Its padding ends where numbers do, and nothing wraps around.
    assert_eq!(same.output([4, 4]), [1, 1]);
}

#[test]
fn a_buffer_of_more_than_memory_is_none() {
    for length in [usize::MAX, usize::MAX - 63, isize::MAX as usize] {
        refuses("bytes", || drop(BufferPool::new().take::<u8>(length)));
        refuses("words", || drop(BufferPool::new().take::<u32>(length)));
    }
}

#[test]
fn packed_weights_know_their_instruction_set_and_strides() {
    let conv = Conv2d {
        batch: 1,
        input: [4, 4],
        in_channels: 8,
        out_channels: 32,
        window: Window::valid([1, 1], [1, 1]),
    };
    let weights: Vec<f32> = (0..conv.weights_len()).map(|i| i as f32).collect();
    let input = vec![1.0_f32; conv.input_len()];
    let best = Context::new(1).unwrap();
    let packed = conv.pack::<f32>(&best, &weights);
    let forward = |conv: &Conv2d, context: &Context| {
        let mut output = vec![0.0_f32; conv.output_len()];
        conv.forward_packed(context, &input, &packed, None, Activation::Linear, &mut output);
        output
    };
    assert_eq!(
        forward(&conv, &best)[0],
        (0..8).map(|channel| (32 * channel) as f32).sum::<f32>()
    );
    if best.isa() != Isa::Portable {
        refuses("another instruction set", || drop(forward(&conv, &context())));
    }
    let strided = Conv2d {
        window: Window::valid([1, 1], [2, 2]),
        ..conv
    };
    refuses("other strides", || drop(forward(&strided, &best)));
}
