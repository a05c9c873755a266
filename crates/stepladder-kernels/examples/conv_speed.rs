//! Prints GFLOP/s of convolutions and their share of the machine's dot-product peak, measured in turns so that both see
//! the same machine. With one thread, its CPU time is taken where Linux tells it, so that other programs disturb less. Arguments: threads (default: all), and part of a shape's name to run only those.

use std::time::Instant;

use half::bf16;
use stepladder_kernels::{Context, Conv2d, Element, Window, peak};

fn conv(batch: usize, size: usize, channels: [usize; 2], kernel: usize, stride: usize) -> Conv2d {
    let window = Window::same([kernel, kernel], [stride, stride], [size, size]);
    Conv2d {
        batch,
        input: [size, size],
        in_channels: channels[0],
        out_channels: channels[1],
        window,
    }
}

fn shapes() -> Vec<(&'static str, Conv2d)> {
    vec![
        ("first, 128 px", conv(16, 128, [3, 32], 3, 1)),
        ("first 7x7/2, 128 px", conv(32, 128, [3, 64], 7, 2)),
        ("32-64, 64 px", conv(16, 64, [32, 64], 3, 1)),
        ("T32-64 b1", conv(1, 64, [32, 64], 3, 1)),
        ("T32-64 b1 s24", conv(1, 32, [32, 64], 3, 1)),
        ("T32-64 b4", conv(4, 64, [32, 64], 3, 1)),
        ("T1x1 64-128, b1", conv(1, 32, [64, 128], 1, 1)),
        ("64-64, 32 px", conv(32, 32, [64, 64], 3, 1)),
        ("64-128, 32 px", conv(16, 32, [64, 128], 3, 1)),
        ("128-128, 16 px", conv(32, 16, [128, 128], 3, 1)),
        ("64-128/2, 32 px", conv(32, 32, [64, 128], 3, 2)),
        ("256-256, 8 px", conv(32, 8, [256, 256], 3, 1)),
        ("512-512, 4 px", conv(32, 4, [512, 512], 3, 1)),
        ("48-48, 28 px", conv(16, 28, [48, 48], 3, 1)),
        ("1x1 32-64, 64 px", conv(32, 64, [32, 64], 1, 1)),
        ("1x1 64-128, 32 px", conv(32, 32, [64, 128], 1, 1)),
        ("1x1 512-512, 8 px", conv(32, 8, [512, 512], 1, 1)),
        ("1x1/2 64-128, 32 px", conv(32, 32, [64, 128], 1, 2)),
        ("dense 4096-4096", conv(32, 1, [4096, 4096], 1, 1)),
        ("5x5 32-32, 32 px", conv(16, 32, [32, 32], 5, 1)),
    ]
}

/// Seconds, of this thread's CPU time if `cpu`, since any fixed moment.
fn now(cpu: bool, start: Instant) -> f64 {
    let nanoseconds = || -> Option<f64> {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
        text.split_whitespace().next()?.parse().ok()
    };
    match nanoseconds() {
        Some(nanoseconds) if cpu => nanoseconds / 1e9,
        _ => start.elapsed().as_secs_f64(),
    }
}

/// The median of several runs of each kind, in turns with the peak.
fn measure<E: Element>(context: &Context, conv: &Conv2d) -> [f64; 4] {
    // Aligned as they are in a network.
    let mut input = context.buffers().take::<E>(conv.input_len());
    input.fill(E::from_f32(0.5));
    let weights = vec![0.01_f32; conv.weights_len()];
    let mut output = context.buffers().take::<E>(conv.output_len());
    let mut gradient = context.buffers().take::<E>(conv.output_len());
    gradient.fill(E::from_f32(0.25));
    let mut by_input = context.buffers().take::<E>(conv.input_len());
    let mut by_weights = weights.clone();
    // As a network does, so that passes find memory that is warm.
    let workspace = conv.workspace::<E>(context.isa(), context.threads());
    let passes = [
        workspace.forward_bytes(),
        workspace.input_gradient_bytes(),
        workspace.weight_gradient_bytes(),
    ];
    context.buffers().release();
    context.buffers().reserve(passes.into_iter().fold(0, usize::max));
    let operations = 2.0 * conv.multiply_adds() as f64;
    let origin = Instant::now();
    let cpu = context.threads() == 1;
    let mut rates = [const { Vec::new() }; 4];
    let mut time = |kind: usize, operations: f64, run: &mut dyn FnMut()| {
        let (start, mut runs) = (now(cpu, origin), 0);
        while runs == 0 || now(cpu, origin) - start < 0.1 {
            run();
            runs += 1;
        }
        rates[kind].push(operations * f64::from(runs) / (now(cpu, origin) - start));
    };
    for _ in 0..7 {
        let rounds = 400_000;
        time(
            0,
            peak::dot_product_operations(context, E::BF16, rounds),
            &mut || {
                peak::dot_products(context, E::BF16, rounds);
            },
        );
        time(1, operations, &mut || {
            conv.forward(context, &input, &weights, None, &mut output, None)
        });
        time(2, operations, &mut || {
            conv.input_gradient(context, &gradient, &weights, &mut by_input, false)
        });
        time(3, operations, &mut || {
            conv.weight_gradient(context, &input, &gradient, &mut by_weights, None)
        });
    }
    rates.map(|mut rates| {
        rates.sort_by(f64::total_cmp);
        rates[rates.len() / 2]
    })
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let threads = match arguments.next() {
        Some(threads) => threads.parse()?,
        None => std::thread::available_parallelism()?.get(),
    };
    let only = arguments.next().unwrap_or_default();
    let context = Context::new(threads)?;
    println!("{}, {threads} threads; GFLOP/s (share of peak)", context.isa());
    println!(
        "{:20} {:5} {:>6} {:>12} {:>14} {:>15}",
        "shape", "type", "peak", "forward", "input gradient", "weight gradient"
    );
    for (name, conv) in shapes().into_iter().filter(|(name, _)| name.contains(&only)) {
        for bf16_storage in [true, false] {
            let best = context.enter(|| {
                if bf16_storage {
                    measure::<bf16>(&context, &conv)
                } else {
                    measure::<f32>(&context, &conv)
                }
            });
            let kind = if bf16_storage { "bf16" } else { "f32" };
            let cell = |i: usize| format!("{:.0} ({:.0}%)", best[i] / 1e9, 100.0 * best[i] / best[0]);
            println!(
                "{name:20} {kind:5} {:6.0} {:>12} {:>14} {:>15}",
                best[0] / 1e9,
                cell(1),
                cell(2),
                cell(3)
            );
        }
    }
    Ok(())
}
