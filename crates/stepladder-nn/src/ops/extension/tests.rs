//! Each operation on kernels against the same operation composed of Burn's own, forward and gradients; and in bf16 against
//! itself in f32.

use crate::ops::convolution::{self, Next, Window};
use crate::ops::epilogue::{self, Norm, NormStatistics, Tail};
use crate::ops::{convert, dense, dropout, fork, loss, pooling};
use crate::precision::Precision;
use crate::targets::Targets;
use burn::tensor::{Device, Gradients, Tensor, TensorData};
use proptest::prelude::*;
use stepladder_model::{Activation, Padding};

/// Relative to the norm: f32 sums in another order.
const TOLERANCE: f64 = 2e-6;

/// Made-up values in [-1, 1), all different within a tensor, so that no maximum is shared.
fn tensor<const D: usize>(shape: [usize; D], seed: usize) -> Tensor<D> {
    let count: usize = shape.iter().product();
    let value = |i: usize| {
        let mixed = ((i + 1) * 0x9E37_79B1 + seed * 0x85EB_CA6B) as u32;
        (mixed ^ (mixed >> 15)).wrapping_mul(0x2C1B_3C6D) as f32 / 2_147_483_648.0 - 1.0
    };
    let values: Vec<f32> = (0..count).map(value).collect();
    Tensor::from_data(TensorData::new(values, shape), &Device::flex().autodiff())
}

/// Which values operands have.
enum Values {
    /// Those of [`tensor`].
    Signed,
    /// The same without their signs: sums of products are then the sums of the terms' magnitudes.
    Unsigned,
}

impl Values {
    fn tensor<const D: usize>(&self, shape: [usize; D], seed: usize) -> Tensor<D> {
        match self {
            Values::Signed => tensor(shape, seed),
            // Detached: a gradient is that of the operation alone.
            Values::Unsigned => tensor(shape, seed).abs().detach(),
        }
    }
}

fn host<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().try_to_vec().unwrap()
}

/// Asserts that the vectors are equal up to [`TOLERANCE`].
fn assert_close(what: &str, found: &[f32], expected: &[f32]) {
    assert_closer(what, found, expected, TOLERANCE);
}

/// Asserts that the vectors differ by at most `tolerance` of the expected one's norm.
fn assert_closer(what: &str, found: &[f32], expected: &[f32], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}: length");
    let norm = |v: &[f32]| v.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
    let difference: Vec<f32> = found.iter().zip(expected).map(|(a, b)| a - b).collect();
    let (error, scale) = (norm(&difference), norm(expected));
    assert!(
        error <= tolerance * scale.max(1e-6),
        "{what}: error {error:e}, norm {scale:e}"
    );
}

/// Reads one operand's gradient off a backward pass.
type ReadGradient<'a> = dyn Fn(&Gradients) -> Vec<f32> + 'a;

/// The output and the gradients by `operands` of a loss that weighs each output differently.
fn run<const D: usize>(output: Tensor<D>, operands: &[&ReadGradient]) -> Vec<Vec<f32>> {
    run_weighted(output, &Values::Signed, operands)
}

/// As [`run`], with the weights among `values`.
fn run_weighted<const D: usize>(
    output: Tensor<D>,
    values: &Values,
    operands: &[&ReadGradient],
) -> Vec<Vec<f32>> {
    let loss = (output.clone() * values.tensor(output.dims(), 99)).sum();
    let gradients = loss.backward();
    let mut all = vec![host(output.inner())];
    all.extend(operands.iter().map(|gradient| gradient(&gradients)));
    all
}

/// Asserts that sums of terms with the norm `magnitude`, taken without their signs, are equal: up to [`TOLERANCE`], or, where terms
/// have cancelled out, to two units in the last place of what they were.
fn assert_sums(what: &str, found: &[f32], expected: &[f32], magnitude: &[f32]) {
    let norm = |v: &[f32]| v.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
    let ratio = norm(magnitude) / norm(expected).max(1e-6);
    let last_places = 2.0 * f64::from(f32::EPSILON) * ratio;
    assert_closer(what, found, expected, TOLERANCE.max(last_places));
}

