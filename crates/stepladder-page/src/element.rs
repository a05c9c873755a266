//! Pieces that pages share: key figures, notes, tables that scroll on a phone, thumbnails.

use base64::Engine;
use maud::{Markup, html};

/// How much a note matters. It is said in words as well as by color.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// Nothing to do.
    Good,
    /// Worth knowing.
    Notice,
    /// Something should be done.
    Warning,
}

impl Weight {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Weight::Good => "Good",
            Weight::Notice => "Notice",
            Weight::Warning => "Warning",
        }
    }

    fn class(self) -> &'static str {
        match self {
            Weight::Good => "note good",
            Weight::Notice => "note notice",
            Weight::Warning => "note warning",
        }
    }
}

/// A note: what was found, and below it what belongs to it.
pub fn note(weight: Weight, what: &str, details: Markup) -> Markup {
    html! {
        div class=(weight.class()) {
            p class="what" { span class="weight" { (weight.word()) } " " (what) }
            (details)
        }
    }
}

/// Key figures side by side: what each is, and its value.
pub fn figures<'a>(figures: impl IntoIterator<Item = (&'a str, String)>) -> Markup {
    html! {
        dl class="figures" {
            @for (what, value) in figures {
                div { dt { (what) } dd { (value) } }
            }
        }
    }
}

/// A table. `numeric` says which columns hold numbers, which are flush right. On a narrow screen it scrolls by itself, by
/// keyboard too.
pub fn table(caption: &str, heads: &[&str], numeric: &[bool], rows: &[Vec<Markup>]) -> Markup {
    let class = |column: usize| numeric.get(column).copied().unwrap_or(false).then_some("number");
    html! {
        div class="scroll" role="region" aria-label=(caption) tabindex="0" {
            table {
                caption { (caption) }
                thead { tr {
                    @for (column, head) in heads.iter().enumerate() {
                        @if head.is_empty() { td {} } @else { th scope="col" class=[class(column)] { (head) } }
                    }
                } }
                tbody {
                    @for row in rows {
                        tr {
                            @for (column, cell) in row.iter().enumerate() {
                                @if column == 0 { th scope="row" class=[class(column)] { (cell) } }
                                @else { td class=[class(column)] { (cell) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A grid of pictures with captions.
pub fn gallery(thumbnails: impl IntoIterator<Item = Markup>) -> Markup {
    html! { ul class="gallery" { @for thumbnail in thumbnails { li { (thumbnail) } } } }
}

/// Grids of pictures that belong together, side by side, each with what is said below it.
pub fn groups(groups: impl IntoIterator<Item = (Vec<Markup>, Markup)>) -> Markup {
    html! {
        div class="groups" {
            @for (thumbnails, below) in groups { div { (gallery(thumbnails)) (below) } }
        }
    }
}

/// A small picture with its caption. `alternative` says what a reader who cannot see it should know.
pub fn thumbnail(source: &str, alternative: &str, caption: Markup) -> Markup {
    html! {
        figure class="thumbnail" {
            img src=(source) alt=(alternative) decoding="async";
            figcaption { (caption) }
        }
    }
}

/// A file inside the page, such as a picture: `data_uri("image/jpeg", &bytes)`.
pub fn data_uri(media_type: &str, bytes: &[u8]) -> String {
    let mut uri = format!("data:{media_type};base64,");
    base64::engine::general_purpose::STANDARD.encode_string(bytes, &mut uri);
    uri
}

/// A command that the reader may type.
pub fn command(line: &str) -> Markup {
    html! { pre class="command" tabindex="0" { code { (line) } } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_says_its_weight_in_words() {
        let note = note(Weight::Warning, "3 photos <b>", html! { p { "x" } }).into_string();
        assert!(note.contains("Warning") && note.contains("3 photos &lt;b&gt;"));
    }

    #[test]
    fn tables_have_heads_for_rows_and_columns() {
        let rows = vec![vec![html! { "roses" }, html! { "641" }]];
        let table = table("Photos", &["class", "photos"], &[false, true], &rows).into_string();
        assert!(
            table.contains("<th scope=\"row\">roses</th><td class=\"number\">641</td>"),
            "{table}"
        );
        assert!(table.contains("<caption>Photos</caption>"));
    }

    #[test]
    fn files_lie_inside_the_page() {
        assert_eq!(data_uri("image/png", b"hi!"), "data:image/png;base64,aGkh");
    }
}
