//! What `compare` shows: a table of the runs, what differs in their configuration, whether the first is beaten, and the
//! curves; for a terminal, in Markdown, or as CSV.

use super::fold::fold;
use super::{
    Alignment, Output, Table, count, duration, name_cell, p_value, path_cell, points, points_interval,
    share_interval, sparkline,
};
use crate::commands::{AgainstFirst, RunComparison, RunFigures};
use std::time::Duration;
use stepladder_climb::Share;

/// Longest value of a configuration that is shown on a terminal; JSON and the page have all of it.
const VALUE_WIDTH: usize = 48;

/// Shows a comparison.
pub(crate) fn show_comparison(compared: &RunComparison, markdown: bool, output: &Output) {
    let section = |title: &str, table: &Table| match markdown {
        true => format!("## {title}\n\n{}", table.to_markdown()),
        false => format!("{title}\n{}", table.within(output.width())),
    };
    let mut sections = vec![section("Figures", &figures(&compared.runs))];
    sections.push(match compared.differences.as_slice() {
        [] => "Their configurations do not differ".to_string(),
        _ => section(
            "Differences in configuration",
            &differences(compared, Some(VALUE_WIDTH)),
        ),
    });
    sections.push(section(
        "Test accuracy against the first run, in points",
        &against(&compared.against_first),
    ));
    let reasons: Vec<String> = compared.against_first.iter().flat_map(remarks).collect();
    let reasons = reasons.join("\n");
    sections.push(match output.width().filter(|_| !markdown) {
        Some(width) => fold(&reasons, width),
        None => reasons,
    });
    if compared.runs.iter().any(|run| !run.curves.loss.is_empty()) {
        sections.push(section("Curves, by epoch", &curves(&compared.runs)));
    }
    let sections = sections.iter().map(|section| section.trim_end());
    let sections: Vec<&str> = sections.filter(|section| !section.is_empty()).collect();
    output.raw(&sections.join("\n\n"));
}

/// What is to be said of a comparison beside its figures.
pub(crate) fn remarks(against: &AgainstFirst) -> Vec<String> {
    let unsettled = against.unsettled.as_ref();
    let unsettled = unsettled
        .map(|unsettled| format!("no verdict: {unsettled}, and more epochs could turn the order round"));
    let one_seed = against
        .paired
        .as_ref()
        .filter(|paired| paired.seeds == 1 && unsettled.is_none());
    let one_seed = one_seed.map(|_| {
        format!(
            "{}: one seed each, so the interval knows of the choice of photos only, not of the seed's; climb --seeds 3 knows of both",
            against.run
        )
    });
    not_paired(against)
        .into_iter()
        .chain(unsettled)
        .chain(one_seed)
        .collect()
}

/// Why a run was not compared photo by photo, and what that means.
pub(crate) fn not_paired(against: &AgainstFirst) -> Option<String> {
    let instead = match against.unpaired {
        Some(_) => "not paired, and its interval is the wider for it",
        None => "nothing to compare",
    };
    Some(format!("{}: {instead}", against.reason.as_ref()?))
}

/// A line for each run: what it reached, and with what.
pub(crate) fn figures(runs: &[RunFigures]) -> Table {
    use Alignment::{Left, Right};
    let mut table = Table::new([
        ("run", Left),
        ("rung", Left),
        ("test %", Left),
        ("validation %", Left),
        ("training %", Left),
        ("epochs", Right),
        ("time", Right),
        ("parameters", Right),
    ]);
    let part = |share: Option<Share>| {
        share.map_or("-".to_string(), |share| {
            share_interval(share.accuracy, share.interval)
        })
    };
    for run in runs {
        table.row([
            run.run.clone(),
            run.model.clone(),
            part(run.test),
            part(run.validation),
            part(run.train),
            run.epochs.to_string(),
            duration(Duration::from_secs_f64(run.seconds.clamp(0.0, 1e9))),
            count(run.parameters),
        ]);
    }
    table
}

/// A line for each value that differs; longer ones are cut to `width` characters.
pub(crate) fn differences(compared: &RunComparison, width: Option<usize>) -> Table {
    use Alignment::Left;
    let mut table = Table::new([("run", Left), ("value", Left), ("first", Left), ("here", Left)]);
    let shown = |value: &Option<String>| match value {
        None => "-".to_string(),
        Some(value) => match width {
            Some(width) if value.chars().count() > width => {
                value.chars().take(width.saturating_sub(1)).chain(['…']).collect()
            }
            _ => value.clone(),
        },
    };
    for difference in &compared.differences {
        table.row([
            difference.run.clone(),
            difference.key.clone(),
            shown(&difference.first),
            shown(&difference.here),
        ]);
    }
    table
}

/// A line for each run but the first: whether it is better.
pub(crate) fn against(comparisons: &[AgainstFirst]) -> Table {
    use Alignment::{Left, Right};
    let mut table = Table::new([
        ("run", Left),
        ("change", Right),
        ("95% interval", Right),
        ("p", Right),
        ("verdict", Left),
        ("photos that differ", Right),
    ]);
    for against in comparisons {
        let row = match (&against.paired, &against.unpaired) {
            (Some(paired), _) => [
                points(paired.difference),
                points_interval(paired.interval),
                paired.p_value.map_or("-".to_string(), p_value),
                paired.words(),
                format!(
                    "{:.0} of {}",
                    paired.discordant * paired.photos as f64,
                    paired.photos
                ),
            ],
            (None, Some(unpaired)) => [
                points(unpaired.difference),
                points_interval(unpaired.interval),
                "-".to_string(),
                format!("{} (unpaired)", unpaired.verdict.words(1)),
                "-".to_string(),
            ],
            (None, None) => ["-", "-", "-", "-", "-"].map(String::from),
        };
        table.row(std::iter::once(against.run.clone()).chain(row));
    }
    table
}

