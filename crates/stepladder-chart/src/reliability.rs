//! The reliability diagram: how often answers are right, by how sure they are.

use crate::figure::{at, figure};
use maud::{Markup, html};

/// Answers of about the same probability.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bin {
    /// The probabilities that fall into it.
    pub range: [f64; 2],
    /// How many answers.
    pub answers: usize,
    /// Their mean probability.
    pub confidence: f64,
    /// The share that is right.
    pub accuracy: f64,
}

const SIZE: [f64; 2] = [360.0, 320.0];
const LEFT: f64 = 46.0;
const TOP: f64 = 8.0;
const SIDE: f64 = 270.0;

/// Columns of the share that is right over bins of probability; on the dashed line, answers are as sure as they are right.
pub fn reliability(caption: &str, bins: &[Bin]) -> Markup {
    let x = |share: f64| LEFT + SIDE * share;
    let y = |share: f64| TOP + SIDE * (1.0 - share);
    let percent = |share: f64| format!("{:.1}%", 100.0 * share);
    let drawing = html! {
        @for fifth in 0..=5 {
            @let share = f64::from(fifth) / 5.0;
            line class="grid" x1=(LEFT) x2=(LEFT + SIDE) y1=(at(y(share))) y2=(at(y(share))) {}
            text x=(LEFT - 6.0) y=(at(y(share) + 4.0)) text-anchor="end" { (fifth * 20) "%" }
            text x=(at(x(share))) y=(TOP + SIDE + 16.0) text-anchor="middle" { (fifth * 20) "%" }
        }
        @for bin in bins.iter().filter(|bin| bin.answers > 0) {
            rect class="column" x=(at(x(bin.range[0]) + 1.0)) width=(at(SIDE * (bin.range[1] - bin.range[0]) - 2.0))
                y=(at(y(bin.accuracy))) height=(at(SIDE * bin.accuracy)) {
                title { "sure at " (percent(bin.confidence)) " on average, right " (percent(bin.accuracy)) ", " (bin.answers) " answers" }
            }
        }
        line class="ideal" x1=(at(x(0.0))) y1=(at(y(0.0))) x2=(at(x(1.0))) y2=(at(y(1.0))) {}
        text x=(at(x(0.5))) y=(SIZE[1] - 8.0) text-anchor="middle" { "probability of the answer" }
    };
    let rows: Vec<Vec<String>> = bins
        .iter()
        .filter(|bin| bin.answers > 0)
        .map(|bin| {
            let range = format!("{:.0} to {:.0}%", 100.0 * bin.range[0], 100.0 * bin.range[1]);
            vec![
                range,
                bin.answers.to_string(),
                percent(bin.confidence),
                percent(bin.accuracy),
            ]
        })
        .collect();
    let spoken: Vec<String> = rows
        .iter()
        .map(|row| format!("{}: right {}", row[0], row[3]))
        .collect();
    let spoken = format!("{caption}: {}", spoken.join(", "));
    let heads = ["probability", "answers", "mean probability", "right"];
    figure(caption, "narrow", &spoken, SIZE, drawing, html! {}, &heads, &rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_say_how_sure_and_how_right() {
        let bin = Bin {
            range: [0.8, 0.9],
            answers: 20,
            confidence: 0.86,
            accuracy: 0.7,
        };
        let empty = Bin { answers: 0, ..bin };
        let drawn = reliability("Calibration", &[bin, empty]).into_string();
        assert!(
            drawn.contains("sure at 86.0% on average, right 70.0%, 20 answers"),
            "{drawn}"
        );
        assert_eq!(drawn.matches("class=\"column\"").count(), 1);
    }
}