/// Asserts that `kernel` and `composed` give the same output and gradients of input, weights and bias.
fn compare_linear<const D: usize, const K: usize>(
    input: [usize; D],
    weights: [usize; K],
    bias: Option<usize>,
    kernel: impl Fn(Tensor<D>, Tensor<K>, Option<Tensor<1>>) -> Tensor<D>,
    composed: impl Fn(Tensor<D>, Tensor<K>, Option<Tensor<1>>) -> Tensor<D>,
) {
    type Operation<'a, const D: usize, const K: usize> =
        &'a dyn Fn(Tensor<D>, Tensor<K>, Option<Tensor<1>>) -> Tensor<D>;
    let results = |operation: Operation<'_, D, K>, values: &Values| {
        let x = values.tensor(input, 1).require_grad();
        let w = values.tensor(weights, 2).require_grad();
        let b = bias.map(|filters| values.tensor([filters], 3).require_grad());
        let y = operation(x.clone(), w.clone(), b.clone());
        run_weighted(
            y,
            values,
            &[
                &|gradients| host(x.grad(gradients).unwrap()),
                &|gradients| host(w.grad(gradients).unwrap()),
                &|gradients| b.as_ref().map_or(vec![], |b| host(b.grad(gradients).unwrap())),
            ],
        )
    };
    let found = results(&kernel, &Values::Signed);
    let expected = results(&composed, &Values::Signed);
    let magnitudes = results(&composed, &Values::Unsigned);
    for (at, what) in ["output", "input", "weights", "bias"].iter().enumerate() {
        assert_sums(what, &found[at], &expected[at], &magnitudes[at]);
    }
}

/// Asserts that `kernel` and `composed` give the same output and gradient.
fn compare_pool<const OUT: usize>(
    input: [usize; 4],
    kernel: impl Fn(Tensor<4>) -> Tensor<OUT>,
    composed: impl Fn(Tensor<4>) -> Tensor<OUT>,
) {
    let results = |operation: &dyn Fn(Tensor<4>) -> Tensor<OUT>| {
        let x = tensor(input, 1).require_grad();
        run(
            operation(x.clone()),
            &[&|gradients| host(x.grad(gradients).unwrap())],
        )
    };
    let (found, expected) = (results(&kernel), results(&composed));
    assert_close("output", &found[0], &expected[0]);
    assert_close("input", &found[1], &expected[1]);
}

fn windows() -> impl Strategy<Value = Window> {
    let size = prop_oneof![
        Just([1, 1]),
        Just([2, 2]),
        Just([3, 3]),
        Just([3, 2]),
        Just([5, 5])
    ];
    let padding = prop_oneof![Just(Padding::Valid), Just(Padding::Same)];
    (size, [1..=2_usize, 1..=2_usize], padding).prop_map(|(size, strides, padding)| Window {
        size,
        strides,
        padding,
    })
}

/// Batch, height, width and channels; no side is less than the largest window.
fn inputs() -> impl Strategy<Value = [usize; 4]> {
    [1..=3_usize, 5..=11_usize, 5..=11_usize, 1..=19_usize]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn conv2d_is_burns(input in inputs(), filters in 1..=35_usize, bias: bool, window in windows()) {
        let [kh, kw] = window.size;
        compare_linear(
            input,
            [kh, kw, input[3], filters],
            bias.then_some(filters),
            |x, w, b| convolution::conv2d(x, w, b, window, Next::Other).0,
            |x, w, b| convolution::composed_conv2d(x, w, b, window),
        );
    }

    #[test]
    fn depthwise_conv2d_is_burns(input in inputs(), multiplier in 1..=2_usize, bias: bool, window in windows()) {
        let [kh, kw] = window.size;
        compare_linear(
            input,
            [kh, kw, input[3], multiplier],
            bias.then_some(input[3] * multiplier),
            |x, w, b| convolution::depthwise_conv2d(x, w, b, window, Next::Other).0,
            |x, w, b| convolution::composed_depthwise_conv2d(x, w, b, window),
        );
    }

    #[test]
    fn dense_is_burns(batch in 1..=5_usize, inputs in 1..=300_usize, units in 1..=40_usize, bias: bool) {
        compare_linear(
            [batch, inputs],
            [inputs, units],
            bias.then_some(units),
            |x, w, b| dense(x, w, b, Next::Other).0,
            dense::composed_dense,
        );
    }

    #[test]
    fn pooling_is_burns(input in inputs(), window in windows()) {
        compare_pool(
            input,
            |x| pooling::max_pool(x, window),
            |x| pooling::composed_max_pool(x, window),
        );
        compare_pool(
            input,
            |x| pooling::average_pool(x, window),
            |x| pooling::composed_average_pool(x, window),
        );
        compare_pool(
            input,
            pooling::global_average_pool,
            pooling::composed_global_average_pool,
        );
    }
}

fn activations() -> impl Strategy<Value = Activation> {
    prop_oneof![
        Just(Activation::Linear),
        Just(Activation::Relu),
        Just(Activation::LeakyRelu { negative_slope: 0.3 }),
        Just(Activation::Swish)
    ]
}

