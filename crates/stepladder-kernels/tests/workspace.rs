//! A shape's workspace is what its passes take from the pool: with one thread exactly, with several at most.

mod reference;

use half::bf16;
use reference::random;
use stepladder_kernels::{
    Activation, Affine, ChannelScale, Context, Conv2d, Dense, DepthwiseConv2d, Element, Epilogue,
    GroupedConv2d, Isa, LayerNorm, LayerNormGradient, NormGradient, Pool2d, PoolKind, Statistics, Window,
    channel_statistics, channel_statistics_workspace, optimizer,
};

/// Runs a pass on a context with nothing reserved, and compares the peak with `told`. Then once more with that reserved.
fn check(what: &str, context: &Context, told: usize, mut pass: impl FnMut()) {
    let buffers = context.buffers();
    buffers.release();
    pass();
    let peak = buffers.peak_bytes();
    let what = format!("{what} on {}, {} threads", context.isa(), context.threads());
    if context.threads() == 1 {
        assert_eq!(peak, told, "{what}");
    } else {
        assert!(peak <= told, "{what}: {peak} bytes, not {told}");
    }
    assert_eq!(buffers.allocated_bytes(), 0, "{what}");
    buffers.reserve(told);
    pass();
    assert!(buffers.peak_bytes() <= told, "{what}");
    assert_eq!(buffers.allocated_bytes(), told, "{what}");
    buffers.release();
}

fn contexts() -> impl Iterator<Item = Context> {
    let isas = Isa::available().into_iter();
    isas.flat_map(|isa| [1, 2].map(|threads| Context::with_isa(isa, threads).unwrap()))
}

fn conv(
    batch: usize,
    input: [usize; 2],
    channels: [usize; 2],
    kernel: [usize; 2],
    stride: [usize; 2],
) -> Conv2d {
    Conv2d {
        batch,
        input,
        in_channels: channels[0],
        out_channels: channels[1],
        window: Window::same(kernel, stride, input),
    }
}

fn convolutions() -> Vec<Conv2d> {
    vec![
        // Few channels, unfolded along rows.
        conv(2, [17, 19], [3, 16], [3, 3], [1, 1]),
        conv(3, [20, 20], [3, 40], [7, 7], [2, 2]),
        conv(1, [9, 9], [1, 5], [5, 2], [1, 2]),
        // Products of pixels where they lie.
        conv(2, [14, 15], [8, 24], [3, 3], [1, 1]),
        conv(3, [13, 13], [20, 33], [3, 3], [2, 2]),
        conv(2, [11, 11], [31, 70], [5, 5], [1, 1]),
        conv(40, [7, 7], [24, 65], [1, 1], [1, 1]),
        conv(2, [20, 20], [32, 64], [1, 1], [1, 1]),
        conv(2, [20, 20], [64, 16], [1, 1], [2, 2]),
        conv(2, [9, 5], [6, 6], [1, 3], [3, 1]),
        // Winograd.
        conv(2, [13, 12], [32, 48], [3, 3], [1, 1]),
        conv(3, [19, 19], [64, 65], [3, 3], [1, 1]),
        conv(1, [2, 2], [40, 33], [3, 3], [1, 1]),
        // Work items that pack weights themselves.
        conv(1, [2, 2], [352, 340], [3, 3], [1, 1]),
        conv(3, [1, 1], [1100, 1001], [1, 1], [1, 1]),
    ]
}

