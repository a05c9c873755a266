//! The page of a climb: the deck's table, the rungs with their intervals, what each change was worth.

use maud::{Markup, html};
use stepladder_chart::{Interval, intervals};
use stepladder_climb::{ClimbRecord, Figures, RungRecord, Share};
use stepladder_page::element::{figures, table};
use stepladder_page::{Kind, Page};

/// The climb as an HTML document. `differences` are, for each rung in the climb's order, the lines that its file changes of its parent.
pub fn climb_page(climb: &ClimbRecord, differences: &[Vec<String>]) -> String {
    Page::new(Kind::File, format!("A climb of {} rungs", climb.rungs.len()))
        .lead(lead(climb))
        .style(stepladder_chart::STYLE)
        .style("#rungs tbody th { white-space: nowrap; }")
        .section("result", "Result", result(climb))
        .section("rungs", "Rung by rung", rungs(climb))
        .section("changes", "What each change was worth", changes(climb))
        .section("differences", "What each rung changes", diffs(climb, differences))
        .render()
}

fn percent(share: f64) -> String {
    format!("{:.1}%", 100.0 * share)
}

fn points(difference: f64) -> String {
    format!("{:+.1}", 100.0 * difference)
}

fn lead(climb: &ClimbRecord) -> String {
    match &climb.best {
        Some(best) => {
            let others = match best.not_told_apart.as_slice() {
                _ if best.unsettled => String::from(
                    "No verdict yet: rungs were cut short or still improving, and more epochs could turn the order round.",
                ),
                [] if climb.seeds.len() == 1 => {
                    String::from("It is better than every other rung here, for this seed.")
                }
                [] => String::from("It is better than every other rung here."),
                others => format!("Within noise of it: {}.", others.join(", ")),
            };
            let [low, high] = best.test.interval;
            format!(
                "The best rung is {}: {} of the test photos are right (95% interval {} to {}). {others}",
                best.rung,
                percent(best.test.accuracy),
                percent(low),
                percent(high)
            )
        }
        None => String::from("There are no two rungs to choose from yet."),
    }
}

fn test_of(rung: &RungRecord) -> Option<Share> {
    rung.figures.as_ref().and_then(|figures| figures.test)
}

fn result(climb: &ClimbRecord) -> Markup {
    let done = climb.rungs.iter().filter(|rung| rung.figures.is_some()).count();
    let values = [
        ("Rungs trained", format!("{done} of {}", climb.rungs.len())),
        ("Seeds", climb.seeds.len().to_string()),
        ("Time", crate::run::duration(climb.spent_seconds)),
    ];
    let rows: Vec<Interval<'_>> = climb
        .rungs
        .iter()
        .filter_map(|rung| {
            let test = test_of(rung)?;
            Some(Interval {
                label: &rung.rung,
                share: test.accuracy,
                interval: test.interval,
                other: rung.deck_test_accuracy,
            })
        })
        .collect();
    html! {
        (figures(values))
        @if !climb.complete { p { "The climb is not complete: the same command goes on with it." } }
        (intervals("Test accuracy of each rung", "test accuracy", "the deck's figure", &rows))
        p class="soft" { "Lines are 95% intervals (Wilson's). The deck's figures were measured on other photos of the same kind, mostly larger and for longer." }
        @if let Some(closest) = &climb.closest {
            p { "Closest to each other are " (closest.lesser) " and " (closest.better) ", " (format!("{:.1}", 100.0 * closest.difference.abs())) " points apart. Some "
                (crate::run::grouped(closest.photos_to_tell_apart)) " test photos would tell them apart; there are " (closest.photos) "." }
        }
    }
}

fn rungs(climb: &ClimbRecord) -> Markup {
    let share = |share: Option<Share>| share.map_or(String::new(), |share| percent(share.accuracy));
    let rows: Vec<Vec<Markup>> = climb
        .rungs
        .iter()
        .map(|rung| {
            let of = |of: fn(&Figures) -> Option<Share>| share(rung.figures.as_ref().and_then(of));
            vec![
                html! { (rung.rung) },
                html! { (of(|figures| figures.test)) },
                html! { (of(|figures| figures.validation)) },
                html! { (of(|figures| figures.train)) },
                html! { (rung.deck_test_accuracy.map_or(String::new(), percent)) },
                html! { @if let Some(figures) = &rung.figures { (figures.seeds) } },
                html! { @if let Some(figures) = &rung.figures { (format!("{:.0}", figures.epochs)) } },
                html! { @if let Some(figures) = &rung.figures { (crate::run::duration(figures.seconds)) } },
                html! { (rung.parameters.map_or(String::new(), crate::run::grouped)) },
                html! { (rung.change) @if let Some(unsettled) = rung.unsettled() { br; span class="soft" { (unsettled.words()) } } @for run in &rung.runs { @if let Some(reason) = &run.reason { br; span class="soft" { (reason) } } } },
            ]
        })
        .collect();
    let heads = [
        "rung",
        "test",
        "validation",
        "train",
        "deck",
        "seeds",
        "epochs",
        "time",
        "parameters",
        "change",
    ];
    html! { (table("Rungs, in the order of the ladder", &heads, &[false, true, true, true, true, true, true, true, true, false], &rows)) }
}

fn changes(climb: &ClimbRecord) -> Markup {
    let rows: Vec<Vec<Markup>> = climb
        .rungs
        .iter()
        .filter_map(|rung| {
            let against = rung.against.as_ref()?;
            let mut row = vec![
                html! { (rung.rung) },
                html! { (against.rung) @if !against.parent { span class="soft" { " (ancestor)" } } },
            ];
            match (&against.comparison, &against.reason) {
                (Some(comparison), _) => {
                    let [low, high] = comparison.interval;
                    row.push(html! { (points(comparison.difference)) });
                    row.push(html! { (points(low)) " to " (points(high)) });
                    row.push(html! { b { (comparison.words()) } @if let Some(unsettled) = &against.unsettled { br; span class="soft" { (unsettled) } } });
                }
                (None, reason) => {
                    row.extend([html! {}, html! {}]);
                    row.push(html! { (reason.as_deref().unwrap_or("not compared")) });
                }
            }
            row.push(html! { (against.change) });
            Some(row)
        })
        .collect();
    html! {
        p { "Points of test accuracy against the rung's parent, on the same photos. Where the interval holds zero, the change may have done nothing." }
        @if climb.seeds.len() == 1 { p class="soft" { "With one seed, the interval knows of the choice of photos only, not of the seed's; try --seeds 3." } }
        (table("Each rung against its parent", &["rung", "against", "points", "95% interval", "", "what changed"], &[false, false, true, true, false, false], &rows))
    }
}

fn diffs(climb: &ClimbRecord, differences: &[Vec<String>]) -> Markup {
    html! {
        p { "Computed from the rungs' files." }
        @for (rung, lines) in climb.rungs.iter().zip(differences).filter(|(_, lines)| !lines.is_empty()) {
            details {
                summary { (rung.rung) @if let Some(parent) = rung.ancestors.first() { ", from " (parent) } }
                pre tabindex="0" { code { (lines.join("\n")) } }
            }
        }
    }
}
