//! A chart of lines over epochs, as a figure that is as wide as there is room: the lines are SVG that is stretched, the numbers
//! beside them are text that is not. Its script reads values off the lines themselves.

use maud::{Markup, html};
use std::fmt::Write;

/// The SVG's own width and height.
const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 400.0;

/// The share of values that a chart from zero must show; single steps may leave it.
const SHARE_SHOWN: f64 = 0.98;

/// What the axis is longer than its largest value.
const HEADROOM: f64 = 1.03;

/// What the vertical axis spans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scale {
    /// From zero to the largest usual value.
    FromZero,
    /// From 0 to 1.
    Share,
}

/// A line.
#[derive(Debug, Clone, Default)]
pub(crate) struct Line {
    pub name: String,
    /// A number of the palette.
    pub color: usize,
    pub dashed: bool,
    /// In the background.
    pub faint: bool,
    pub points: Vec<(f64, f64)>,
}

/// A chart.
pub(crate) struct Plot {
    pub name: &'static str,
    pub lines: Vec<Line>,
    /// The last epoch of the axis, which begins at 0.
    pub end: f64,
    pub scale: Scale,
    /// How a value is written.
    pub shown: fn(f64) -> String,
}

impl Plot {
    /// The figure.
    pub fn draw(&self) -> Markup {
        let lines: Vec<&Line> = self.lines.iter().filter(|line| !line.points.is_empty()).collect();
        let top = self.top(&lines);
        let kind = if self.scale == Scale::Share {
            "share"
        } else {
            "number"
        };
        html! {
            figure class="chart" data-end=(self.end) data-top=(top) data-kind=(kind) {
                figcaption {
                    span class="name" { (self.name) }
                    ul class="legend" {
                        @for line in &lines {
                            li class=(format!("c{}", line.color % 8)) {
                                svg viewBox="0 0 24 8" aria-hidden="true" { path class=(class(line)) d="M1 4L23 4" {} }
                                (line.name)
                            }
                        }
                    }
                }
                div class="plot" tabindex="0" role="img" aria-label=(self.spoken(&lines)) {
                    div class="ys" aria-hidden="true" {
                        @for part in 0..=4 {
                            span style=(format!("bottom:{}%", part * 25)) { ((self.shown)(top * f64::from(part) / 4.0)) }
                        }
                    }
                    div class="lines" {
                        svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) preserveAspectRatio="none" aria-hidden="true" focusable="false" {
                            @for part in 0..=4 {
                                @let y = HEIGHT * f64::from(part) / 4.0;
                                line class="grid" x1="0" x2=(WIDTH) y1=(y) y2=(y) {}
                            }
                            @for line in &lines {
                                path class=(format!("{} c{}", class(line), line.color % 8)) data-name=(line.name) d=(self.path(line, top)) {}
                            }
                        }
                        div class="cursor" hidden {}
                        div class="values" hidden {}
                    }
                    div class="xs" aria-hidden="true" {
                        @for epoch in ticks(self.end) {
                            span style=(format!("left:{:.2}%", 100.0 * epoch / self.end)) { (epoch) }
                        }
                    }
                }
                p class="axis-name" aria-hidden="true" { "epoch" }
            }
        }
    }

    /// The value at the upper end of the axis.
    fn top(&self, lines: &[&Line]) -> f64 {
        if self.scale == Scale::Share {
            return 1.0;
        }
        let usual = lines.iter().map(|line| {
            let values = line.points.iter().map(|point| point.1);
            let mut values: Vec<f64> = values.filter(|value| value.is_finite()).collect();
            values.sort_by(f64::total_cmp);
            let share = if line.faint { SHARE_SHOWN } else { 1.0 };
            let last = (values.len() as f64 * share).ceil() as usize;
            values.get(last.saturating_sub(1)).copied().unwrap_or(0.0)
        });
        // A line along the edge would be cut in half.
        round_up(usual.fold(0.0, f64::max) * HEADROOM)
    }

    /// The line as a path of the SVG.
    fn path(&self, line: &Line, top: f64) -> String {
        let mut path = String::new();
        let points = line.points.iter().filter(|(x, y)| x.is_finite() && y.is_finite());
        for (place, (x, y)) in points.enumerate() {
            let x = (x / self.end).clamp(0.0, 1.0) * WIDTH;
            // What is far above the chart is cut off by its edge, and needs no large numbers for that.
            let y = HEIGHT * (1.0 - (y / top).clamp(-1.0, 2.0));
            let _ = write!(path, "{}{x:.1} {y:.1}", if place == 0 { 'M' } else { 'L' });
        }
        // A single value is a dot, which is a line of no length with round ends.
        if !path.is_empty() && !path.contains('L') {
            path.push_str("h0");
        }
        path
    }

    /// The last value of each line, in words.
    fn spoken(&self, lines: &[&Line]) -> String {
        let values = lines.iter().filter(|line| !line.faint).filter_map(|line| {
            let (epoch, value) = line.points.last()?;
            Some(format!(
                "{} {} at epoch {epoch:.0}",
                line.name,
                (self.shown)(*value)
            ))
        });
        let values: Vec<String> = values.collect();
        match values.is_empty() {
            true => format!("{}: nothing yet", self.name),
            false => format!("{} over epochs: {}", self.name, values.join("; ")),
        }
    }
}

