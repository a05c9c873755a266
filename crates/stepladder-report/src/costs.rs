//! What each layer costs: time by a few training steps on noise, on this machine; memory by the plan.

use crate::facts::{LayerRow, StepCost};
use std::time::Duration;
use stepladder_model::Graph;
use stepladder_nn::profile::{ProfileRow, steps};
use stepladder_nn::{Device, Precision, StepMemory, StepShape};
use stepladder_train::{BenchmarkPart, BenchmarkRequest, RecordedRun, benchmark, free_bytes};

/// How long the steps are measured, beside two that warm up.
const TIME: Duration = Duration::from_secs(1);

/// Steps that take longer, in seconds, by the run's own speed, are not worth the wait: there are four at least.
const LONGEST_STEP: f64 = 5.0;

/// The part of the free memory that a measurement may take.
const SHARE: f64 = 0.7;

/// Training steps of a run's network, timed by layer and pass.
#[derive(Debug, Clone)]
pub struct MeasuredSteps {
    rows: Vec<ProfileRow>,
    step: f64,
    threads: usize,
}

impl MeasuredSteps {
    /// Takes some training steps of `run`'s network on photos of noise, at its size, batch and precision, on this machine's CPU.
    ///
    /// # Errors
    ///
    /// Says why they are not taken: too little memory, too slow, no such network.
    pub fn take(run: &RecordedRun, threads: usize) -> Result<MeasuredSteps, String> {
        let (size, classes) = (run.summary.size, run.summary.classes.len());
        let graph = run.rung.graph(size, classes).map_err(|error| error.to_string())?;
        let precision: Precision = run
            .summary
            .precision
            .parse()
            .map_err(|error: stepladder_nn::UnknownPrecision| error.to_string())?;
        let step = run.rung.training.batch_size as f64 / run.summary.images_per_second;
        if !step.is_finite() {
            return Err(String::from("the run took no step"));
        }
        if step > LONGEST_STEP {
            return Err(format!("a step took {step:.0} s in the run"));
        }
        let memory = memory(run, &graph);
        let takes = memory.weights + memory.moments + memory.kernels() + memory.photos;
        if free_bytes().is_some_and(|free| takes as f64 > SHARE * free as f64) {
            return Err(String::from("there is too little memory free now"));
        }
        let request = BenchmarkRequest {
            rung: run.rung.clone(),
            size,
            classes,
            device: Device::Cpu,
            precision,
            threads,
            time: TIME,
            parts: vec![BenchmarkPart::Training],
            profile: true,
        };
        let measured = benchmark(&request, &|| ()).map_err(|error| error.to_string())?;
        match (measured.profile, measured.training) {
            (Some(rows), Some(training)) => Ok(MeasuredSteps {
                rows,
                step: training.step_seconds,
                threads,
            }),
            _ => Err(String::from("the device gives no times by layer")),
        }
    }

    /// Adds the times to the layers, and gives those of the step.
    pub(crate) fn add_to(&self, layers: &mut [LayerRow]) -> StepCost {
        let steps = steps(&self.rows) as f64;
        let mut other = 0.0;
        for row in &self.rows {
            let seconds = row.seconds / steps;
            match layers.iter_mut().find(|layer| layer.name == row.layer) {
                Some(layer) if row.pass.contains("forward") || row.pass == "statistics" => {
                    *layer.forward_seconds.get_or_insert(0.0) += seconds;
                }
                Some(layer) => *layer.backward_seconds.get_or_insert(0.0) += seconds,
                None => other += seconds,
            }
        }
        StepCost {
            seconds: self.step,
            other_seconds: other,
            threads: self.threads,
        }
    }
}

/// The memory of the run's steps, by layer, a batch at once.
pub(crate) fn memory(run: &RecordedRun, graph: &Graph) -> StepMemory {
    let batch = run.rung.training.batch_size;
    StepMemory::new(&StepShape {
        graph,
        optimizer: &run.rung.optimizer,
        averages: run.rung.ema_momentum.is_some(),
        precision: run.summary.precision.parse().unwrap_or(Precision::F32),
        batch,
        micro_batch: batch,
        answered: 0,
        threads: run.summary.threads,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(layer: &str, pass: &'static str, seconds: f64) -> ProfileRow {
        ProfileRow {
            layer: layer.into(),
            pass,
            calls: 4,
            seconds,
            operations: 0.0,
            bytes: 0.0,
        }
    }

    #[test]
    fn each_pass_goes_to_its_layer_and_its_direction() {
        let measured = MeasuredSteps {
            rows: vec![
                row("conv", "forward", 4.0),
                row("conv", "statistics", 1.0),
                row("conv", "weight gradient", 8.0),
                row("conv", "epilogue backward", 2.0),
                row("", "optimizer", 3.0),
            ],
            step: 5.0,
            threads: 2,
        };
        let layer = |name: &str| LayerRow {
            name: name.into(),
            kind: String::new(),
            output: String::new(),
            parameters: 0,
            multiply_adds: 0,
            forward_seconds: None,
            backward_seconds: None,
            kept_bytes: 0,
        };
        let mut layers = [layer("conv"), layer("flatten")];
        let step = measured.add_to(&mut layers);
        assert_eq!(
            (layers[0].forward_seconds, layers[0].backward_seconds),
            (Some(1.25), Some(2.5))
        );
        assert_eq!(
            (layers[1].forward_seconds, layers[1].backward_seconds),
            (None, None)
        );
        assert_eq!((step.seconds, step.other_seconds, step.threads), (5.0, 0.75, 2));
    }
}
