//! The frame of a chart: caption, drawing, and the numbers as a table.

use maud::{Markup, html};

/// A chart `width` by `height` units large, `narrow` or `wide` on the page. `spoken` is what a reader who cannot see it is told; `heads` and `rows` are its numbers.
#[allow(clippy::too_many_arguments, reason = "the parts of a figure, each once")]
pub(crate) fn figure(
    caption: &str,
    class: &str,
    spoken: &str,
    [width, height]: [f64; 2],
    drawing: Markup,
    legend: Markup,
    heads: &[&str],
    rows: &[Vec<String>],
) -> Markup {
    html! {
        figure class="chart" {
            figcaption { (caption) }
            svg class=(class) viewBox={ "0 0 " (width) " " (height) } role="img" aria-label=(spoken) { (drawing) }
            (legend)
            details {
                summary { "Numbers: " (caption) }
                div class="scroll" role="region" aria-label={ (caption) ", numbers" } tabindex="0" {
                    table {
                        thead { tr { @for head in heads { @if head.is_empty() { td {} } @else { th scope="col" { (head) } } } } }
                        tbody { @for row in rows { tr { @for (at, cell) in row.iter().enumerate() {
                            @if at == 0 { th scope="row" { (cell) } } @else { td class="number" { (cell) } }
                        } } } }
                    }
                }
            }
        }
    }
}

/// A coordinate with a tenth of a unit.
pub(crate) fn at(value: f64) -> String {
    format!("{value:.1}")
}
