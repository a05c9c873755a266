//! What `climb` shows at the end: what each rung reaches, what each change was worth, the best rung, and how many test
//! photos would tell the closest two apart.

use super::{
    Alignment, Output, Table, count, duration, listed, percent, points, points_interval, share_interval,
};
use std::time::Duration;
use stepladder_climb::{ClimbRecord, RunOutcome, RungRecord, Share};
use stepladder_comparison::Comparison;

/// The most rungs that a sentence names.
const NAMES: usize = 8;

/// Shows a climb.
pub(crate) fn show_climb(climb: &ClimbRecord, output: &Output) {
    output.line("");
    output.table(&reached(climb));
    output.line("");
    output.line(&explanation(climb));
    let changes = climb.rungs.iter().filter(|rung| rung.against.is_some());
    if changes.count() > 0 {
        output.line("");
        output.table(&worth(climb));
        output.line("");
        output.line("change: points of test accuracy; real or worse where its 95% interval excludes 0");
        if let Some(unsettled) = unsettled(climb) {
            output.line(&unsettled);
        }
        let mut comparisons = climb
            .rungs
            .iter()
            .filter_map(|rung| rung.against.as_ref()?.comparison.as_ref());
        if comparisons.any(|comparison| comparison.seeds == 1) {
            output.line(
                "With one seed, the interval knows of the choice of photos only, not of the seed's; try --seeds 3",
            );
        }
    }
    if let Some(line) = best(climb) {
        output.line("");
        output.line(&line);
    }
    if let Some(line) = closest(climb) {
        output.line(&line);
    }
    let runs = || climb.rungs.iter().flat_map(|rung| &rung.runs);
    output.line("");
    if !climb.complete {
        let waiting = runs().filter(|run| run.outcome == RunOutcome::Waiting).count();
        output.line(&format!(
            "{waiting} of {} trainings are left; the same command goes on with them",
            runs().count()
        ));
    }
    output.line(&format!("climb  {}", climb.climb));
}

/// What the rungs reach.
fn reached(climb: &ClimbRecord) -> Table {
    use Alignment::{Left, Right};
    let note = |rung: &RungRecord| note(rung);
    let notes = climb.rungs.iter().any(|rung| !note(rung).is_empty());
    let heads = [
        ("rung", Left),
        ("test %", Left),
        ("validation %", Left),
        ("training %", Left),
        ("seeds", Right),
        ("epochs", Right),
        ("time", Right),
        ("parameters", Right),
        ("deck %", Right),
    ];
    let mut table = Table::new(heads.into_iter().chain(notes.then_some(("", Left))));
    for rung in &climb.rungs {
        let figures = rung.figures.as_ref();
        let part = |share: Option<Share>| {
            share.map_or("-".to_string(), |share| {
                share_interval(share.accuracy, share.interval)
            })
        };
        table.row([
            rung.rung.clone(),
            part(figures.and_then(|figures| figures.test)),
            part(figures.and_then(|figures| figures.validation)),
            part(figures.and_then(|figures| figures.train)),
            figures.map_or("-".to_string(), |figures| figures.seeds.to_string()),
            figures.map_or("-".to_string(), |figures| epochs(figures.epochs)),
            figures.map_or("-".to_string(), |figures| {
                duration(Duration::from_secs_f64(figures.seconds.clamp(0.0, 1e9)))
            }),
            rung.parameters.map_or("-".to_string(), count),
            rung.deck_test_accuracy
                .map_or("-".to_string(), |share| format!("{:.1}", share * 100.0)),
            note(rung),
        ]);
    }
    table
}

/// What the columns are.
fn explanation(climb: &ClimbRecord) -> String {
    let photos = climb
        .rungs
        .iter()
        .find_map(|rung| rung.figures.as_ref()?.test)
        .map_or(0, |share| share.photos);
    let mean = match climb.seeds.len() {
        1 => String::new(),
        n => format!(" in the mean of {n} seeds"),
    };
    format!(
        "test: {photos} photos; figures{mean} with their 95% intervals; deck: what the ladder's origin reports"
    )
}

/// Whole epochs without a point.
fn epochs(mean: f64) -> String {
    if mean.fract() == 0.0 {
        format!("{mean:.0}")
    } else {
        format!("{mean:.1}")
    }
}

