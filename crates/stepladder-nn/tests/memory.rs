//! What a step and validation were to take, by their plan, is what they hold: for every rung, at both precisions, whole and in
//! micro-batches.

use stepladder_model::{RungCatalog, shipped, variants};
use stepladder_nn::{Device, Model, Precision, StepMemory, StepShape, Trainer};

const SIZE: usize = 64;
const BATCH: usize = 8;
const CLASSES: usize = 5;

/// Bytes of values and kernels, by the plan for so many threads.
fn planned(name: &str, precision: Precision, micro_batch: usize, threads: usize) -> u64 {
    let rung = RungCatalog::shipped().get(name).unwrap();
    let plan = StepMemory::new(&StepShape {
        graph: &rung.graph(SIZE, CLASSES).unwrap(),
        optimizer: &rung.optimizer,
        averages: false,
        precision,
        batch: BATCH,
        micro_batch,
        answered: micro_batch,
        threads,
    });
    // Gradients that are kept until all are there lie elsewhere.
    plan.kernels() - plan.gradients
}

/// Bytes held after steps and answers on the threads of the pool that this is called in.
fn held(name: &str, precision: Precision, micro_batch: usize) -> u64 {
    let rung = RungCatalog::shipped().get(name).unwrap();
    let model = Model::new(rung.graph(SIZE, CLASSES).unwrap(), 0, Device::Cpu).with_precision(precision);
    let mut trainer = Trainer::new(model, rung.optimizer.clone(), 0.0, 0).with_micro_batches(micro_batch);
    let labels: Vec<u32> = (0..BATCH as u32).map(|i| i % CLASSES as u32).collect();
    let noise = |i: usize| (i * 37 % 101) as f32 / 101.0;
    let images = |photos: usize| (0..photos * SIZE * SIZE * 3).map(noise).collect::<Vec<f32>>();
    for _ in 0..2 {
        trainer.step(images(BATCH), &labels, 1e-4);
    }
    trainer.model().predict(images(micro_batch), micro_batch);
    trainer.model().held_bytes() as u64
}

/// The rungs whose steps take different things; those that differ in their rate or augmentation take the same.
fn rungs() -> Vec<&'static str> {
    let mut known = Vec::new();
    let names = shipped().iter().chain(variants()).map(|rung| rung.name);
    let differs = |name: &&str| {
        let rung = RungCatalog::shipped().get(name).unwrap();
        let shape = (
            rung.graph(SIZE, CLASSES).unwrap().operations,
            rung.optimizer.name(),
        );
        let is_new = !known.contains(&shape);
        known.push(shape);
        is_new
    };
    names.filter(differs).collect()
}

#[test]
fn passes_hold_what_was_planned() {
    let rungs = rungs();
    assert!(rungs.len() >= 12, "{rungs:?}");
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        for name in &rungs {
            for (precision, micro_batch) in [
                (Precision::F32, BATCH),
                (Precision::Bf16, BATCH),
                (Precision::F32, 3),
            ] {
                let held = pool.install(|| held(name, precision, micro_batch));
                // Threads that take turns, as on a busy machine, pass on their workspace: then it is what one alone holds.
                let least = planned(name, precision, micro_batch, 1);
                let most = planned(name, precision, micro_batch, threads);
                // A pass that is asked for less than it can give, such as no statistics, may take a little less.
                assert!(
                    held <= most && held as f64 >= 0.97 * least as f64,
                    "{name} {precision} {micro_batch}, {threads} threads: {least} to {most} planned, {held} held"
                );
            }
        }
    }
}
