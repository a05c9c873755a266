//! How the training went: curves, and what the watch saw.

use crate::facts::RunReport;
use maud::{Markup, html};
use stepladder_chart::{Curve, curves as chart};
use stepladder_page::element::{Weight, note};
use stepladder_train::{Cause, EpochRecord};

pub(super) fn curves(report: &RunReport) -> Markup {
    let epochs = &report.epochs;
    let always =
        |of: fn(&EpochRecord) -> f32| epochs.iter().map(|epoch| Some(f64::from(of(epoch)))).collect();
    let perhaps = |of: fn(&EpochRecord) -> Option<f32>| {
        epochs
            .iter()
            .map(|epoch| of(epoch).map(f64::from))
            .collect::<Vec<_>>()
    };
    let both = |training, validation: Vec<Option<f64>>| {
        let mut both = vec![Curve {
            label: "training",
            values: training,
        }];
        if validation.iter().any(Option::is_some) {
            both.push(Curve {
                label: "validation",
                values: validation,
            });
        }
        both
    };
    let rate = [Curve {
        label: "learning rate",
        values: always(|epoch| epoch.learning_rate),
    }];
    html! {
        div class="columns" {
            (chart("Accuracy", &both(always(|epoch| epoch.accuracy), perhaps(|epoch| epoch.val_accuracy)), true))
            (chart("Loss", &both(always(|epoch| epoch.loss), perhaps(|epoch| epoch.val_loss)), false))
            (chart("Learning rate", &rate, false))
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
