//! How fast a rung trains and answers on this machine, on photos of noise that lie in memory, and what the machine could
//! do at best. Nothing is read or decoded, so the figures are those of the computation alone.

use crate::environment::{describe, peak_memory_bytes};
use crate::error::TrainError;
use serde::Serialize;
use std::hint::black_box;
use std::time::{Duration, Instant};
use stepladder_kernels::{Context, Isa, peak};
use stepladder_model::{ImageSize, Rung};
use stepladder_nn::profile::ProfileRow;
use stepladder_nn::{Device, DeviceError, Model, Precision, Trainer};
use stepladder_run::Environment;

/// A figure is the median of so many rounds, fewer where they do not fit the time.
pub const BENCHMARK_ROUNDS: usize = 5;

/// So many rounds there are, however long they take.
const LEAST_ROUNDS: usize = 2;

/// Steps before the clock starts: the first ones take memory that later ones use again.
const WARM_UP_STEPS: usize = 2;

/// Multiply-adds of a training step over those of the forward pass: each layer has a gradient for its input and one for
/// its weights, and each costs as much as its output. (The first layer's input needs none; it counts all the same.)
const TRAINING_PASSES: f64 = 3.0;

/// Bytes of each buffer of the copy that measures memory: far above every cache.
const COPY_BYTES: usize = 256 << 20;

/// What to measure.
#[derive(Debug, Clone)]
pub struct BenchmarkRequest {
    /// The rung, overrides applied; its batch size is the batch.
    pub rung: Rung,
    /// Height and width of the network's input in pixels.
    pub size: ImageSize,
    /// Classes of the network.
    pub classes: usize,
    /// Where to compute.
    pub device: Device,
    /// How activations are stored.
    pub precision: Precision,
    /// Threads that compute.
    pub threads: usize,
    /// How long to measure each part, beside its warm-up: divided into [`BENCHMARK_ROUNDS`] rounds of one step at least.
    pub time: Duration,
    /// Which parts.
    pub parts: Vec<BenchmarkPart>,
    /// Whether to note the time of each layer and pass of the training steps.
    pub profile: bool,
}

/// Something that can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BenchmarkPart {
    /// Training steps: forward, loss, backward, optimizer.
    Training,
    /// Class probabilities of photos.
    Inference,
    /// The machine's own peak, on CPUs.
    Machine,
}

/// What was measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Benchmark {
    /// The rung.
    pub model: String,
    /// Height and width of the network's input in pixels.
    pub size: ImageSize,
    /// Classes of the network.
    pub classes: usize,
    /// Photos per step.
    pub batch_size: usize,
    /// Trainable parameters.
    pub parameters: u64,
    /// Multiply-adds per photo, forward.
    pub multiply_adds: u64,
    /// Training steps.
    pub training: Option<Speed>,
    /// Answers.
    pub inference: Option<Speed>,
    /// What the machine can do at best; `None` on GPUs.
    pub machine: Option<MachinePeak>,
    /// The training steps by layer and pass, warm-up included, where that was asked for.
    pub profile: Option<Vec<ProfileRow>>,
    /// The most memory that the process held until the end of the first part measured; `None` where the system does not
    /// say.
    pub peak_memory_bytes: Option<u64>,
    /// Machine and program.
    pub environment: Environment,
}

/// A throughput, from the median of up to [`BENCHMARK_ROUNDS`] rounds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Speed {
    /// Photos per second.
    pub images_per_second: f64,
    /// Seconds that a step (or pass) over one batch takes.
    pub step_seconds: f64,
    /// Steps that were timed.
    pub steps: usize,
    /// Floating-point operations per second: two for each multiply-add of the network's convolutions and dense layers,
    /// forward once, a training step three times.
    pub flops: f64,
    /// `flops` over the machine's on dot products; `None` where that was not measured.
    pub peak_share: Option<f64>,
}

