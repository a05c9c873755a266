//! `stepladder compare`: runs side by side, what differs in their configuration, and whether the first is beaten.

#[cfg(feature = "pages")]
mod page;

use super::{check_page, known_run};
use crate::Ending;
use crate::arguments::CompareArguments;
use crate::terminal::{Output, note, show_comparison, write_comparison_csv};
use serde::Serialize;
use std::path::PathBuf;
use stepladder_climb::Share;
use stepladder_comparison::{
    Answers, Comparison, Verdict, compare as compare_answers, independent_interval, wilson_interval,
};
use stepladder_model::{ImageSize, diff};
use stepladder_train::{Outcome, RecordedRun, Summary};

pub(crate) fn compare(mut arguments: CompareArguments, output: &Output) -> anyhow::Result<Ending> {
    if let Some(page) = &arguments.html {
        check_page(page)?;
    }
    for run in &mut arguments.runs {
        *run = known_run(run)?;
    }
    let runs: Vec<RecordedRun> = arguments
        .runs
        .iter()
        .map(|run| RecordedRun::read(run))
        .collect::<Result<_, _>>()?;
    let compared = RunComparison::new(&arguments.runs, &runs);
    if arguments.csv {
        write_comparison_csv(&compared, output)?;
    } else {
        show_comparison(&compared, arguments.markdown, output);
    }
    if let Some(file) = &arguments.html {
        #[cfg(feature = "pages")]
        page::write(&compared, file)?;
        // Behind CSV, this line would be taken for a row.
        note(&format!("page        {}", file.display()));
    }
    output.json(&compared)?;
    Ok(Ending::Done)
}

/// Runs against the first of them.
#[derive(Debug, Serialize)]
pub(crate) struct RunComparison {
    /// In the order given.
    pub runs: Vec<RunFigures>,
    /// What the others do differently from the first.
    pub differences: Vec<ConfigurationDifference>,
    /// One for each run but the first.
    pub against_first: Vec<AgainstFirst>,
}

/// A run and what it reached.
#[derive(Debug, Serialize)]
pub(crate) struct RunFigures {
    /// As given on the command line.
    pub run: String,
    pub model: String,
    pub outcome: Outcome,
    pub seed: u64,
    pub size: ImageSize,
    pub test: Option<Share>,
    pub validation: Option<Share>,
    pub train: Option<Share>,
    pub epochs: usize,
    pub seconds: f64,
    pub parameters: u64,
    /// One value for each epoch.
    pub curves: Curves,
}

/// How a run went, epoch by epoch.
#[derive(Debug, Serialize)]
pub(crate) struct Curves {
    pub loss: Vec<f32>,
    pub val_loss: Vec<Option<f32>>,
    pub accuracy: Vec<f32>,
    pub val_accuracy: Vec<Option<f32>>,
}

/// One value that differs.
#[derive(Debug, Serialize)]
pub(crate) struct ConfigurationDifference {
    pub run: String,
    pub key: String,
    /// The first run's value; null where it has none.
    pub first: Option<String>,
    /// This run's value; null where it has none.
    pub here: Option<String>,
}

/// A run against the first.
#[derive(Debug, Serialize)]
pub(crate) struct AgainstFirst {
    pub run: String,
    /// Photo by photo; null where the photos are not the same.
    pub paired: Option<Comparison>,
    /// Where the photos are not the same: the difference with its wider interval.
    pub unpaired: Option<Unpaired>,
    /// Why the two were not paired; null where they were.
    pub reason: Option<String>,
    /// Why there is no verdict; null where there is one.
    pub unsettled: Option<String>,
}

/// The difference of accuracies on different photos.
#[derive(Debug, Serialize)]
pub(crate) struct Unpaired {
    pub difference: f64,
    pub interval: [f64; 2],
    pub verdict: Verdict,
}

impl RunComparison {
    /// Compares the runs, of which `names` are what the user calls them. There is at least one.
    fn new(names: &[PathBuf], runs: &[RecordedRun]) -> RunComparison {
        let names: Vec<String> = names.iter().map(|name| name.display().to_string()).collect();
        let named: Vec<(&String, &RecordedRun)> = names.iter().zip(runs).collect();
        let others = || named.iter().skip(1);
        RunComparison {
            differences: others()
                .flat_map(|(name, run)| differences(&runs[0], name, run))
                .collect(),
            against_first: others()
                .map(|(name, run)| AgainstFirst::new(named[0], name, run))
                .collect(),
            runs: named
                .iter()
                .map(|(name, run)| RunFigures::new(name, run))
                .collect(),
        }
    }
}