/// The output and the gradients by input, gamma, beta and skip of an epilogue that has all of them; and the statistics.
fn finished(
    shape: [usize; 4],
    tail: Tail,
    [has_norm, has_skip]: [bool; 2],
    precision: Precision,
    operation: impl Fn(Tensor<4>, Option<Norm>, Option<Tensor<4>>, Tail) -> (Tensor<4>, Option<[Tensor<1>; 2]>),
) -> Vec<Vec<f32>> {
    let [.., channels] = shape;
    let x = tensor(shape, 1).require_grad();
    let skip = tensor(shape, 2).require_grad();
    let [gamma, beta] = [3, 4].map(|seed| tensor([channels], seed).require_grad());
    let norm = has_norm.then(|| Norm {
        gamma: gamma.clone(),
        beta: beta.clone(),
        epsilon: 1e-3,
        statistics: NormStatistics::Batch(None),
    });
    let stored = |x: &Tensor<4>| convert(x.clone(), precision);
    let (y, statistics) = operation(stored(&x), norm, has_skip.then(|| stored(&skip)), tail);
    let gradient = |of: Option<Tensor<4>>| of.map_or(vec![], host);
    let mut all = run(
        convert(y, Precision::F32),
        &[
            &|gradients| gradient(x.grad(gradients)),
            &|gradients| gradient(skip.grad(gradients)),
            &|gradients| gamma.grad(gradients).map_or(vec![], host),
            &|gradients| beta.grad(gradients).map_or(vec![], host),
        ],
    );
    all.extend(statistics.into_iter().flatten().map(host));
    all
}

const FINISHED: [&str; 7] = ["output", "input", "skip", "gamma", "beta", "mean", "variance"];

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn epilogues_are_burns(
        shape in inputs(), activation in activations(), pool in [1..=3_usize, 1..=3_usize], parts: [bool; 2],
    ) {
        let tail = Tail { activation, pool };
        let found = finished(shape, tail, parts, Precision::F32, epilogue::epilogue);
        let expected = finished(shape, tail, parts, Precision::F32, epilogue::composed_epilogue);
        prop_assert_eq!(found.len(), expected.len());
        for ((what, found), expected) in FINISHED.iter().zip(&found).zip(&expected) {
            // A batch norm's gradient is a difference of sums that nearly cancel.
            assert_closer(what, found, expected, 2e-5);
        }
    }
}

/// In bf16 the same block gives the same up to its precision: 8 bits, and the rounding of what was stored on the way.
#[test]
fn bf16_blocks_are_f32_blocks_rounded() {
    let tail = Tail {
        activation: Activation::Swish,
        pool: [2, 2],
    };
    let run = |precision| finished([3, 8, 9, 20], tail, [true, true], precision, epilogue::epilogue);
    let (found, expected) = (run(Precision::Bf16), run(Precision::F32));
    for ((what, found), expected) in FINISHED.iter().zip(&found).zip(&expected) {
        assert_closer(what, found, expected, 0.03);
    }
    let window = Window::new([3, 3], [1, 1], Padding::Same);
    let convolved = |precision| {
        let x = tensor([2, 9, 8, 19], 1).require_grad();
        let w = tensor([3, 3, 19, 24], 2).require_grad();
        let (y, statistics) = convolution::conv2d(
            convert(x.clone(), precision),
            w.clone(),
            None,
            window,
            Next::BatchNorm,
        );
        let mut all = run_twice(convert(y, Precision::F32), &x, &w);
        all.extend(statistics.unwrap().map(|figure| host(figure.inner())));
        all
    };
    let (found, expected) = (convolved(Precision::Bf16), convolved(Precision::F32));
    for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
        assert_closer(&format!("convolution, {i}"), found, expected, 0.03);
    }
}

/// The output, and the gradients by `x` and `w`.
fn run_twice(y: Tensor<4>, x: &Tensor<4>, w: &Tensor<4>) -> Vec<Vec<f32>> {
    run(
        y,
        &[&|gradients| host(x.grad(gradients).unwrap()), &|gradients| {
            host(w.grad(gradients).unwrap())
        }],
    )
}

/// Statistics that a convolution leaves behind are those of its output.
#[test]
fn convolutions_leave_their_statistics_behind() {
    let window = Window::new([3, 3], [2, 2], Padding::Same);
    let b = tensor([21], 3);
    let (y, statistics) = convolution::conv2d(
        tensor([3, 9, 7, 5], 1),
        tensor([3, 3, 5, 21], 2),
        Some(b),
        window,
        Next::BatchNorm,
    );
    for (left, found) in statistics.unwrap().into_iter().zip(super::statistics(y)) {
        assert_closer("statistics", &host(left.inner()), &host(found.inner()), 1e-5);
    }
}

