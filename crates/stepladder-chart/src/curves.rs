//! Curves over epochs: loss, accuracy, learning rate.

use crate::axis::{short, ticks};
use crate::figure::{at, figure};
use maud::{Markup, html};

/// One line of a chart.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve<'a> {
    /// What it shows.
    pub label: &'a str,
    /// One value for each epoch, from the first on; none where there is no figure, which leaves a gap.
    pub values: Vec<Option<f64>>,
}

const SIZE: [f64; 2] = [640.0, 260.0];
const LEFT: f64 = 52.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 34.0;

/// Up to four curves over epochs, from 1. `percent` shows values as shares of a hundred, on an axis that ends at 100% at most.
pub fn curves(caption: &str, curves: &[Curve<'_>], percent: bool) -> Markup {
    let figures = || {
        curves
            .iter()
            .flat_map(|curve| curve.values.iter().flatten())
            .filter(|value| value.is_finite())
    };
    let epochs = curves.iter().map(|curve| curve.values.len()).max().unwrap_or(0);
    let most = figures().copied().fold(f64::NEG_INFINITY, f64::max);
    let least = figures().copied().fold(f64::INFINITY, f64::min);
    let [least, most] = match (least.is_finite(), percent) {
        (false, _) => [0.0, 1.0],
        (true, true) => [(least - 0.05).max(0.0), (most + 0.05).min(1.0)],
        // A loss or a rate starts at zero; a little room above.
        (true, false) => [least.min(0.0), if most > 0.0 { most * 1.05 } else { 1.0 }],
    };
    let show = |value: f64| {
        if percent {
            format!("{:.1}%", 100.0 * value)
        } else {
            short(value)
        }
    };
    let x = |epoch: f64| LEFT + (SIZE[0] - LEFT - RIGHT) * (epoch - 1.0) / (epochs as f64 - 1.0).max(1.0);
    let y = |value: f64| {
        SIZE[1] - BOTTOM - (SIZE[1] - TOP - BOTTOM) * (value - least) / (most - least).max(f64::MIN_POSITIVE)
    };
    let drawing = html! {
        @for tick in ticks([least, most], 5) {
            line class="grid" x1=(LEFT) x2=(SIZE[0] - RIGHT) y1=(at(y(tick))) y2=(at(y(tick))) {}
            text x=(LEFT - 6.0) y=(at(y(tick) + 4.0)) text-anchor="end" { (show(tick)) }
        }
        @for tick in ticks([1.0, (epochs as f64).max(1.0)], 8).into_iter().filter(|tick| tick.fract() == 0.0) {
            text x=(at(x(tick))) y=(SIZE[1] - BOTTOM + 16.0) text-anchor="middle" { (tick) }
        }
        text x=(SIZE[0] / 2.0) y=(SIZE[1] - 3.0) text-anchor="middle" { "epoch" }
        @for (number, curve) in curves.iter().enumerate() {
            path class={ "line s" (number % 4) } d=(path(&curve.values, x, y)) {}
            @for (value, epoch) in curve.values.iter().zip(1..) {
                @if let Some(value) = value.filter(|value| value.is_finite()) {
                    // Larger than it looks, so that it is easy to point at.
                    circle class={ "dot s" (number % 4) } cx=(at(x(f64::from(epoch)))) cy=(at(y(value))) r="5" {
                        title { (curve.label) ", epoch " (epoch) ": " (show(value)) }
                    }
                }
            }
        }
    };
    let legend = html! {
        ul class="legend" { @for (number, curve) in curves.iter().enumerate() {
            li class={ "s" (number % 4) } {
                svg viewBox="0 0 28 8" aria-hidden="true" { path class={ "line s" (number % 4) } d="M0 4H28" {} } (curve.label)
            }
        } }
    };
    let last = |curve: &Curve<'_>| {
        curve
            .values
            .iter()
            .flatten()
            .next_back()
            .map_or(String::from("none"), |value| show(*value))
    };
    let spoken: Vec<String> = curves
        .iter()
        .map(|curve| format!("{} ends at {}", curve.label, last(curve)))
        .collect();
    let mut heads = vec!["epoch"];
    heads.extend(curves.iter().map(|curve| curve.label));
    let rows: Vec<Vec<String>> = (0..epochs)
        .map(|epoch| {
            let cell = |curve: &Curve<'_>| {
                curve
                    .values
                    .get(epoch)
                    .copied()
                    .flatten()
                    .map_or(String::new(), show)
            };
            std::iter::once((epoch + 1).to_string())
                .chain(curves.iter().map(cell))
                .collect()
        })
        .collect();
    let spoken = format!("{caption} over {epochs} epochs: {}", spoken.join(", "));
    figure(caption, &spoken, SIZE, drawing, legend, &heads, &rows)
}

/// The line through the values, broken where there is none.
fn path(values: &[Option<f64>], x: impl Fn(f64) -> f64, y: impl Fn(f64) -> f64) -> String {
    let mut path = String::new();
    let mut pen = 'M';
    for (value, epoch) in values.iter().zip(1..) {
        match value.filter(|value| value.is_finite()) {
            Some(value) => {
                path += &format!("{pen}{} {}", at(x(f64::from(epoch))), at(y(value)));
                pen = 'L';
            }
            None => pen = 'M',
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_have_values_labels_and_gaps() {
        let line = Curve {
            label: "training <b>",
            values: vec![Some(0.2), None, Some(0.6), Some(f64::NAN)],
        };
        let drawn = curves("Accuracy", &[line], true).into_string();
        assert!(drawn.contains("training &lt;b&gt;, epoch 3: 60.0%"), "{drawn}");
        assert_eq!(drawn.matches("class=\"dot s0\"").count(), 2);
        assert!(drawn.contains("Accuracy over 4 epochs"));
        assert!(!drawn.contains("NaN</") && drawn.contains("M52.0"));
    }

    #[test]
    fn nothing_at_all_is_still_a_chart() {
        assert!(curves("Loss", &[], false).into_string().contains("<svg"));
        let one = Curve {
            label: "loss",
            values: vec![Some(1.0)],
        };
        assert!(curves("Loss", &[one], false).into_string().contains("epoch 1: 1"));
    }
}
