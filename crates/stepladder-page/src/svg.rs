//! Small inline drawings. They take their colors from the page, so that they follow light and dark.

use maud::{Markup, html};

/// A horizontal bar that fills `share` (0..=1) of its width, for the cells of a table. It repeats a number that stands beside it,
/// and is hidden from screen readers.
pub fn bar(share: f64) -> Markup {
    let width = format!("{:.1}", share.clamp(0.0, 1.0) * 100.0);
    html! {
        svg class="bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true" focusable="false" {
            rect class="track" width="100" height="8" {}
            rect class="fill" width=(width) height="8" {}
        }
    }
}

/// A histogram: the counts of neighboring intervals as columns, with a text below each end. `name` says what it shows, and
/// is read out with the counts; pointing at a column shows its label and count.
pub fn histogram(name: &str, columns: &[(String, u64)]) -> Markup {
    const HEIGHT: f64 = 60.0;
    let most = columns.iter().map(|(_, count)| *count).max().unwrap_or(0).max(1) as f64;
    let step = 300.0 / columns.len().max(1) as f64;
    let spoken: Vec<String> = columns
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(label, count)| format!("{label}: {count}"))
        .collect();
    html! {
        figure class="histogram" {
            figcaption { (name) }
            svg viewBox="0 0 300 62" preserveAspectRatio="none" role="img" aria-label={ (name) ". " (spoken.join(", ")) } {
                line class="axis" x1="0" y1="61" x2="300" y2="61" {}
                @for (place, (label, count)) in columns.iter().enumerate() {
                    // What there is one of among thousands is still to be seen.
                    @let height = if *count == 0 { 0.0 } else { (*count as f64 / most * HEIGHT).max(1.5) };
                    rect class="fill" x=(format!("{:.2}", place as f64 * step + step * 0.08)) width=(format!("{:.2}", step * 0.84))
                        y=(format!("{:.2}", HEIGHT + 1.0 - height)) height=(format!("{height:.2}")) {
                        title { (label) ": " (count) }
                    }
                }
            }
            div class="ends" aria-hidden="true" {
                @if let (Some((first, _)), Some((last, _))) = (columns.first(), columns.last()) {
                    span { (first) } span { (last) }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_stays_within_its_track() {
        assert!(bar(7.0).into_string().contains("width=\"100.0\""));
        assert!(bar(f64::NAN).into_string().contains("<svg"));
    }

    #[test]
    fn a_histogram_says_its_counts() {
        let columns = [(String::from("1 to 2"), 0), (String::from("2 to 3"), 5)];
        let drawn = histogram("Sides", &columns).into_string();
        assert!(drawn.contains("Sides. 2 to 3: 5"), "{drawn}");
        assert!(histogram("None", &[]).into_string().contains("<svg"));
    }
}
