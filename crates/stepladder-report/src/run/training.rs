//! How the training went: curves, and what the watch saw.

use super::accuracy::percent;
use crate::facts::RunReport;
use maud::{Markup, html};
use stepladder_page::element::{Weight, note};
use stepladder_page::lines::{Line, lines};
use stepladder_train::{Cause, EpochRecord};

pub(super) fn curves(report: &RunReport) -> Markup {
    let line = |name: &str, of: &dyn Fn(&EpochRecord) -> Option<f32>| Line {
        name: name.to_string(),
        // Where there is no figure the line has a gap.
        values: report
            .epochs
            .iter()
            .map(|epoch| of(epoch).map_or(f64::NAN, f64::from))
            .collect(),
    };
    let both = |training: &dyn Fn(&EpochRecord) -> Option<f32>,
                validation: &dyn Fn(&EpochRecord) -> Option<f32>| {
        let mut both = vec![line("training", training)];
        if report.epochs.iter().any(|epoch| validation(epoch).is_some()) {
            both.push(line("validation", validation));
        }
        both
    };
    let accuracy = both(&|epoch| Some(epoch.accuracy), &|epoch| epoch.val_accuracy);
    let loss = both(&|epoch| Some(epoch.loss), &|epoch| epoch.val_loss);
    let rate = [line("learning rate", &|epoch| Some(epoch.learning_rate))];
    html! {
        div class="columns" {
            (lines("Accuracy", "epoch", &accuracy, percent))
            (lines("Loss", "epoch", &loss, |loss| format!("{loss:.3}")))
            (lines("Learning rate", "epoch", &rate, |rate| format!("{rate:.2e}")))
        }
        p class="soft" { "Training figures are taken as the weights move, with augmentation and dropout in force; validation figures, at each epoch's end without them." }
    }
}

pub(super) fn watch(report: &RunReport) -> Markup {
    html! {
        @if report.diagnoses.is_empty() { p { "Nothing to worry about." } }
        @for finding in &report.diagnoses {
            @let weight = if finding.cause == Cause::ValidationAboveTraining { Weight::Notice } else { Weight::Warning };
            (note(weight, &format!("{} (epoch {})", finding.cause.name().replace('-', " "), finding.epoch), html! {
                p { (finding.seen) @if let Some(layer) = &finding.layer { ", in layer " code { (layer) } } "." }
                p { "What to do: " (finding.remedy) "." }
            }))
        }
    }
}
