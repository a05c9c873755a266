//! Which curves are drawn of the runs that are shown: of one run, training and validation with the single steps behind them; of
//! several, a color for each run.

use crate::numbers::percent;
use crate::plot::{Line, Plot, Scale};
use crate::run::RunView;
use maud::{Markup, html};
use std::sync::Arc;
use stepladder_run::EpochRecord;

/// Points by epochs done.
type Points = Vec<(f64, f64)>;

/// The charts of loss, accuracy and learning rate.
pub(crate) fn charts(runs: &[Arc<RunView>]) -> Markup {
    let end = runs.iter().map(|run| end_of(run)).fold(1.0, f64::max);
    let plot = |name, lines: Vec<Line>, scale, shown| Plot {
        name,
        lines,
        end,
        scale,
        shown,
    };
    let several = runs.len() > 1;
    let figures = |of: &Figures| -> Vec<Line> {
        let lines = runs.iter().enumerate().flat_map(|(place, run)| match several {
            true => one_of_several(run, place, of),
            false => alone(run, of),
        });
        lines.collect()
    };
    let rates = runs.iter().enumerate().map(|(place, run)| Line {
        name: if several {
            run.name.clone()
        } else {
            "learning rate".into()
        },
        color: if several { place } else { 0 },
        points: rates(run),
        ..Line::default()
    });
    html! {
        (plot("Loss", figures(&LOSS), Scale::FromZero, |loss| format!("{loss:.3}")).draw())
        (plot("Accuracy", figures(&ACCURACY), Scale::Share, percent).draw())
        (plot("Learning rate", rates.collect(), Scale::FromZero, rate).draw())
    }
}

/// A learning rate, in few characters.
fn rate(rate: f64) -> String {
    if rate == 0.0 {
        "0".to_string()
    } else {
        format!("{rate:.1e}")
    }
}

/// Where to find a figure.
struct Figures {
    training: fn(&EpochRecord) -> Option<f32>,
    validation: fn(&EpochRecord) -> Option<f32>,
    steps: fn(&RunView) -> Points,
}

const LOSS: Figures = Figures {
    training: |epoch| Some(epoch.loss),
    validation: |epoch| epoch.val_loss,
    steps: |run| run.steps.loss(),
};

const ACCURACY: Figures = Figures {
    training: |epoch| Some(epoch.accuracy),
    validation: |epoch| epoch.val_accuracy,
    steps: |run| run.steps.accuracy(),
};

fn alone(run: &RunView, of: &Figures) -> Vec<Line> {
    vec![
        Line {
            name: "each step".into(),
            faint: true,
            points: in_epochs(run, (of.steps)(run)),
            ..Line::default()
        },
        Line {
            name: "training".into(),
            dashed: true,
            points: by_epoch(run, of.training),
            ..Line::default()
        },
        Line {
            name: "validation".into(),
            color: 1,
            points: by_epoch(run, of.validation),
            ..Line::default()
        },
    ]
}

fn one_of_several(run: &RunView, color: usize, of: &Figures) -> Vec<Line> {
    let validation = by_epoch(run, of.validation);
    let training = Line {
        name: format!("{}, training", run.name),
        color,
        dashed: true,
        points: by_epoch(run, of.training),
        ..Line::default()
    };
    let validation = Line {
        name: format!("{}, validation", run.name),
        color,
        points: validation,
        ..Line::default()
    };
    vec![training, validation]
}

fn rates(run: &RunView) -> Points {
    let steps = in_epochs(run, run.steps.rate());
    match steps.is_empty() {
        true => by_epoch(run, |epoch| Some(epoch.learning_rate)),
        false => steps,
    }
}

fn by_epoch(run: &RunView, of: fn(&EpochRecord) -> Option<f32>) -> Points {
    let known = run
        .epochs
        .iter()
        .filter_map(|epoch| Some((epoch.epoch as f64, of(epoch)?.into())));
    known.collect()
}

/// Steps become epochs; none, where it is not known how many steps an epoch has.
fn in_epochs(run: &RunView, points: Points) -> Points {
    let Some(of) = run.steps_per_epoch else {
        return Vec::new();
    };
    points
        .into_iter()
        .map(|(step, figure)| (step / of.max(1) as f64, figure))
        .collect()
}

/// Where the axis ends: behind the epoch at work.
fn end_of(run: &RunView) -> f64 {
    run.progress().ceil().clamp(1.0, 1e9)
}