fn check_convolution<E: Element>(conv: &Conv2d, context: &Context) {
    let workspace = conv.workspace::<E>(context.isa(), context.threads());
    let input = random::<E>(1, conv.input_len());
    let weights = random::<f32>(2, conv.weights_len());
    let bias = random::<f32>(3, conv.out_channels);
    let mut output = random::<E>(4, conv.output_len());
    let (mut mean, mut variance) = (bias.clone(), bias.clone());
    let what = |pass: &str| format!("{pass} of {conv:?}");
    check(&what("forward"), context, workspace.forward_bytes(), || {
        let statistics = Statistics {
            mean: &mut mean,
            variance: &mut variance,
        };
        conv.forward(
            context,
            &input,
            &weights,
            Some(&bias),
            &mut output,
            Some(statistics),
        );
    });
    let gradient = output.clone();
    // Packed by another context, whose pool keeps them.
    let other = Context::with_isa(context.isa(), 1).unwrap();
    let packed = conv.pack::<E>(&other, &weights);
    assert_eq!(
        packed.bytes(),
        other.buffers().allocated_bytes(),
        "{}",
        what("packing")
    );
    check(&what("inference"), context, workspace.inference_bytes(), || {
        let swish = Activation::Swish;
        conv.forward_packed(context, &input, &packed, Some(&bias), swish, &mut output);
    });
    let mut by_input = input.clone();
    let told = workspace.input_gradient_bytes();
    check(&what("input gradient"), context, told, || {
        conv.input_gradient(context, &gradient, &weights, &mut by_input, false);
    });
    let (mut by_weights, mut by_bias) = (weights.clone(), bias.clone());
    let told = workspace.weight_gradient_bytes();
    check(&what("weight gradient"), context, told, || {
        conv.weight_gradient(context, &input, &gradient, &mut by_weights, Some(&mut by_bias));
    });
}

#[test]
fn convolutions_take_their_workspace() {
    for context in contexts() {
        for conv in convolutions() {
            check_convolution::<f32>(&conv, &context);
            check_convolution::<bf16>(&conv, &context);
        }
    }
}

/// Checks the three passes of a convolution that is no plain one: its workspace, the lengths of its input, bias and output, and what its
/// gradient by the input is asked for besides.
macro_rules! check_passes {
    ($shape:expr, $element:ty, $context:expr, $workspace:expr, $lengths:expr $(, $besides:expr)?) => {{
        let (shape, context, workspace) = ($shape, $context, $workspace);
        let [inputs, channels, outputs] = $lengths;
        let input = random::<$element>(1, inputs);
        let weights = random::<f32>(2, shape.weights_len());
        let bias = random::<f32>(3, channels);
        let mut output = random::<$element>(4, outputs);
        let (mut mean, mut variance) = (bias.clone(), bias.clone());
        let what = |pass: &str| format!("{pass} of {shape:?}");
        for (told, has_statistics) in [(workspace.forward_bytes(), true), (workspace.inference_bytes(), false)] {
            check(&what("forward"), context, told, || {
                let statistics = has_statistics.then_some(Statistics {
                    mean: &mut mean,
                    variance: &mut variance,
                });
                let (bias, swish) = (Some(bias.as_slice()), Activation::Swish);
                shape.forward(context, &input, &weights, bias, swish, &mut output, statistics);
            });
        }
        let gradient = output.clone();
        let mut by_input = input.clone();
        check(&what("input gradient"), context, workspace.input_gradient_bytes(), || {
            shape.input_gradient(context, &gradient, &weights, &mut by_input $(, $besides)?);
        });
        let (mut by_weights, mut by_bias) = (weights.clone(), bias.clone());
        check(&what("weight gradient"), context, workspace.weight_gradient_bytes(), || {
            shape.weight_gradient(context, &input, &gradient, &mut by_weights, Some(&mut by_bias));
        });
    }};
}

fn check_grouped<E: Element>(shape: &GroupedConv2d, context: &Context) {
    let conv = &shape.conv;
    let workspace = shape.workspace::<E>(context.isa(), context.threads());
    let lengths = [conv.input_len(), conv.out_channels, conv.output_len()];
    check_passes!(shape, E, context, workspace, lengths, false);
}

