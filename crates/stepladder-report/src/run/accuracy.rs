//! Figures on photos: the headline, the confusion matrix, each class, calibration.

use crate::calibration::Calibration;
use crate::facts::{PartAnswers, RunReport};
use maud::{Markup, html};
use stepladder_chart::{Bin, confusion, reliability};
use stepladder_comparison::wilson_interval;
use stepladder_page::element::{Weight, figures, note, table};
use stepladder_page::svg::bar;
use stepladder_train::Outcome;

pub(super) fn percent(share: f64) -> String {
    format!("{:.1}%", 100.0 * share)
}

/// The sentence below the title.
pub(super) fn lead(report: &RunReport) -> String {
    match &report.answers {
        Some(answers) => {
            let [low, high] = answers.evaluation.accuracy_interval();
            format!(
                "{} of {} {} photos are right (95% interval {} to {}).",
                percent(answers.evaluation.accuracy),
                answers.evaluation.images,
                answers.part,
                percent(low),
                percent(high)
            )
        }
        None => {
            String::from("There are no photos, apart from those it was trained on, to say how good it is.")
        }
    }
}

pub(super) fn result(report: &RunReport) -> Markup {
    let summary = &report.summary;
    let share = |accuracy: Option<f64>, photos: usize| {
        accuracy.map(|accuracy| {
            let right = (accuracy * photos as f64).round() as usize;
            let [low, high] = wilson_interval(right, photos);
            format!("{} ({} to {})", percent(accuracy), percent(low), percent(high))
        })
    };
    let accuracies = [
        ("Test accuracy", share(summary.test_accuracy, summary.test_images)),
        (
            "Validation accuracy",
            share(summary.val_accuracy, summary.val_images),
        ),
        (
            "Training accuracy",
            share(summary.train_accuracy, summary.train_images),
        ),
    ];
    let accuracies = accuracies
        .into_iter()
        .filter_map(|(what, share)| Some((what, share?)));
    let ended = match summary.outcome {
        Outcome::Finished => "all epochs trained",
        Outcome::StoppedEarly => "stopped early: it did not get better any more",
        Outcome::Stuck => "stopped: it was stuck at chance",
        Outcome::Interrupted => "stopped by its user; it can go on",
    };
    let others = [
        ("Epochs", summary.epochs.to_string()),
        (
            "Weights of epoch",
            summary
                .exported_epoch
                .map_or("within one".into(), |epoch| epoch.to_string()),
        ),
        ("Time", duration(summary.seconds)),
        ("Parameters", grouped(summary.parameters)),
        (
            "Photos",
            (summary.train_images + summary.val_images + summary.test_images).to_string(),
        ),
    ];
    html! {
        (figures(accuracies))
        (figures(others))
        p { (report.change) }
        p class="soft" { "How it ended: " (ended) ". Intervals are Wilson's, of 95%." }
        @if summary.skipped_images > 0 {
            (note(Weight::Notice, &format!("{} files could not be used", summary.skipped_images), html! { p { "They are listed in " code { "skipped.tsv" } "." } }))
        }
        @if let Some(reason) = &report.no_photos {
            (note(Weight::Notice, "This report has no pictures", html! { p { (reason) } }))
        }
    }
}

pub(super) fn confusion_of(answers: &PartAnswers) -> Markup {
    let names: Vec<String> = answers
        .evaluation
        .classes
        .iter()
        .map(|class| class.class.clone())
        .collect();
    html! {
        p {
            @if answers.evaluation.has_readable_matrix() { "Rows are what photos show, columns what was answered. " }
            (worst(answers).unwrap_or_default())
        }
        @if answers.evaluation.has_readable_matrix() {
            (confusion(&format!("Counts of {} photos", answers.part), &names, &answers.evaluation.confusion))
        } @else {
            p class="soft" { "A matrix of " (names.len()) " classes cannot be read; these are its largest numbers beside the diagonal." }
            (largest(answers))
        }
    }
}

/// Confusions that stand for a matrix.
const CONFUSIONS: usize = 50;

