//! Lines over whole numbers, such as a loss by epoch, any number of them over each other. They differ in color and in dashes,
//! show their values where the pointer rests, and have them in a table that unfolds.

use crate::element::table;
use maud::{Markup, html};

/// The styles of [`lines`], for [`Page::style`](crate::Page::style).
pub const STYLE: &str = include_str!("lines.css");

/// What is larger cannot be told from infinity in a drawing.
const LARGEST: f64 = 1e100;

/// One line: what it is, and its values at 1, 2, ..; those that are not finite, or beyond 1e100, are left out.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// What it is.
    pub name: String,
    /// Its values.
    pub values: Vec<f64>,
}

const WIDTH: f64 = 420.0;
const HEIGHT: f64 = 250.0;
const LEFT: f64 = 48.0;
const RIGHT: f64 = 10.0;
const TOP: f64 = 8.0;
const BOTTOM: f64 = 40.0;

/// How many colors and dashes the styles have: no two of the first twelve lines look the same.
const COLORS: usize = 6;
const DASHES: usize = 4;

/// The lines in one drawing. `title` says what the values are, `across` what the whole numbers are, `write` how a value is
/// written.
pub fn lines(title: &str, across: &str, lines: &[Line], write: fn(f64) -> String) -> Markup {
    let scale = Scale::around(lines);
    html! {
        figure class="lines" {
            figcaption { (title) }
            ul class="key" {
                @for (number, line) in lines.iter().enumerate() {
                    li {
                        svg viewBox="0 0 28 10" aria-hidden="true" focusable="false" {
                            line class=(class(number)) x1="1" x2="27" y1="5" y2="5" {}
                        }
                        (line.name)
                    }
                }
            }
            svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-label=(summary(title, across, lines, write)) {
                @for tick in scale.ticks() {
                    line class="grid" x1=(LEFT) x2=(WIDTH - RIGHT) y1=(at(scale.y(tick))) y2=(at(scale.y(tick))) {}
                    text x=(LEFT - 6.0) y=(at(scale.y(tick) + 4.0)) text-anchor="end" { (write(tick)) }
                }
                @for number in scale.numbers() {
                    text x=(at(scale.x(number))) y=(HEIGHT - BOTTOM + 16.0) text-anchor="middle" { (number) }
                }
                text x=(at((LEFT + WIDTH - RIGHT) / 2.0)) y=(HEIGHT - 6.0) text-anchor="middle" { (across) }
                @for (number, line) in lines.iter().enumerate() {
                    polyline class=(class(number)) points=(scale.points(line)) {}
                }
                // In front of all lines, so that the pointer finds them.
                @for line in lines {
                    @for (number, value) in finite(line) {
                        circle class="hit" cx=(at(scale.x(number))) cy=(at(scale.y(value))) r="5" {
                            title { (line.name) ", " (across) " " (number) ": " (write(value)) }
                        }
                    }
                }
            }
            details { summary { "The numbers" } (numbers(title, across, lines, write)) }
        }
    }
}

fn class(number: usize) -> String {
    format!("line c{} d{}", number % COLORS, number % DASHES)
}

/// Places and values, from 1.
fn finite(line: &Line) -> impl Iterator<Item = (usize, f64)> {
    let values = line.values.iter().copied().enumerate();
    values
        .map(|(at, value)| (at + 1, value))
        .filter(|(_, value)| value.abs() <= LARGEST)
}

/// A coordinate, as short as can be seen.
fn at(place: f64) -> String {
    format!("{place:.1}")
}

/// What a reader who cannot see the drawing should know: where each line begins and ends.
fn summary(title: &str, across: &str, lines: &[Line], write: fn(f64) -> String) -> String {
    let mut summary = format!("{title} by {across}");
    for line in lines {
        if let (Some((_, first)), Some((_, last))) = (finite(line).next(), finite(line).last()) {
            summary += &format!("; {} from {} to {}", line.name, write(first), write(last));
        }
    }
    summary
}

fn numbers(title: &str, across: &str, lines: &[Line], write: fn(f64) -> String) -> Markup {
    let mut heads = vec![across];
    heads.extend(lines.iter().map(|line| line.name.as_str()));
    let longest = lines.iter().map(|line| line.values.len()).max().unwrap_or(0);
    let cell = |line: &Line, place: usize| {
        let value = line.values.get(place).copied().filter(|value| value.is_finite());
        value.map_or_else(String::new, write)
    };
    let rows: Vec<Vec<Markup>> = (0..longest)
        .map(|place| {
            let cells = lines.iter().map(|line| html! { (cell(line, place)) });
            std::iter::once(html! { (place + 1) }).chain(cells).collect()
        })
        .collect();
    table(title, &heads, &vec![true; heads.len()], &rows)
}

