//! Dense layers against plain loops in f64, on every instruction set of this CPU.

mod reference;

use half::bf16;
use proptest::prelude::*;
use reference::{Sum, assert_sums, contexts, random, rounded};
use stepladder_kernels::{Dense, Element};

fn check<E: Element>(shape: &Dense, seed: u64) {
    let input = random::<E>(seed, shape.batch * shape.inputs);
    let weights = random::<f32>(seed + 1, shape.inputs * shape.outputs);
    let bias = random::<f32>(seed + 2, shape.outputs);
    let gradient = random::<E>(seed + 3, shape.batch * shape.outputs);
    let w = rounded::<E>(&weights);
    let mut forward = vec![Sum::default(); gradient.len()];
    let mut by_input = vec![Sum::default(); input.len()];
    let mut by_weights = vec![Sum::default(); weights.len()];
    let mut by_bias = vec![Sum::default(); bias.len()];
    for n in 0..shape.batch {
        for o in 0..shape.outputs {
            let g = f64::from(gradient[n * shape.outputs + o].to_f32());
            forward[n * shape.outputs + o].add(f64::from(bias[o]));
            by_bias[o].add(g);
            for i in 0..shape.inputs {
                let x = f64::from(input[n * shape.inputs + i].to_f32());
                forward[n * shape.outputs + o].add(x * w[i * shape.outputs + o]);
                by_input[n * shape.inputs + i].add(g * w[i * shape.outputs + o]);
                by_weights[i * shape.outputs + o].add(g * x);
            }
        }
    }
    for context in contexts(2) {
        let mut output = vec![E::from_f32(f32::NAN); gradient.len()];
        shape.forward(&context, &input, &weights, Some(&bias), &mut output);
        assert_sums("forward", &context, &output, &forward);
        let mut output = vec![E::from_f32(f32::NAN); input.len()];
        shape.input_gradient(&context, &gradient, &weights, &mut output, false);
        assert_sums("input gradient", &context, &output, &by_input);
        let mut output = vec![f32::NAN; weights.len()];
        let mut sums = vec![f32::NAN; bias.len()];
        shape.weight_gradient(&context, &input, &gradient, &mut output, Some(&mut sums));
        assert_sums("weight gradient", &context, &output, &by_weights);
        assert_sums("bias gradient", &context, &sums, &by_bias);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn agrees(batch in 1..40_usize, inputs in 1..300_usize, outputs in 1..150_usize, seed in 0..1000_u64) {
        check::<f32>(&Dense { batch, inputs, outputs }, seed);
        check::<bf16>(&Dense { batch, inputs, outputs }, seed);
    }
}

#[test]
fn a_large_head() {
    check::<f32>(
        &Dense {
            batch: 32,
            inputs: 2049,
            outputs: 515,
        },
        1,
    );
    check::<bf16>(
        &Dense {
            batch: 32,
            inputs: 2049,
            outputs: 515,
        },
        1,
    );
}
