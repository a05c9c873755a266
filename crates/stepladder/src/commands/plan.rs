//! `stepladder plan`: what a training would take, before it is paid for.

use super::on_threads;
use super::train::request;
use crate::Ending;
use crate::arguments::PlanArguments;
use crate::signals::stop_on_signals;
use crate::terminal::{Alignment, Output, ProgressBar, Table, bytes, count, duration, warn_of_remarks};
use anyhow::Context;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use stepladder_train::{TrainingPlan, plan as plan_training};

pub(crate) fn plan(arguments: PlanArguments, output: &Output) -> anyhow::Result<Ending> {
    let seconds = arguments.seconds;
    let longest = Duration::try_from_secs_f64(seconds)
        .with_context(|| format!("--seconds {seconds} is no span of time; give seconds, 0 or more"))?;
    let request = request(arguments.train, output)?;
    let interrupt = stop_on_signals()?;
    let bar = ProgressBar::new(output).stopped_by(Arc::clone(&interrupt));
    let result = on_threads(request.threads, || {
        let prepared = request.prepare(&bar)?;
        bar.begin(1, format!("timing {}", request.rung.name));
        let plan = plan_training(&request, &prepared, longest, &interrupt)?;
        Ok((plan, prepared.dataset.remarks))
    });
    bar.clear();
    let result = result?;
    if interrupt.load(Ordering::Relaxed) {
        return Ok(Ending::Interrupted);
    }
    let (result, remarks) = result;
    warn_of_remarks(&remarks);
    show(&result, output);
    output.json(&result)?;
    Ok(Ending::Done)
}

fn show(plan: &TrainingPlan, output: &Output) {
    let line = |head: &str, text: String| output.line(&format!("{head:<10}  {text}"));
    line(
        "model",
        format!(
            "{}: {} parameters, {} multiply-adds a photo at {} px, three times as many in training",
            plan.model,
            count(plan.parameters),
            count(plan.multiply_adds),
            plan.size
        ),
    );
    let memory = &plan.memory;
    let free = plan
        .free_bytes
        .map_or(String::new(), |free| format!("; {} are free", bytes(free)));
    line("memory", format!("{} at the peak{free}", bytes(memory.total)));
    output.line("");
    let mut table = Table::new([("what", Alignment::Left), ("memory", Alignment::Right)]);
    let parts = [
        ("program and list of photos", memory.program),
        ("weights", memory.weights),
        ("gradients", memory.gradients),
        ("optimizer", memory.optimizer),
        ("average of the weights", memory.averages),
        ("activations kept for the way back", memory.activations),
        ("workspace of the kernels", memory.workspace),
        ("photos at work and ahead", memory.loader),
        ("best weights and checkpoint copies", memory.checkpoints),
    ];
    for (what, held) in parts.into_iter().filter(|(_, held)| *held > 0) {
        table.row([what.to_string(), bytes(held)]);
    }
    output.table(&table);
    output.line("");
    let mut table = Table::new([
        ("layer", Alignment::Left),
        ("parameters", Alignment::Right),
        ("kept", Alignment::Right),
        ("workspace", Alignment::Right),
    ]);
    let shown = |held: u64| if held == 0 { String::new() } else { bytes(held) };
    for layer in &memory.layers {
        if layer.parameters + layer.activations + layer.workspace > 0 {
            table.row([
                layer.layer.clone(),
                shown(layer.parameters),
                shown(layer.activations),
                shown(layer.workspace),
            ]);
        }
    }
    output.table(&table);
    output.line("");
    if memory.photos_at_once < plan.batch_size {
        line(
            "batch",
            format!(
                "{} photos, of which {} go through together for want of memory",
                plan.batch_size, memory.photos_at_once
            ),
        );
    }
    if !plan.fits {
        line(
            "note",
            "not even one photo at a time fits; take a smaller --size or another rung".into(),
        );
    }
    let span = |seconds: f64| duration(Duration::from_secs_f64(seconds.clamp(0.0, 1e9)));
    if let (Some(step), Some(epoch), Some(all)) = (plan.step_seconds, plan.epoch_seconds, plan.seconds) {
        line(
            "time",
            format!(
                "{:.0} ms a step, {} an epoch of {} steps, {} for {}",
                1000.0 * step,
                span(epoch),
                plan.steps_per_epoch,
                span(all),
                match plan.steps {
                    Some(steps) => format!("{steps} steps, {} epochs", plan.epochs),
                    None => format!("{} epochs if none stops early", plan.epochs),
                }
            ),
        );
    }
    line(
        "disk",
        format!(
            "{} for the run, {} while it is trained",
            bytes(plan.disk_bytes[0]),
            bytes(plan.disk_bytes[1])
        ),
    );
}
