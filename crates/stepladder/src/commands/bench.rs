//! `stepladder bench`: how fast a rung trains and answers on this machine, and what share of the machine's peak that is.

use super::threads;
use crate::Ending;
use crate::arguments::{BenchArguments, Measured};
use crate::terminal::{Output, ProgressBar, bytes, count, percent, profile_table};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use stepladder_model::{ImageSize, Rung, RungCatalog};
use stepladder_train::{BENCHMARK_ROUNDS, Benchmark, BenchmarkPart, BenchmarkRequest, Speed, benchmark};

/// The short side where neither the user nor a smaller rung says one, for the deck's 512 pixels take minutes on a CPU.
const USUAL_SIZE: usize = 128;

pub(crate) fn bench(arguments: BenchArguments, output: &Output) -> anyhow::Result<Ending> {
    let request = request(&arguments)?;
    let timed = request
        .parts
        .iter()
        .filter(|part| **part != BenchmarkPart::Machine);
    let bar = ProgressBar::new(output);
    bar.begin(
        (timed.count() * BENCHMARK_ROUNDS) as u64,
        format!("measuring {}", request.rung.name),
    );
    let done = AtomicU64::new(0);
    let result = benchmark(&request, &|| bar.set(done.fetch_add(1, Ordering::Relaxed) + 1));
    bar.clear();
    let result = result?;
    show(&result, output);
    output.json(&result)?;
    Ok(Ending::Done)
}

/// What the words on the command line mean.
fn request(arguments: &BenchArguments) -> anyhow::Result<BenchmarkRequest> {
    let seconds = arguments.seconds;
    let time = Duration::try_from_secs_f64(seconds).ok();
    let time = time.filter(|time| (Duration::from_millis(1)..=Duration::from_secs(3600)).contains(time));
    let time =
        time.ok_or_else(|| anyhow::anyhow!("--seconds {seconds} is no time to measure; give 0.001 to 3600"))?;
    let rung = rung(arguments)?;
    use BenchmarkPart::{Inference, Machine, Training};
    Ok(BenchmarkRequest {
        size: arguments.size.unwrap_or_else(|| usual_size(rung.input.size)),
        rung,
        classes: arguments.classes,
        device: arguments.device,
        precision: arguments.precision.on(arguments.device),
        threads: threads(arguments.threads)?,
        time,
        parts: match arguments.measure {
            Measured::All => vec![Training, Inference, Machine],
            Measured::Training => vec![Training],
            Measured::Inference => vec![Inference],
            Measured::Machine => vec![Machine],
        },
        profile: arguments.profile,
    })
}

/// The rung at the batch asked for.
/// A rung's own size, or its shape with [`USUAL_SIZE`] where that is smaller.
fn usual_size(own: ImageSize) -> ImageSize {
    match own.short_side() > USUAL_SIZE {
        true => own.with_short_side(USUAL_SIZE),
        false => own,
    }
}

fn rung(arguments: &BenchArguments) -> anyhow::Result<Rung> {
    let rung = RungCatalog::shipped().open(&arguments.model)?;
    let batch = arguments.batch.map(|batch| batch.to_string());
    let batch = batch.iter().map(|batch| ("training.batch_size", batch.as_str()));
    Ok(rung.with_overrides(batch)?)
}

fn show(result: &Benchmark, output: &Output) {
    let environment = &result.environment;
    output.line(&format!(
        "model       {}: {} parameters, {} multiply-adds a photo at {} px",
        result.model,
        count(result.parameters),
        count(result.multiply_adds),
        result.size
    ));
    let cpu = environment.cpu.as_deref().unwrap_or("this processor");
    let place = match &environment.instruction_set {
        Some(set) => format!("{cpu}, {set}, {} threads", environment.threads),
        None => environment.device.clone(),
    };
    output.line(&format!("machine     {place}, {}", environment.precision));
    if let Some(machine) = &result.machine {
        output.line(&format!(
            "peak        {:.0} GFLOP/s in dot products, {:.1} GB/s in memory copies",
            machine.dot_product_flops / 1e9,
            machine.copy_bytes_per_second / 1e9
        ));
    }
    for (name, speed) in [("training", &result.training), ("inference", &result.inference)] {
        if let Some(speed) = speed {
            output.line(&format!("{name:12}{}", figures(speed, result.batch_size)));
        }
    }
    if let Some(peak) = result.peak_memory_bytes {
        output.line(&format!("memory      {} at most", bytes(peak)));
    }
    if let Some(rows) = &result.profile {
        output.line("");
        output.line(profile_table(rows, result.machine.as_ref()).trim_end());
    }
}

/// `154 photos/s, 208 ms a step of 32, 55.6 GFLOP/s, 28.0% of the peak`.
fn figures(speed: &Speed, batch: usize) -> String {
    let share = speed
        .peak_share
        .map(|share| format!(", {} of the peak", percent(share)));
    format!(
        "{:.0} photos/s, {:.1} ms a step of {batch}, {:.1} GFLOP/s{}",
        speed.images_per_second,
        speed.step_seconds * 1e3,
        speed.flops / 1e9,
        share.unwrap_or_default()
    )
}