/// What the machine can do at best, on the threads and the instruction set in use.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct MachinePeak {
    /// Floating-point operations per second on dot products in registers; a multiply-add counts as two.
    pub dot_product_flops: f64,
    /// Bytes per second read and written, each counted once, by a copy far larger than the caches.
    pub copy_bytes_per_second: f64,
}

/// Measures as requested. `tick` is called after each round of training and of inference, of which there are up to
/// [`BENCHMARK_ROUNDS`].
pub fn benchmark(request: &BenchmarkRequest, tick: &(dyn Fn() + Sync)) -> Result<Benchmark, TrainError> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(request.threads)
        .build();
    let pool = pool.map_err(|error| TrainError::Threads {
        threads: request.threads,
        reason: error.to_string(),
    })?;
    pool.install(|| benchmark_here(request, tick))
}

/// [`benchmark`] on the threads of the current pool.
fn benchmark_here(request: &BenchmarkRequest, tick: &(dyn Fn() + Sync)) -> Result<Benchmark, TrainError> {
    let rung = &request.rung;
    let graph = rung.graph(request.size, request.classes)?;
    let batch = request.rung.training.batch_size;
    let parameters = graph.trainable_parameter_count();
    let multiply_adds = graph.multiply_adds();
    let photos = Photos::new(request.size, batch, request.classes);
    let asked = |part| request.parts.contains(&part);
    let mut peak_memory = None;
    let mut noted = None;

    let model = Model::new(graph, 0, request.device).with_precision(request.precision);
    let mut model = Some(model);
    let mut training = None;
    if asked(BenchmarkPart::Training)
        && let Some(fresh) = model.take()
    {
        let mut trainer = Trainer::new(fresh, rung.optimizer.clone(), rung.training.label_smoothing, 0);
        let rate = rung.optimizer.learning_rate();
        if request.profile {
            trainer.model().start_profile();
        }
        let step = |images| {
            black_box(trainer.step(images, &photos.labels, rate));
        };
        training = Some(rounds(&photos, request.time, tick, step));
        peak_memory = peak_memory_bytes();
        let trained = trainer.model().clone();
        noted = trained.profile();
        model = Some(trained);
    }
    let mut inference = None;
    if asked(BenchmarkPart::Inference)
        && let Some(model) = &model
    {
        // As `predict` and `serve` ask it.
        let model = model.folded();
        // Of both parts, training is the one to look at.
        let profiled = request.profile && noted.is_none();
        if profiled {
            model.start_profile();
        }
        let pass = |images| {
            black_box(model.predict(images, batch));
        };
        inference = Some(rounds(&photos, request.time, tick, pass));
        if profiled {
            noted = model.profile();
        }
        peak_memory = peak_memory.or_else(peak_memory_bytes);
    }
    drop(model);
    let machine = match asked(BenchmarkPart::Machine) {
        true => machine_peak(request.device, request.precision)?,
        false => None,
    };

    let speed = |times: Rounds, passes: f64| {
        let images_per_second = batch as f64 / times.step_seconds;
        let flops = 2.0 * passes * multiply_adds as f64 * images_per_second;
        Speed {
            images_per_second,
            step_seconds: times.step_seconds,
            steps: times.steps,
            flops,
            peak_share: machine.map(|machine| flops / machine.dot_product_flops),
        }
    };
    Ok(Benchmark {
        model: rung.name.clone(),
        size: request.size,
        classes: request.classes,
        batch_size: batch,
        parameters,
        multiply_adds,
        training: training.map(|times| speed(times, TRAINING_PASSES)),
        inference: inference.map(|times| speed(times, 1.0)),
        machine,
        profile: noted,
        peak_memory_bytes: peak_memory,
        environment: describe(request.device, request.precision, request.threads),
    })
}

/// A batch of noise.
struct Photos {
    /// `[batch, height, width, 3]` in [0, 1).
    images: Vec<f32>,
    labels: Vec<u32>,
}

