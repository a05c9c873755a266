//! The same weights, bit for bit, whatever the number of threads: for every layer, at both precisions, whole and in micro-batches; and
//! two trainings at once are those that each would be alone.

use std::path::Path;
use stepladder_model::{Rung, RungCatalog};
use stepladder_nn::{Array, Device, Model, Precision, Trainer};

const PHOTOS: usize = 6;
const CLASSES: usize = 3;

/// The networks of `tests/rungs`, and a deep one with skip connections.
fn rungs() -> Vec<Rung> {
    let catalog = RungCatalog::shipped();
    let mut rungs = vec![catalog.get("m6").unwrap()];
    for folder in ["tests/rungs", "tests/rungs/layers"] {
        let files = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join(folder)
            .read_dir()
            .unwrap();
        let paths = files.map(|file| file.unwrap().path());
        let toml = paths.filter(|path| path.extension().is_some_and(|extension| extension == "toml"));
        rungs.extend(toml.map(|path| Rung::from_path(&path, &catalog).unwrap()));
    }
    rungs
}

/// The weights after three steps on `threads` threads, and the probabilities that they give.
fn trained(rung: &Rung, precision: Precision, micro_batch: usize, threads: usize) -> (Vec<Array>, Vec<f32>) {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .unwrap();
    pool.install(|| {
        let size = rung.input.size.height.min(32);
        let model = Model::new(rung.graph(size, CLASSES).unwrap(), 5, Device::Cpu).with_precision(precision);
        let mut trainer = Trainer::new(model, rung.optimizer.clone(), 0.1, 7).with_micro_batches(micro_batch);
        let noise = |i: usize| (i * 37 % 101) as f32 / 101.0;
        let images: Vec<f32> = (0..PHOTOS * size * size * 3).map(noise).collect();
        let labels: Vec<u32> = (0..PHOTOS as u32).map(|i| i % CLASSES as u32).collect();
        for _ in 0..3 {
            trainer.step(&images, &labels, 1e-3);
        }
        (
            trainer.model().to_arrays(),
            trainer.model().predict(&images, PHOTOS),
        )
    })
}

#[test]
fn weights_do_not_depend_on_the_number_of_threads() {
    let rungs = rungs();
    assert!(rungs.len() > 30, "{} rungs", rungs.len());
    for rung in &rungs {
        for (precision, micro_batch) in [
            (Precision::F32, PHOTOS),
            (Precision::Bf16, PHOTOS),
            (Precision::F32, 4),
        ] {
            let alone = trained(rung, precision, micro_batch, 1);
            for threads in [2, 3, 8] {
                let found = trained(rung, precision, micro_batch, threads);
                assert!(
                    alone == found,
                    "{} {precision} {micro_batch}, {threads} threads",
                    rung.name
                );
            }
        }
    }
}

#[test]
fn two_trainings_in_one_process_share_nothing() {
    let catalog = RungCatalog::shipped();
    let rungs = ["m6", "m10"].map(|name| catalog.get(name).unwrap());
    let alone = rungs
        .each_ref()
        .map(|rung| trained(rung, Precision::F32, PHOTOS, 2));
    let together = std::thread::scope(|scope| {
        let started = rungs
            .each_ref()
            .map(|rung| scope.spawn(|| trained(rung, Precision::F32, PHOTOS, 2)));
        started.map(|thread| thread.join().unwrap())
    });
    assert!(alone == together);
}