impl RunFigures {
    fn new(name: &str, run: &RecordedRun) -> RunFigures {
        let summary = &run.summary;
        let share = |accuracy: Option<f64>, photos: usize| {
            accuracy.map(|accuracy| Share {
                accuracy,
                interval: wilson_interval(right(accuracy, photos), photos),
                photos,
            })
        };
        RunFigures {
            run: name.to_string(),
            model: summary.model.clone(),
            outcome: summary.outcome,
            seed: summary.seed,
            size: summary.size,
            test: share(summary.test_accuracy, summary.test_images),
            validation: share(summary.val_accuracy, summary.val_images),
            train: share(summary.train_accuracy, summary.train_images),
            epochs: summary.epochs,
            seconds: summary.seconds,
            parameters: summary.parameters,
            curves: Curves {
                loss: run.epochs.iter().map(|epoch| epoch.loss).collect(),
                val_loss: run.epochs.iter().map(|epoch| epoch.val_loss).collect(),
                accuracy: run.epochs.iter().map(|epoch| epoch.accuracy).collect(),
                val_accuracy: run.epochs.iter().map(|epoch| epoch.val_accuracy).collect(),
            },
        }
    }
}

/// Photos that were right.
fn right(accuracy: f64, photos: usize) -> usize {
    (accuracy * photos as f64).round() as usize
}

/// What `run` does differently from `first`: its data, what was asked for on the command line, and the rung.
fn differences(first: &RecordedRun, name: &str, run: &RecordedRun) -> Vec<ConfigurationDifference> {
    let difference = |key: &str, first: Option<String>, here: Option<String>| ConfigurationDifference {
        run: name.to_string(),
        key: key.to_string(),
        first,
        here,
    };
    let data = |run: &RecordedRun| {
        let data = &run.config.data;
        let paths = [&data.path, &data.table, &data.train, &data.val, &data.test];
        let paths = paths.into_iter().flatten().map(|path| path.display().to_string());
        data.shipped
            .iter()
            .cloned()
            .chain(paths)
            .collect::<Vec<_>>()
            .join(" + ")
    };
    // As `config.json` has it: the options that were given.
    let reading = |run: &RecordedRun| serde_json::to_string(&run.config.data.reading).unwrap_or_default();
    let settings = |run: &RecordedRun| {
        let config = &run.config;
        [
            ("data", data(run)),
            ("reading", reading(run)),
            ("rung", config.model.clone()),
            ("size", config.size.to_string()),
            ("seed", config.seed.to_string()),
            ("split_seed", config.split_seed.to_string()),
            ("device", config.device.clone()),
            ("precision", config.precision.clone()),
        ]
    };
    let pairs = settings(first).into_iter().zip(settings(run));
    let settings = pairs
        .filter(|((_, first), (_, here))| first != here)
        .map(|((key, first), (_, here))| difference(key, Some(first), Some(here)));
    let rung = diff(&first.rung, &run.rung).into_iter();
    settings
        .chain(rung.map(|found| difference(&found.key, found.before, found.after)))
        .collect()
}

impl AgainstFirst {
    fn new((first_name, first): (&String, &RecordedRun), name: &str, run: &RecordedRun) -> AgainstFirst {
        let cut_short =
            |name: &str, run: &RecordedRun| Some(format!("{name} {}", run.summary.unsettled?.words()));
        let cut_short: Vec<String> = [cut_short(first_name, first), cut_short(name, run)]
            .into_iter()
            .flatten()
            .collect();
        let unsettled = (!cut_short.is_empty()).then(|| cut_short.join(", "));
        let reason = match (&first.test, &run.test) {
            (Some(ones), Some(others)) if ones.same_photos(others) => {
                let answers = |right: &[bool]| Answers::one(right.iter().copied());
                let compared = compare_answers(&answers(&ones.right), &answers(&others.right), 0);
                return AgainstFirst {
                    run: name.to_string(),
                    paired: Some(match unsettled {
                        None => compared,
                        Some(_) => compared.without_verdict(),
                    }),
                    unpaired: None,
                    reason: None,
                    unsettled,
                };
            }
            (Some(_), Some(_)) => format!("{name} was tested on other photos than {first_name}"),
            (None, _) => format!("{first_name} has no test figures"),
            (_, None) => format!("{name} has no test figures"),
        };
        AgainstFirst {
            run: name.to_string(),
            paired: None,
            unpaired: unpaired(&first.summary, &run.summary).map(|found| Unpaired {
                verdict: match unsettled {
                    None => found.verdict,
                    Some(_) => Verdict::Withheld,
                },
                ..found
            }),
            reason: Some(reason),
            unsettled,
        }
    }
}

/// The difference of two accuracies on different photos, where both are known.
fn unpaired(first: &Summary, second: &Summary) -> Option<Unpaired> {
    let side = |summary: &Summary| {
        let accuracy = summary.test_accuracy?;
        Some((right(accuracy, summary.test_images), summary.test_images))
    };
    let (first_side, second_side) = (side(first)?, side(second)?);
    let interval = independent_interval(first_side, second_side);
    Some(Unpaired {
        difference: second.test_accuracy? - first.test_accuracy?,
        interval,
        verdict: Verdict::of(interval),
    })
}