/// The largest confusions, where there are too many classes for a matrix.
fn largest(answers: &PartAnswers) -> Markup {
    let evaluation = &answers.evaluation;
    let name = |class: usize| &evaluation.classes[class];
    let largest = evaluation.largest_confusions(CONFUSIONS).into_iter();
    let rows: Vec<Vec<Markup>> = largest
        .map(|confusion| {
            let (truth, called) = (name(confusion.truth), name(confusion.predicted));
            vec![
                html! { (truth.class) },
                html! { (called.class) },
                html! { (confusion.images) " of " (truth.images) },
            ]
        })
        .collect();
    table(
        "Largest confusions",
        &["class", "called", "photos"],
        &[false, false, true],
        &rows,
    )
}

/// The most frequent confusion, in words.
fn worst(answers: &PartAnswers) -> Option<String> {
    let rows = answers.evaluation.confusion.iter().enumerate();
    let cells = rows.flat_map(|(row, counts)| {
        counts
            .iter()
            .enumerate()
            .map(move |(column, count)| (row, column, *count))
    });
    let (row, column, count) = cells
        .filter(|(row, column, _)| row != column)
        .max_by_key(|cell| cell.2)?;
    let name = |class: usize| &answers.evaluation.classes[class].class;
    (count > 0).then(|| {
        format!(
            "Most often, {} is taken for {}: {count} times.",
            name(row),
            name(column)
        )
    })
}

pub(super) fn classes(answers: &PartAnswers) -> Markup {
    let share = |value: Option<f64>| value.map_or("none".to_string(), percent);
    let mut classes: Vec<_> = answers.evaluation.classes.iter().collect();
    classes.sort_by(|a, b| a.recall.unwrap_or(2.0).total_cmp(&b.recall.unwrap_or(2.0)));
    let rows: Vec<Vec<Markup>> = classes
        .iter()
        .map(|class| {
            let right = (class.recall.unwrap_or(0.0) * class.images as f64).round() as usize;
            let [low, high] = wilson_interval(right, class.images);
            vec![
                html! { (class.class) },
                html! { (class.images) },
                html! { (share(class.recall)) @if class.images > 0 { span class="soft" { " (" (percent(low)) " to " (percent(high)) ")" } } },
                html! { (share(class.precision)) },
                html! { (share(class.f1)) },
                html! { (bar(class.recall.unwrap_or(0.0))) },
            ]
        })
        .collect();
    html! {
        p { "The weakest first. Recall is the share of a class's photos that are found; precision, the share of its answers that are right." }
        (table("Figures of each class", &["class", "photos", "recall", "precision", "F1", ""], &[false, true, true, true, true, false], &rows))
    }
}

pub(super) fn calibration(answers: &PartAnswers) -> Markup {
    let shown = answers.calibrated.as_ref().unwrap_or(&answers.raw);
    let error = |calibration: &Calibration| format!("{:.1} points", 100.0 * calibration.expected_error);
    let mut values = vec![("Calibration error", error(shown))];
    if let Some(temperature) = answers.temperature {
        values.push(("Before calibration", error(&answers.raw)));
        values.push(("Temperature", format!("{temperature:.2}")));
    }
    let bins: Vec<Bin> = shown
        .bins
        .iter()
        .map(|bin| Bin {
            range: [bin.from, bin.from + 0.1],
            answers: bin.answers,
            confidence: bin.confidence,
            accuracy: bin.accuracy,
        })
        .collect();
    html! {
        p { "An answer given with 80% should be right four times in five. Columns above the line are too modest, below it too sure." }
        (figures(values))
        (reliability("How often answers are right", &bins))
        p class="soft" { "Expected calibration error over ten bins (Guo et al. 2017)." @if answers.temperature.is_some() { " The temperature was fitted on the validation photos, and " code { "predict" } " and " code { "serve" } " apply it." } @else { " As the network gives its probabilities." } }
    }
}

/// Seconds as people say them.
pub(crate) fn duration(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    match whole {
        0..60 => format!("{whole} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

/// A number in groups of three digits.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_are_for_people() {
        assert_eq!(grouped(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(grouped(12), "12");
        assert_eq!(
            [9.4, 75.0, 7300.0].map(duration),
            ["9 s", "1 min 15 s", "2 h 1 min"]
        );
    }
}