/// What there is to say of a rung that is not done, or not with every seed.
fn note(rung: &RungRecord) -> String {
    let of = |outcome: RunOutcome| rung.runs.iter().filter(move |run| run.outcome == outcome);
    let (failed, waiting) = (of(RunOutcome::Failed).count(), of(RunOutcome::Waiting).count());
    let mut notes = Vec::new();
    if let Some(run) = of(RunOutcome::Failed).next() {
        let reason = run.reason.as_deref().unwrap_or("failed");
        notes.push(match rung.runs.len() {
            1 => reason.to_string(),
            all if failed == all => reason.to_string(),
            all => format!("{failed} of {all} seeds: {reason}"),
        });
    }
    match rung.runs.len() {
        _ if waiting == 0 => {}
        all if waiting == all => notes.push("not trained yet".to_string()),
        all => notes.push(format!("{waiting} of {all} seeds not trained yet")),
    }
    if let Some(unsettled) = rung.unsettled() {
        notes.push(unsettled.words().to_string());
    }
    notes.join("; ")
}

/// Why some changes have no verdict, and what to do.
fn unsettled(climb: &ClimbRecord) -> Option<String> {
    let any = climb.rungs.iter().any(|rung| rung.unsettled().is_some());
    any.then(|| {
        String::from(
            "no verdict: a rung was cut short or still improving, and more epochs could turn the order round; give more --epochs or \
             --budget",
        )
    })
}

/// What the changes were worth.
fn worth(climb: &ClimbRecord) -> Table {
    use Alignment::{Left, Right};
    let compared = || climb.rungs.iter().filter_map(|rung| rung.against.as_ref());
    let tested = compared().any(|against| {
        let comparison = against.comparison.as_ref();
        comparison.is_some_and(|comparison| comparison.p_value.is_some())
    });
    let mut heads = vec![
        ("rung", Left),
        ("against", Left),
        ("change", Right),
        ("95% interval", Right),
        ("verdict", Left),
        ("what changed", Left),
    ];
    if tested {
        heads.insert(4, ("p", Right));
    }
    let mut table = Table::new(heads);
    for rung in &climb.rungs {
        let Some(against) = &rung.against else {
            continue;
        };
        let comparison = against.comparison.as_ref();
        let cell = |text: Option<String>| text.unwrap_or("-".to_string());
        let mut row = vec![
            rung.rung.clone(),
            if against.parent {
                against.rung.clone()
            } else {
                format!("{}, not the parent", against.rung)
            },
            cell(comparison.map(|comparison| points(comparison.difference))),
            cell(comparison.map(|comparison| points_interval(comparison.interval))),
            comparison
                .map(Comparison::words)
                .or_else(|| against.reason.clone())
                .unwrap_or_default(),
            against.change.clone(),
        ];
        if tested {
            let p = comparison.and_then(|comparison| comparison.p_value);
            row.insert(4, cell(p.map(super::p_value)));
        }
        table.row(row);
    }
    table
}

/// The best rung.
fn best(climb: &ClimbRecord) -> Option<String> {
    let best = climb.best.as_ref()?;
    let others = match best.not_told_apart.as_slice() {
        _ if best.unsettled => {
            "the highest so far; no verdict while rungs are cut short or still improving".to_string()
        }
        [] if climb.seeds.len() == 1 => "better than every other rung here, for this seed".to_string(),
        [] => "better than every other rung here".to_string(),
        names => format!("within noise of {}", listed(names, NAMES)),
    };
    let [low, high] = best.test.interval.map(|bound| bound * 100.0);
    Some(format!(
        "best     {}, {} ({low:.1}-{high:.1}): {others}",
        best.rung,
        percent(best.test.accuracy)
    ))
}

/// The two closest rungs.
fn closest(climb: &ClimbRecord) -> Option<String> {
    let closest = climb.closest.as_ref()?;
    Some(format!(
        "closest  {} and {}, {:.2} points apart: {} test photos would tell them apart in four of five cases; there are {}",
        closest.lesser,
        closest.better,
        closest.difference * 100.0,
        thousands(closest.photos_to_tell_apart),
        thousands(closest.photos as u64)
    ))
}

/// A count with a comma before each three digits.
fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_grouped_by_three() {
        assert_eq!(
            [7, 999, 1000, 61_234, 1_234_567].map(thousands),
            ["7", "999", "1,000", "61,234", "1,234,567"]
        );
    }

    #[test]
    fn epochs_have_a_point_only_where_seeds_differ() {
        assert_eq!([8.0, 7.333].map(epochs), ["8", "7.3"]);
    }
}