fn class(line: &Line) -> &'static str {
    match (line.faint, line.dashed) {
        (true, _) => "line faint",
        (false, true) => "line dashed",
        (false, false) => "line",
    }
}

/// The next round value: 1, 1.5, 2, 3, 4, 5, 6 or 8 times a power of ten.
fn round_up(value: f64) -> f64 {
    let value = value.clamp(1e-12, 1e12);
    let power = 10_f64.powf(value.log10().floor());
    let steps = [1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0];
    let round = steps.into_iter().find(|step| step * power >= value * 0.999_999);
    round.unwrap_or(10.0) * power
}

/// Whole epochs along the axis, six at most.
fn ticks(end: f64) -> Vec<f64> {
    let least = (end / 5.0).max(1.0);
    let power = 10_f64.powf(least.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .map(|step| step * power)
        .into_iter()
        .find(|&step| step >= least);
    let step = step.unwrap_or(least).max(1.0);
    (0..=6)
        .map(|n| f64::from(n) * step)
        .filter(|&epoch| epoch <= end)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plot(points: Vec<(f64, f64)>) -> Plot {
        Plot {
            name: "Loss",
            lines: vec![Line {
                name: "<b>&".into(),
                points,
                ..Line::default()
            }],
            end: 4.0,
            scale: Scale::FromZero,
            shown: |value| format!("{value:.2}"),
        }
    }

    #[test]
    fn values_lie_where_they_should_and_are_said() {
        let drawn = plot(vec![(0.0, 0.0), (2.0, 1.0), (4.0, 2.0)])
            .draw()
            .into_string();
        // The axis ends at 3, the next round number.
        assert!(drawn.contains("M0.0 400.0L500.0 266.7L1000.0 133.3"), "{drawn}");
        assert!(
            drawn.contains("Loss over epochs: &lt;b&gt;&amp; 2.00 at epoch 4"),
            "{drawn}"
        );
        assert!(!drawn.contains("<b>"));
    }

    #[test]
    fn strange_values_are_bounded_or_left_out() {
        let drawn = plot(vec![
            (f64::NAN, 1.0),
            (1.0, f64::INFINITY),
            (1e300, -1e300),
            (2.0, 1.0),
        ]);
        let drawn = drawn.draw().into_string();
        assert!(drawn.contains("M1000.0 800.0L500.0 133.3"), "{drawn}");
        assert!(plot(vec![]).draw().into_string().contains("nothing yet"));
        assert!(plot(vec![(1.0, 0.5)]).draw().into_string().contains("h0"));
    }

    #[test]
    fn axes_have_round_numbers() {
        assert_eq!(
            [0.7, 1.0, 1.2, 2.3, 45.0, 0.001].map(round_up),
            [0.8, 1.0, 1.5, 3.0, 50.0, 0.001]
        );
        assert_eq!(ticks(4.0), [0.0, 1.0, 2.0, 3.0, 4.0]);
        assert_eq!(ticks(40.0), [0.0, 10.0, 20.0, 30.0, 40.0]);
        assert_eq!(ticks(1e9).len(), 6);
    }
}
