//! What a step and validation were to take, by their plan, is what the kernels' buffers hold after them: for every rung, at both
//! precisions, whole and in pieces.

use stepladder_model::{RungCatalog, shipped, variants};
use stepladder_nn::{
    Device, Model, Precision, StepMemory, StepShape, Trainer, kernel_bytes, release_kernel_bytes,
};

const SIZE: usize = 64;
const BATCH: usize = 8;
const CLASSES: usize = 5;

/// Bytes of the kernels' buffers, by the plan for so many threads.
fn planned(name: &str, precision: Precision, at_once: usize, threads: usize) -> f64 {
    let rung = RungCatalog::shipped().get(name).unwrap();
    let plan = StepMemory::new(&StepShape {
        network: &rung.network(SIZE, CLASSES).unwrap(),
        optimizer: &rung.optimizer,
        averages: false,
        precision,
        batch: BATCH,
        at_once,
        answered: at_once,
        threads,
    });
    plan.kernels() as f64
}

/// Bytes of the kernels' buffers after steps and answers on the threads of the pool that this is called in.
fn held(name: &str, precision: Precision, at_once: usize) -> f64 {
    let rung = RungCatalog::shipped().get(name).unwrap();
    let network = rung.network(SIZE, CLASSES).unwrap();
    release_kernel_bytes();
    assert_eq!(kernel_bytes(), 0, "nothing is left of the rung before");
    let model = Model::new(network, 0, Device::Cpu).with_precision(precision);
    let mut trainer = Trainer::new(model, rung.optimizer.clone(), 0.0, 0).at_most_at_once(at_once);
    let labels: Vec<u32> = (0..BATCH as u32).map(|i| i % CLASSES as u32).collect();
    let noise = |i: usize| (i * 37 % 101) as f32 / 101.0;
    let images = |photos: usize| (0..photos * SIZE * SIZE * 3).map(noise).collect::<Vec<f32>>();
    for _ in 0..2 {
        trainer.step(images(BATCH), &labels, 1e-4);
    }
    trainer.model().predict(images(at_once), at_once);
    let held = kernel_bytes();
    drop(trainer);
    held as f64
}

/// The rungs whose steps take different things; those that differ in their rate or augmentation take the same.
fn rungs() -> Vec<&'static str> {
    let mut known = Vec::new();
    let names = shipped().iter().chain(variants()).map(|rung| rung.name);
    let differs = |name: &&str| {
        let rung = RungCatalog::shipped().get(name).unwrap();
        let shape = (rung.network(SIZE, CLASSES).unwrap().nodes, rung.optimizer.name());
        let is_new = !known.contains(&shape);
        known.push(shape);
        is_new
    };
    names.filter(differs).collect()
}

#[test]
fn buffers_hold_what_was_planned() {
    let rungs = rungs();
    assert!(rungs.len() >= 12, "{rungs:?}");
    let mut wrong = Vec::new();
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = pool.unwrap();
        for name in &rungs {
            for (precision, at_once) in [
                (Precision::F32, BATCH),
                (Precision::Bf16, BATCH),
                (Precision::F32, 3),
            ] {
                let held = pool.install(|| held(name, precision, at_once));
                // Threads that take turns, as on a busy machine, pass on their buffers: then it is what one alone holds.
                let least = planned(name, precision, at_once, 1);
                let most = planned(name, precision, at_once, threads);
                let line = format!(
                    "{name} {precision} {at_once}, {threads} threads: {least:.0} to {most:.0} planned, {held:.0} held, {:.3}",
                    most / held
                );
                eprintln!("{line}");
                if least / held > 1.1 || most / held < 0.9 {
                    wrong.push(line);
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
