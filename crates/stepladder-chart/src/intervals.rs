//! Shares with their intervals, one below the other: the rungs of a ladder.

use crate::axis::ticks;
use crate::figure::{at, figure};
use maud::{Markup, html};

/// A share with its interval.
#[derive(Debug, Clone, PartialEq)]
pub struct Interval<'a> {
    /// Whose it is.
    pub label: &'a str,
    /// Between 0 and 1.
    pub share: f64,
    /// The ends of its 95% interval.
    pub interval: [f64; 2],
    /// Another share to show beside it, such as the deck's.
    pub other: Option<f64>,
}

const WIDTH: f64 = 640.0;
const ROW: f64 = 24.0;
const LEFT: f64 = 130.0;
const RIGHT: f64 = 16.0;

/// The shares as dots with lines from end to end of their intervals. `figure_name` says what they are shares of, `other` what the
/// hollow dots are.
pub fn intervals(caption: &str, figure_name: &str, other: &str, rows: &[Interval<'_>]) -> Markup {
    let height = ROW * rows.len() as f64 + 34.0;
    let ends = rows
        .iter()
        .flat_map(|row| row.interval.into_iter().chain(row.other));
    let least = ends.clone().fold(1.0, f64::min);
    let most = ends.fold(0.0, f64::max);
    let [least, most] = [(least - 0.03).max(0.0), (most + 0.03).min(1.0)];
    let x =
        |share: f64| LEFT + (WIDTH - LEFT - RIGHT) * (share - least) / (most - least).max(f64::MIN_POSITIVE);
    let percent = |share: f64| format!("{:.1}%", 100.0 * share);
    let drawing = html! {
        @for tick in ticks([least, most], 6) {
            line class="grid" x1=(at(x(tick))) x2=(at(x(tick))) y1="0" y2=(height - 30.0) {}
            text x=(at(x(tick))) y=(height - 16.0) text-anchor="middle" { (format!("{:.0}%", 100.0 * tick)) }
        }
        text x=(at((LEFT + WIDTH) / 2.0)) y=(height - 2.0) text-anchor="middle" { (figure_name) }
        @for (row, number) in rows.iter().zip(0..) {
            @let y = ROW * f64::from(number) + ROW / 2.0;
            text x=(LEFT - 8.0) y=(at(y + 4.0)) text-anchor="end" { (row.label) }
            line class="span" x1=(at(x(row.interval[0]))) x2=(at(x(row.interval[1]))) y1=(at(y)) y2=(at(y)) {}
            circle class="mark" cx=(at(x(row.share))) cy=(at(y)) r="5" {
                title { (row.label) ": " (percent(row.share)) ", 95% interval " (percent(row.interval[0])) " to " (percent(row.interval[1])) }
            }
            @if let Some(share) = row.other {
                circle class="other" cx=(at(x(share))) cy=(at(y)) r="5" { title { (row.label) ", " (other) ": " (percent(share)) } }
            }
        }
    };
    let spoken: Vec<String> = rows
        .iter()
        .map(|row| format!("{} {}", row.label, percent(row.share)))
        .collect();
    let has_other = rows.iter().any(|row| row.other.is_some());
    let legend = html! {
        @if has_other {
            ul class="legend" {
                li { svg viewBox="0 0 28 12" aria-hidden="true" { circle class="mark" cx="14" cy="6" r="5" {} } "measured here, with its 95% interval" }
                li { svg viewBox="0 0 28 12" aria-hidden="true" { circle class="other" cx="14" cy="6" r="5" {} } (other) }
            }
        }
    };
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            let mut cells = vec![row.label.to_string()];
            cells.extend([row.share, row.interval[0], row.interval[1]].map(percent));
            cells.extend(has_other.then(|| row.other.map_or(String::new(), percent)));
            cells
        })
        .collect();
    let mut heads = vec!["", figure_name, "from", "to"];
    heads.extend(has_other.then_some(other));
    let spoken = format!("{caption}: {}", spoken.join(", "));
    figure(
        caption,
        "wide",
        &spoken,
        [WIDTH, height],
        drawing,
        legend,
        &heads,
        &cells,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_says_its_share_and_interval() {
        let row = |label, other| Interval {
            label,
            share: 0.5,
            interval: [0.4, 0.6],
            other,
        };
        let drawn = intervals(
            "Rungs",
            "test accuracy",
            "deck",
            &[row("m3", Some(0.56)), row("<m4>", None)],
        )
        .into_string();
        assert!(
            drawn.contains("m3: 50.0%, 95% interval 40.0% to 60.0%"),
            "{drawn}"
        );
        assert!(drawn.contains("&lt;m4&gt;") && drawn.contains("m3, deck: 56.0%"));
        assert!(
            intervals("Rungs", "test accuracy", "deck", &[])
                .into_string()
                .contains("<svg")
        );
    }
}
