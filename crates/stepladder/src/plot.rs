//! Plots as SVG text: a figure against the learning rate on a logarithmic axis, with points, a line, intervals and marks.
//!
//! Colors are chosen for white and for black behind them, and switch with the viewer's preference where it has one.

use std::fmt::Write;

/// What is drawn.
pub(crate) struct Plot<'a> {
    pub title: &'a str,
    /// What the vertical axis shows.
    pub figure: &'a str,
    /// Learning rate and figure of each faint point.
    pub points: Vec<(f64, f64)>,
    /// The line.
    pub line: Vec<(f64, f64)>,
    /// Learning rate, lower and upper end.
    pub intervals: Vec<(f64, f64, f64)>,
    /// Learning rates to point out, each with its label.
    pub marks: Vec<(f64, String)>,
    /// The least and the greatest figure shown.
    pub range: [f64; 2],
}

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 56.0;
const BOTTOM: f64 = 56.0;

const STYLE: &str = "text{font:13px system-ui,sans-serif;fill:#444}\
.t{font-size:15px;font-weight:600}.g{stroke:#8885;stroke-width:1}.p{fill:#8887}\
.l{fill:none;stroke:#1769aa;stroke-width:2}.i{stroke:#1769aa;stroke-width:1.5}.d{fill:#1769aa}\
.m{stroke:#c2410c;stroke-width:1.5;stroke-dasharray:4 3}.n{fill:#c2410c}\
@media(prefers-color-scheme:dark){text{fill:#ccc}.l,.i{stroke:#6db3f2}.d{fill:#6db3f2}.m{stroke:#fb923c}.n{fill:#fb923c}}";

impl Plot<'_> {
    /// The plot as a file's text.
    pub fn to_svg(&self) -> String {
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">\n<style>{STYLE}</style>\n"
        );
        self.frame(&mut svg);
        let [low, high] = self.range;
        for &(rate, figure) in self.points.iter().filter(|(_, y)| (low..=high).contains(y)) {
            let _ = writeln!(
                svg,
                "<circle class=\"p\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"2\"/>",
                self.x(rate),
                self.y(figure)
            );
        }
        let path: Vec<String> = self
            .line
            .iter()
            .map(|&(rate, figure)| format!("{:.1},{:.1}", self.x(rate), self.y(figure)))
            .collect();
        let _ = writeln!(svg, "<polyline class=\"l\" points=\"{}\"/>", path.join(" "));
        for &(rate, low, high) in &self.intervals {
            let x = self.x(rate);
            let _ = writeln!(
                svg,
                "<line class=\"i\" x1=\"{x:.1}\" y1=\"{:.1}\" x2=\"{x:.1}\" y2=\"{:.1}\"/>",
                self.y(low),
                self.y(high)
            );
        }
        if !self.intervals.is_empty() {
            for &(rate, figure) in &self.line {
                let _ = writeln!(
                    svg,
                    "<circle class=\"d\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"4\"/>",
                    self.x(rate),
                    self.y(figure)
                );
            }
        }
        for (row, (rate, label)) in self.marks.iter().enumerate() {
            let x = self.x(*rate);
            let y = TOP + 14.0 + 16.0 * row as f64;
            let _ = writeln!(
                svg,
                "<line class=\"m\" x1=\"{x:.1}\" y1=\"{TOP}\" x2=\"{x:.1}\" y2=\"{:.1}\"/>\n<text class=\"n\" x=\"{:.1}\" y=\"{y:.1}\">{}</text>",
                HEIGHT - BOTTOM,
                x + 5.0,
                escaped(label)
            );
        }
        svg + "</svg>\n"
    }

    /// Title, axes and their numbers.
    fn frame(&self, svg: &mut String) {
        let bottom = HEIGHT - BOTTOM;
        let _ = writeln!(
            svg,
            "<text class=\"t\" x=\"{LEFT}\" y=\"24\">{}</text>",
            escaped(self.title)
        );
        let _ = writeln!(svg, "<text x=\"{LEFT}\" y=\"44\">{}</text>", escaped(self.figure));
        let [low, high] = self.exponents();
        for exponent in low.ceil() as i32..=high.floor() as i32 {
            let x = self.x(10_f64.powi(exponent));
            let _ = writeln!(
                svg,
                "<line class=\"g\" x1=\"{x:.1}\" y1=\"{TOP}\" x2=\"{x:.1}\" y2=\"{bottom}\"/>\n<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">1e{exponent}</text>",
                bottom + 18.0
            );
        }
        for line in 0..=4 {
            let figure = self.range[0] + (self.range[1] - self.range[0]) * f64::from(line) / 4.0;
            let y = self.y(figure);
            let _ = writeln!(
                svg,
                "<line class=\"g\" x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{}\" y2=\"{y:.1}\"/>\n<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{figure:.2}</text>",
                WIDTH - RIGHT,
                LEFT - 8.0,
                y + 4.0
            );
        }
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">learning rate</text>",
            (LEFT + WIDTH - RIGHT) / 2.0,
            HEIGHT - 14.0
        );
    }

    /// The decimal exponents of the least and the greatest rate, a little apart even where there is one rate.
    fn exponents(&self) -> [f64; 2] {
        let rates = self.line.iter().chain(&self.points).map(|(rate, _)| rate.log10());
        let (low, high) = rates.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| {
            (low.min(x), high.max(x))
        });
        if low > high {
            return [-1.0, 1.0];
        }
        let margin = ((high - low) * 0.04).max(0.1);
        [low - margin, high + margin]
    }

    fn x(&self, rate: f64) -> f64 {
        let [low, high] = self.exponents();
        LEFT + (WIDTH - LEFT - RIGHT) * (rate.log10() - low) / (high - low)
    }

    /// The height of a figure; one beyond the range lies on its edge.
    fn y(&self, figure: f64) -> f64 {
        let [low, high] = self.range;
        let share = ((figure - low) / (high - low).max(1e-12)).clamp(0.0, 1.0);
        HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share
    }
}

/// Text that cannot become markup.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plot_is_bounded_and_names_cannot_break_it() {
        let plot = Plot {
            title: "<script>",
            figure: "loss",
            points: vec![(1e-3, 1.0), (1e-2, f64::NAN)],
            line: vec![(1e-3, 1.0), (1e-1, 99.0)],
            intervals: vec![],
            marks: vec![(1e-2, "valley & more".into())],
            range: [0.0, 2.0],
        };
        let svg = plot.to_svg();
        assert!(!svg.contains("<script>") && svg.contains("valley &amp; more"));
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        assert!(svg.contains(">1e-2</text>"));
    }
}
