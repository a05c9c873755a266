//! Prints what this machine can do: dot products per second on each instruction set, and memory bandwidth.

use std::time::Duration;

use stepladder_kernels::{Context, Isa, peak};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let threads = std::thread::available_parallelism()?.get();
    for isa in Isa::available() {
        let context = Context::with_isa(isa, threads)?;
        let time = Duration::from_millis(300);
        let f32 = peak::dot_product_peak(&context, false, time) / 1e9;
        let bf16 = peak::dot_product_peak(&context, true, time) / 1e9;
        println!("{isa:12} {threads} threads  f32 {f32:6.0} GFLOP/s  bf16 {bf16:6.0} GFLOP/s");
    }
    let context = Context::new(threads)?;
    let bandwidth = peak::copy_bandwidth(&context, 256 << 20, Duration::from_millis(500)) / 1e9;
    println!("memory, copy of 256 MiB: {bandwidth:.1} GB/s");
    Ok(())
}
