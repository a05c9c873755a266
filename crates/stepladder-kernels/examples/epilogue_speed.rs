//! Prints the time of epilogues (batch norm, activation, max pooling), forward and backward, for maps that fit into the caches and
//! maps that do not: the least of five tries. Argument: threads (default: 2).

use std::time::Instant;
use stepladder_kernels::{Activation, Affine, Context, Epilogue, NormGradient};

fn main() {
    let context = Context::new(std::env::args().nth(1).map_or(2, |n| n.parse().expect("threads")))
        .expect("a thread pool");
    for (batch, side, channels) in [(4, 16, 64), (32, 64, 64), (32, 32, 128), (32, 8, 512)] {
        for (name, activation) in [
            ("relu", Activation::Relu),
            ("leaky relu", Activation::LeakyRelu { slope: 0.3 }),
            ("swish", Activation::Swish),
            ("hard swish", Activation::HardSwish),
        ] {
            for pool in [[1, 1], [2, 2]] {
                measure(
                    &context,
                    name,
                    Epilogue {
                        batch,
                        input: [side, side],
                        channels,
                        activation,
                        pool,
                    },
                );
            }
        }
    }
}

fn measure(context: &Context, name: &str, shape: Epilogue) {
    let x: Vec<f32> = (0..shape.input_len())
        .map(|i| ((i * 7919) % 1000) as f32 / 250.0 - 2.0)
        .collect();
    let dy: Vec<f32> = (0..shape.output_len())
        .map(|i| ((i * 31) % 1000) as f32 / 500.0 - 1.0)
        .collect();
    let mut y = vec![0f32; shape.output_len()];
    let mut dx = vec![0f32; shape.input_len()];
    let c = shape.channels;
    let affine = Affine {
        scale: vec![1.1; c],
        shift: vec![0.1; c],
    };
    let (mean, variance) = (vec![0.0; c], vec![1.0; c]);
    let (mut gamma, mut beta) = (vec![0.0; c], vec![0.0; c]);
    let times = (100_000_000 / shape.input_len()).clamp(5, 2000);
    let best = |f: &mut dyn FnMut()| {
        f();
        (0..5)
            .map(|_| {
                let t = Instant::now();
                for _ in 0..times / 5 {
                    f();
                }
                t.elapsed().as_secs_f64() / (times / 5) as f64
            })
            .fold(f64::MAX, f64::min)
    };
    let forward = best(&mut || shape.forward(context, &x, Some(&affine), None, &mut y));
    let backward = best(&mut || {
        let norm = NormGradient {
            mean: &mean,
            variance: &variance,
            epsilon: 1e-3,
            of_batch: true,
            gamma: &mut gamma,
            beta: &mut beta,
        };
        shape.backward(context, &x, Some(&affine), Some(norm), None, &dy, &mut dx, None);
    });
    let vectors = shape.input_len() as f64 / 8.0;
    println!(
        "{:?} {channels} {name} {:?}: forward {:.3} ms ({:.2} ns a vector and thread), backward {:.3} ms ({:.2})",
        shape.input,
        shape.pool,
        forward * 1e3,
        forward * 2e9 / vectors,
        backward * 1e3,
        backward * 2e9 / vectors,
        channels = c
    );
}