#[test]
fn dropout_masks_the_gradient_as_the_value() {
    let dropped = |dropout: &dyn Fn(Tensor<2>) -> Tensor<2>| {
        let x = tensor([7, 33], 1).require_grad();
        run(
            dropout(x.clone()),
            &[&|gradients| host(x.grad(gradients).unwrap())],
        )
    };
    let found = dropped(&|x| dropout(x, 0.4, 99));
    let expected = dropped(&|x| dropout::composed_dropout(x, 0.4, 99));
    assert_close("output", &found[0], &expected[0]);
    assert_close("input", &found[1], &expected[1]);
    assert!(found[1].contains(&0.0) && found[1].iter().any(|x| *x != 0.0));
}

#[test]
fn a_fork_adds_its_readers_gradients() {
    let doubled = |way: &dyn Fn(Tensor<2>) -> (Tensor<2>, Tensor<2>)| {
        let x = tensor([5, 17], 1).require_grad();
        let (a, b) = way(x.clone());
        run(
            a.square() + b * 3.0,
            &[&|gradients| host(x.grad(gradients).unwrap())],
        )
    };
    let (found, expected) = (doubled(&fork), doubled(&|x| (x.clone(), x)));
    assert_close("output", &found[0], &expected[0]);
    assert_close("input", &found[1], &expected[1]);
}

#[test]
fn cross_entropy_is_burns() {
    let losses = |loss: &dyn Fn(Tensor<2>) -> Tensor<1>| {
        let logits = tensor([4, 3], 1).require_grad();
        run(
            loss(logits.clone()) * 2.0,
            &[&|gradients| host(logits.grad(gradients).unwrap())],
        )
    };
    let targets = Targets {
        labels: vec![2, 0, 1, 1],
        mixed: vec![(0, 0.75), (1, 0.5), (1, 0.25), (2, 1.0)],
        weights: vec![1.0, 2.0, 0.5, 0.0],
    };
    let found = losses(&|logits| loss::cross_entropy(logits, &targets, 0.1, 9));
    let expected = losses(&|logits| loss::composed_cross_entropy(logits, &targets, 0.1, 9));
    assert_close("loss", &found[0], &expected[0]);
    assert_close("logits", &found[1], &expected[1]);
}

/// A view's values do not lie in order: kernels must see them as the view does.
#[test]
fn views_are_read_in_their_own_order() {
    let window = Window {
        size: [3, 3],
        strides: [1, 1],
        padding: Padding::Same,
    };
    compare_linear(
        [2, 5, 6, 7],
        [3, 3, 7, 4],
        Some(4),
        |x, w, b| convolution::conv2d(flip(x), w, b, window, Next::Other).0,
        |x, w, b| convolution::composed_conv2d(flip(x), w, b, window),
    );
    compare_pool(
        [2, 5, 6, 7],
        |x| pooling::max_pool(flip(x), window),
        |x| pooling::composed_max_pool(flip(x), window),
    );
}

fn flip(x: Tensor<4>) -> Tensor<4> {
    x.permute([0, 2, 1, 3])
}

/// An input without a gradient, as the photos are, leaves the others' gradients as they were.
#[test]
fn an_untracked_input_gets_no_gradient() {
    let window = Window {
        size: [3, 3],
        strides: [2, 2],
        padding: Padding::Valid,
    };
    let x = tensor([2, 9, 9, 3], 1);
    let w = tensor([3, 3, 3, 8], 2).require_grad();
    let weights = |y: Tensor<4>| run(y, &[&|gradients| host(w.grad(gradients).unwrap())]);
    let found = weights(convolution::conv2d(x.clone(), w.clone(), None, window, Next::Other).0);
    let expected = weights(convolution::composed_conv2d(x, w.clone(), None, window));
    assert_close("output", &found[0], &expected[0]);
    assert_close("weights", &found[1], &expected[1]);
}

/// The same bits on one thread and on three.
#[test]
fn threads_change_nothing() {
    let window = Window {
        size: [3, 3],
        strides: [1, 1],
        padding: Padding::Same,
    };
    let bits = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| {
            let x = tensor([4, 17, 15, 16], 1).require_grad();
            let w = tensor([3, 3, 16, 32], 2).require_grad();
            let (y, _) = convolution::conv2d(x.clone(), w.clone(), None, window, Next::Other);
            let y = pooling::max_pool(
                y,
                Window {
                    size: [2, 2],
                    strides: [2, 2],
                    ..window
                },
            );
            run(
                y,
                &[&|gradients| host(x.grad(gradients).unwrap()), &|gradients| {
                    host(w.grad(gradients).unwrap())
                }],
            )
        })
    };
    assert_eq!(bits(1), bits(3));
}