/// Where numbers and values lie.
struct Scale {
    low: f64,
    high: f64,
    /// The last of the whole numbers.
    last: usize,
}

impl Scale {
    fn around(lines: &[Line]) -> Scale {
        let all = || lines.iter().flat_map(finite);
        let low = all().map(|(_, value)| value).fold(f64::INFINITY, f64::min);
        let high = all().map(|(_, value)| value).fold(f64::NEG_INFINITY, f64::max);
        // Room above and below; what is flat, or is not there, lies in the middle.
        let (low, high) = match high - low {
            span if span > 0.0 && span.is_finite() => (low - 0.05 * span, high + 0.05 * span),
            _ if low.is_finite() => {
                let room = if low == 0.0 { 0.5 } else { 0.1 * low.abs() };
                (low - room, low + room)
            }
            _ => (0.0, 1.0),
        };
        Scale {
            low,
            high,
            last: all().map(|(number, _)| number).max().unwrap_or(1),
        }
    }

    fn x(&self, number: usize) -> f64 {
        let share = (number.saturating_sub(1)) as f64 / (self.last - 1).max(1) as f64;
        LEFT + 8.0 + share * (WIDTH - RIGHT - LEFT - 16.0)
    }

    fn y(&self, value: f64) -> f64 {
        let share = (value - self.low) / (self.high - self.low);
        HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP)
    }

    fn points(&self, line: &Line) -> String {
        let points =
            finite(line).map(|(number, value)| format!("{},{}", at(self.x(number)), at(self.y(value))));
        points.collect::<Vec<_>>().join(" ")
    }

    /// Two to seven round values.
    fn ticks(&self) -> Vec<f64> {
        let rough = (self.high - self.low) / 6.0;
        let unit = 10.0_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * unit);
        let step = step
            .into_iter()
            .find(|step| *step >= rough)
            .unwrap_or(10.0 * unit);
        let (first, last) = ((self.low / step).ceil(), (self.high / step).floor());
        let count = (last - first).clamp(0.0, 12.0) as usize;
        (0..=count).map(|tick| (first + tick as f64) * step).collect()
    }

    /// Some of the whole numbers, evenly: all of a few, and each second, fifth, tenth of more.
    fn numbers(&self) -> Vec<usize> {
        let step = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]
            .into_iter()
            .find(|step| self.last / step <= 10)
            .unwrap_or(self.last);
        (1..=self.last)
            .filter(|number| step == 1 || number % step == 0)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(name: &str, values: &[f64]) -> Line {
        Line {
            name: name.to_string(),
            values: values.to_vec(),
        }
    }

    fn two(value: f64) -> String {
        format!("{value:.2}")
    }

    #[test]
    fn values_are_in_the_drawing_the_summary_and_the_table() {
        let all = [line("a <b>", &[1.5, 0.75]), line("c", &[f64::NAN, 0.9, 0.8])];
        let drawn = lines("Loss", "epoch", &all, two).into_string();
        assert!(
            drawn.contains("Loss by epoch; a &lt;b&gt; from 1.50 to 0.75; c from 0.90 to 0.80"),
            "{drawn}"
        );
        assert!(drawn.contains("<title>c, epoch 2: 0.90</title>"));
        assert!(drawn.contains("<td class=\"number\">0.75</td>"));
        assert!(!drawn.contains("NaN") && drawn.matches("<polyline").count() == 2);
    }

    #[test]
    fn one_value_no_value_and_values_without_bounds_are_drawn_all_the_same() {
        for values in [&[][..], &[0.5], &[f64::NAN], &[f64::MAX, f64::MIN], &[3.0, 3.0]] {
            let drawn = lines("x", "epoch", &[line("a", values)], two).into_string();
            assert!(
                !drawn.contains("NaN") && !drawn.contains("inf"),
                "{values:?}: {drawn}"
            );
        }
        assert!(lines("x", "epoch", &[], two).into_string().contains("<svg"));
    }

    #[test]
    fn ticks_are_round_and_no_two_of_twelve_lines_look_the_same() {
        let scale = |low: f64, high: f64| Scale { low, high, last: 40 };
        let found = scale(0.48, 1.43).ticks();
        assert_eq!(found.len(), 5, "{found:?}");
        for (found, expected) in found.into_iter().zip([0.6, 0.8, 1.0, 1.2, 1.4]) {
            assert!((found - expected).abs() < 1e-9);
        }
        assert_eq!(scale(0.0, 1.0).numbers(), [5, 10, 15, 20, 25, 30, 35, 40]);
        let looks: std::collections::BTreeSet<String> = (0..12).map(class).collect();
        assert_eq!(looks.len(), 12);
    }
}
