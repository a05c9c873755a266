//! The confusion matrix, as a table whose cells are tinted by their share of the row.

use maud::{Markup, html};

/// Counts of photos by true class (rows) and answer (columns), both in the order of `classes`.
pub fn confusion(caption: &str, classes: &[String], counts: &[Vec<u32>]) -> Markup {
    html! {
        div class="scroll" role="region" aria-label=(caption) tabindex="0" {
            table class="confusion" {
                caption { (caption) }
                thead { tr {
                    th scope="col" { "class \\ answer" }
                    @for class in classes { th scope="col" { (class) } }
                } }
                tbody { @for (row, (class, counts)) in classes.iter().zip(counts).enumerate() {
                    @let total = counts.iter().sum::<u32>().max(1);
                    tr {
                        th scope="row" { (class) }
                        @for (column, count) in counts.iter().enumerate() {
                            @let share = f64::from(*count) / f64::from(total);
                            td class=(if row == column { "right" } else { "wrong" }) style=(format!("--share:{share:.2}"))
                                title={ (class) " taken for " (classes.get(column).map_or("", String::as_str)) ": " (count) " of " (total) } { (count) }
                        }
                    }
                } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_hold_counts_and_names_are_escaped() {
        let classes = [String::from("a\"><script>"), String::from("b")];
        let drawn = confusion("Test photos", &classes, &[vec![3, 1], vec![0, 4]]).into_string();
        assert!(!drawn.contains("<script>"));
        assert!(
            drawn.contains("--share:0.75") && drawn.contains(">4</td>"),
            "{drawn}"
        );
    }
}