#[test]
fn grouped_convolutions_take_their_workspace() {
    let shapes = [
        (conv(2, [14, 15], [24, 48], [3, 3], [1, 1]), 3),
        (conv(3, [13, 13], [32, 32], [3, 3], [2, 2]), 8),
        (conv(2, [9, 9], [64, 32], [1, 1], [1, 1]), 2),
        (conv(2, [9, 9], [6, 4], [5, 4], [1, 3]), 2),
        (conv(2, [9, 9], [3, 40], [3, 3], [1, 1]), 1),
    ];
    for context in contexts() {
        for (conv, groups) in shapes {
            check_grouped::<f32>(&GroupedConv2d { conv, groups }, &context);
            check_grouped::<bf16>(&GroupedConv2d { conv, groups }, &context);
        }
    }
}

fn check_depthwise<E: Element>(shape: &DepthwiseConv2d, context: &Context) {
    let lengths = [shape.input_len(), shape.out_channels(), shape.output_len()];
    check_passes!(shape, E, context, shape.workspace::<E>(), lengths);
}

#[test]
fn depthwise_convolutions_take_their_workspace() {
    let shape = |batch, input, channels, multiplier, kernel, stride| DepthwiseConv2d {
        batch,
        input,
        channels,
        multiplier,
        window: Window::same(kernel, stride, input),
    };
    let shapes = [
        shape(2, [14, 15], 24, 1, [3, 3], [1, 1]),
        shape(3, [13, 13], 33, 1, [3, 3], [2, 2]),
        shape(2, [9, 9], 8, 2, [5, 5], [1, 1]),
        shape(2, [9, 9], 7, 3, [3, 3], [2, 2]),
        shape(70, [40, 40], 1, 1, [1, 1], [1, 1]),
    ];
    for context in contexts() {
        for shape in &shapes {
            check_depthwise::<f32>(shape, &context);
            check_depthwise::<bf16>(shape, &context);
        }
    }
}

fn check_dense<E: Element>(shape: &Dense, context: &Context) {
    let workspace = shape.workspace::<E>(context.isa(), context.threads());
    let input = random::<E>(1, shape.batch * shape.inputs);
    let weights = random::<f32>(2, shape.inputs * shape.outputs);
    let bias = random::<f32>(3, shape.outputs);
    let gradient = random::<E>(4, shape.batch * shape.outputs);
    let (mut output, mut by_input) = (gradient.clone(), input.clone());
    let (mut by_weights, mut by_bias) = (weights.clone(), bias.clone());
    let what = |pass: &str| format!("{pass} of {shape:?}");
    let other = Context::with_isa(context.isa(), 1).unwrap();
    let packed = shape.pack::<E>(&other, &weights);
    check(&what("inference"), context, workspace.inference_bytes(), || {
        let relu = Activation::Relu;
        shape.forward_packed(context, &input, &packed, Some(&bias), relu, &mut output);
    });
    // It has no statistics.
    let forward = workspace.forward_bytes();
    let buffers = context.buffers();
    buffers.release();
    shape.forward(context, &input, &weights, Some(&bias), &mut output);
    assert!(buffers.peak_bytes() <= forward, "{}", what("forward"));
    let told = workspace.input_gradient_bytes();
    check(&what("input gradient"), context, told, || {
        shape.input_gradient(context, &gradient, &weights, &mut by_input, false);
    });
    let told = workspace.weight_gradient_bytes();
    check(&what("weight gradient"), context, told, || {
        shape.weight_gradient(context, &input, &gradient, &mut by_weights, Some(&mut by_bias));
    });
}

#[test]
fn dense_layers_take_their_workspace() {
    let shapes = [[1, 40, 3], [33, 300, 150], [4, 513, 1000], [3, 2049, 515]];
    for context in contexts() {
        for [batch, inputs, outputs] in shapes {
            let shape = Dense {
                batch,
                inputs,
                outputs,
            };
            check_dense::<f32>(&shape, &context);
            check_dense::<bf16>(&shape, &context);
        }
    }
}