impl Photos {
    fn new(size: ImageSize, batch: usize, classes: usize) -> Photos {
        // Knuth's multiplicative hash: all that matters is that neighbors differ and nothing is zero throughout.
        let noise = |i: usize| ((i as u32).wrapping_mul(2_654_435_761) >> 8) as f32 / (1 << 24) as f32;
        Photos {
            images: (0..batch * size.values()).map(noise).collect(),
            labels: (0..batch).map(|i| (i % classes) as u32).collect(),
        }
    }
}

/// Times of one part.
struct Rounds {
    /// Seconds of a step: the median over rounds of a round's mean.
    step_seconds: f64,
    steps: usize,
}

/// Calls `work` on copies of the photos, made while the clock stands, for about `time`.
fn rounds(
    photos: &Photos,
    time: Duration,
    tick: &(dyn Fn() + Sync),
    mut work: impl FnMut(Vec<f32>),
) -> Rounds {
    let mut timed = || {
        let images = photos.images.clone();
        let start = Instant::now();
        work(images);
        start.elapsed()
    };
    for _ in 0..WARM_UP_STEPS {
        timed();
    }
    let mut total = 0;
    let mut all = Duration::ZERO;
    let mut means = Vec::new();
    while means.len() < BENCHMARK_ROUNDS && (means.len() < LEAST_ROUNDS || all < time) {
        let (mut spent, mut steps) = (Duration::ZERO, 0);
        while steps == 0 || spent < time / BENCHMARK_ROUNDS as u32 {
            spent += timed();
            steps += 1;
        }
        total += steps;
        all += spent;
        means.push(spent.as_secs_f64() / steps as f64);
        tick();
    }
    Rounds {
        step_seconds: median(means).max(1e-9),
        steps: total,
    }
}

/// The middle value, or the mean of the two in the middle; 0 of nothing.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.get(middle) {
        Some(upper) if values.len() % 2 == 1 => *upper,
        Some(upper) => (values[middle - 1] + upper) / 2.0,
        None => 0.0,
    }
}

/// The peak of the CPU on the current threads; `None` on GPUs.
fn machine_peak(device: Device, precision: Precision) -> Result<Option<MachinePeak>, TrainError> {
    if device.instruction_set().is_none() {
        return Ok(None);
    }
    let context = Context::on_callers_pool(Isa::from_environment().map_err(DeviceError::from)?);
    // Without dot products of bf16, arithmetic on bf16 storage is that of f32.
    let bf16 = precision == Precision::Bf16 && context.isa().has_bf16_dot();
    Ok(Some(MachinePeak {
        dot_product_flops: peak::dot_product_peak(&context, bf16, Duration::from_millis(300)),
        copy_bytes_per_second: peak::copy_bandwidth(&context, COPY_BYTES, Duration::from_millis(500)),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_work_has_two_rounds_and_quick_work_five() {
        let photos = Photos::new(2.into(), 1, 2);
        let rounds_of = |pause: u64, time: u64| {
            let count = std::sync::atomic::AtomicUsize::new(0);
            let tick = || {
                count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            };
            let work = |_| std::thread::sleep(Duration::from_millis(pause));
            let times = rounds(&photos, Duration::from_millis(time), &tick, work);
            (count.into_inner(), times)
        };
        let (slow, times) = rounds_of(20, 1);
        assert_eq!((slow, times.steps), (2, 2));
        assert!(times.step_seconds >= 0.02);
        let (quick, times) = rounds_of(1, 1000);
        assert_eq!(quick, BENCHMARK_ROUNDS);
        assert!(
            times.steps >= 10,
            "{} steps of a millisecond in a second",
            times.steps
        );
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median(Vec::new()), 0.0);
    }

    #[test]
    fn noise_is_in_range_and_differs() {
        let photos = Photos::new(8.into(), 2, 2);
        assert_eq!(photos.labels, [0, 1]);
        assert!(photos.images.iter().all(|value| (0.0..1.0).contains(value)));
        assert!(photos.images.windows(2).all(|pair| pair[0] != pair[1]));
    }
}