/// Small curves, each kind on one scale for all runs; those of validation only where there was any.
fn curves(runs: &[RunFigures]) -> Table {
    let percents = |low: f64, high: f64| format!("{:.1} to {:.1}%", low * 100.0, high * 100.0);
    let plain = |low: f64, high: f64| format!("{low:.2} to {high:.2}");
    type Kind = (&'static str, fn(&RunFigures) -> Vec<f64>, fn(f64, f64) -> String);
    let kinds: [Kind; 3] = [
        ("training loss", |run| numbers(&run.curves.loss), plain),
        ("validation loss", |run| known(&run.curves.val_loss), plain),
        ("val. accuracy", |run| known(&run.curves.val_accuracy), percents),
    ];
    let mut columns = Vec::new();
    for (name, values, range) in kinds {
        let (low, high) = bounds(runs, values);
        if low.is_finite() {
            let lines: Vec<String> = runs
                .iter()
                .map(|run| sparkline(&values(run), low, high))
                .collect();
            columns.push((format!("{name} {}", range(low, high)), lines));
        }
    }
    let heads = columns.iter().map(|(head, _)| head.as_str());
    let mut table = Table::new(
        std::iter::once("run")
            .chain(heads)
            .map(|head| (head, Alignment::Left)),
    );
    for (number, run) in runs.iter().enumerate() {
        let lines = columns.iter().map(|(_, lines)| lines[number].clone());
        table.row(std::iter::once(run.run.clone()).chain(lines));
    }
    table
}

/// One number for each epoch.
pub(crate) fn numbers(values: &[f32]) -> Vec<f64> {
    values.iter().copied().map(f64::from).collect()
}

/// The same, with no number for an epoch without validation.
pub(crate) fn known(values: &[Option<f32>]) -> Vec<f64> {
    values
        .iter()
        .map(|value| value.map_or(f64::NAN, f64::from))
        .collect()
}

/// The least and the greatest finite value over all runs.
fn bounds(runs: &[RunFigures], values: impl Fn(&RunFigures) -> Vec<f64>) -> (f64, f64) {
    let finite = runs.iter().flat_map(values).filter(|value| value.is_finite());
    finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
        (low.min(value), high.max(value))
    })
}

/// Prints the figures of the runs, each with its comparison to the first, as CSV.
pub(crate) fn write_comparison_csv(compared: &RunComparison, output: &Output) -> anyhow::Result<()> {
    let mut table = csv::Writer::from_writer(Vec::new());
    let mut head: Vec<String> = ["run", "rung", "seed", "size"].map(String::from).to_vec();
    for part in ["test", "val", "train"] {
        head.extend(["accuracy", "low", "high", "photos"].map(|figure| format!("{part}_{figure}")));
    }
    head.extend(["epochs", "seconds", "parameters"].map(String::from));
    head.extend(
        [
            "change",
            "change_low",
            "change_high",
            "p_value",
            "verdict",
            "paired",
        ]
        .map(String::from),
    );
    table.write_record(&head)?;
    let against = std::iter::once(None).chain(compared.against_first.iter().map(Some));
    for (run, against) in compared.runs.iter().zip(against) {
        let mut row = vec![
            path_cell(&run.run),
            name_cell(&run.model),
            run.seed.to_string(),
            run.size.to_string(),
        ];
        for share in [run.test, run.validation, run.train] {
            row.extend(share.map_or([const { String::new() }; 4], |share| {
                let [low, high] = share.interval.map(|bound| bound.to_string());
                [share.accuracy.to_string(), low, high, share.photos.to_string()]
            }));
        }
        row.extend([
            run.epochs.to_string(),
            run.seconds.to_string(),
            run.parameters.to_string(),
        ]);
        row.extend(change_cells(against));
        table.write_record(&row)?;
    }
    let bytes = table.into_inner().map_err(|error| error.into_error())?;
    output.raw(String::from_utf8_lossy(&bytes).trim_end());
    Ok(())
}

/// The last six columns of a run: empty for the first.
fn change_cells(against: Option<&AgainstFirst>) -> [String; 6] {
    let none = || [const { String::new() }; 6];
    let Some(against) = against else {
        return none();
    };
    let cells = |difference: f64, [low, high]: [f64; 2], p: Option<f64>, verdict: &str, paired: bool| {
        [
            difference.to_string(),
            low.to_string(),
            high.to_string(),
            p.map_or(String::new(), |p| p.to_string()),
            verdict.to_string(),
            paired.to_string(),
        ]
    };
    match (&against.paired, &against.unpaired) {
        (Some(found), _) => cells(
            found.difference,
            found.interval,
            found.p_value,
            found.verdict.word(),
            true,
        ),
        (None, Some(found)) => cells(
            found.difference,
            found.interval,
            None,
            found.verdict.word(),
            false,
        ),
        (None, None) => none(),
    }
}