fn check_epilogue<E: Element>(shape: &Epilogue, has_norm: bool, context: &Context) {
    let channels = shape.channels;
    let input = random::<E>(1, shape.input_len());
    let (mut output, mut by_input) = (random::<E>(2, shape.output_len()), input.clone());
    let values = random::<f32>(3, channels);
    let ones = vec![1.0; channels];
    let affine = Affine::new(&values, &values, &values, &ones, 1e-3);
    let (mut gamma, mut beta) = (values.clone(), values.clone());
    let what = |pass: &str| format!("{pass} of {shape:?}, norm {has_norm}");
    let workspace = shape.workspace::<E>(has_norm);
    check(&what("forward"), context, workspace.forward_bytes(), || {
        shape.forward(context, &input, Some(&affine), None, &mut output);
    });
    let told = workspace.input_gradient_bytes();
    check(&what("backward"), context, told, || {
        let norm = has_norm.then_some(NormGradient {
            mean: &values,
            variance: &ones,
            epsilon: 1e-3,
            of_batch: true,
            gamma: &mut gamma,
            beta: &mut beta,
        });
        shape.backward(
            context,
            &input,
            Some(&affine),
            norm,
            None,
            &output,
            &mut by_input,
            None,
        );
    });
}

#[test]
fn epilogues_take_their_workspace() {
    for context in contexts() {
        for activation in [Activation::Relu, Activation::Swish] {
            for pool in [[1, 1], [2, 2], [3, 1]] {
                let shape = Epilogue {
                    batch: 5,
                    input: [13, 9],
                    channels: 21,
                    activation,
                    pool,
                };
                for has_norm in [false, true] {
                    check_epilogue::<f32>(&shape, has_norm, &context);
                    check_epilogue::<bf16>(&shape, has_norm, &context);
                }
            }
        }
    }
}

fn check_rows<E: Element>(context: &Context) {
    let (rows, channels) = (3001, 70);
    let x = random::<E>(1, rows * channels);
    let mut to = x.clone();
    let mut sums = [vec![0.0; channels], vec![0.0; channels]];
    let gamma = vec![1.0; channels];
    let norm = LayerNorm {
        rows,
        channels,
        epsilon: 1e-3,
    };
    let workspace = norm.workspace();
    check("layer norm", context, workspace.forward_bytes(), || {
        norm.forward(context, &x, Some(&gamma), None, &mut to);
    });
    let told = workspace.input_gradient_bytes();
    check("layer norm's backward pass", context, told, || {
        let [gamma_gradient, beta_gradient] = &mut sums;
        let parameters = LayerNormGradient {
            gamma: Some(gamma_gradient),
            beta: Some(beta_gradient),
        };
        norm.backward(context, &x, Some(&gamma), &x, &mut to, parameters);
    });
    let scale = ChannelScale { rows, channels };
    let told = scale.workspace().input_gradient_bytes();
    check("scale's backward pass", context, told, || {
        scale.backward(context, &x, &gamma, &x, &mut to, &mut sums[0]);
    });
    let told = channel_statistics_workspace(rows, channels).forward_bytes();
    check("channel statistics", context, told, || {
        let [mean, variance] = &mut sums;
        channel_statistics(context, &x, channels, Statistics { mean, variance });
    });
    let pool = Pool2d {
        batch: 2,
        input: [15, 100],
        channels: 70,
        window: Window::valid([3, 3], [2, 2]),
        kind: PoolKind::Max,
    };
    let (input, gradient) = (&x[..pool.input_len()], &x[..pool.output_len()]);
    let told = pool.workspace(context.threads()).input_gradient_bytes();
    check("pooling's backward pass", context, told, || {
        pool.backward(context, input, gradient, &mut to[..input.len()]);
    });
}

#[test]
fn passes_over_rows_take_their_workspace() {
    for context in contexts() {
        check_rows::<f32>(&context);
        check_rows::<bf16>(&context);
        let slices = [vec![1.0; 50_001], vec![1.0; 3]];
        let slices: Vec<&[f32]> = slices.iter().map(Vec::as_slice).collect();
        let told = optimizer::global_norm_bytes(50_001);
        check("global norm", &context, told, || {
            optimizer::global_norm(&context, &slices);
        });
    }
}
