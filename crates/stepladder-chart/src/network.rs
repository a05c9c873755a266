//! A network as blocks from top to bottom, narrower as its maps shrink, with arcs for the ways around.

use crate::figure::at;
use maud::{Markup, html};

/// A layer, or several that follow each other with nothing between.
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    /// What it does: `Conv2D 3 x 3, BatchNormalization, relu`.
    pub what: String,
    /// What it gives, and what it holds: `32 x 32 x 64, 18 496 parameters`.
    pub gives: String,
    /// Its color.
    pub kind: BlockKind,
    /// Side of its output over the side of the photo, in 0..=1; vectors have 0.
    pub side: f64,
    /// Blocks that it takes, by number; empty where it takes the photo. All are smaller than its own number.
    pub inputs: Vec<usize>,
}

/// What a block mainly is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockKind {
    /// A convolution of any kind.
    Convolution,
    /// Pooling of any kind.
    Pooling,
    /// A dense layer.
    Dense,
    /// All else.
    Other,
}

/// A row's height, in pixels; `chart.css` has the same for the words beside it.
const ROW: f64 = 44.0;
const WIDTH: f64 = 132.0;
/// Where the blocks' middles lie, and what the widest and the narrowest take.
const MIDDLE: f64 = 86.0;
const WIDEST: f64 = 84.0;
const NARROWEST: f64 = 12.0;
const HEIGHT: f64 = 20.0;

/// The blocks below the photo. The words say all that the drawing does, so that the drawing is hidden from screen readers.
pub fn network(photo: &str, blocks: &[Block]) -> Markup {
    let height = ROW * (blocks.len() + 1) as f64;
    // The photo has the first row.
    let row = |block: usize| ROW * (block + 1) as f64 + ROW / 2.0;
    let width = |side: f64| NARROWEST + (WIDEST - NARROWEST) * side.clamp(0.0, 1.0).sqrt();
    let rectangle = |class: &str, y: f64, side: f64| {
        let width = width(side);
        html! { rect class=(class) x=(at(MIDDLE - width / 2.0)) y=(at(y - HEIGHT / 2.0)) width=(at(width)) height=(HEIGHT) rx="3" {} }
    };
    html! {
        div class="network" {
            svg viewBox={ "0 0 " (WIDTH) " " (height) } width=(WIDTH) height=(height) aria-hidden="true" focusable="false" {
                (rectangle("photo", ROW / 2.0, 1.0))
                @for (number, block) in blocks.iter().enumerate() {
                    @let y = row(number);
                    @let takes_the_one_before = block.inputs.is_empty() || block.inputs.contains(&number.wrapping_sub(1));
                    @if takes_the_one_before {
                        line class="way" x1=(MIDDLE) x2=(MIDDLE) y1=(at(y - ROW + HEIGHT / 2.0)) y2=(at(y - HEIGHT / 2.0)) {}
                    }
                    @for &input in block.inputs.iter().filter(|&&input| input + 1 < number) {
                        (around([row(input), y], [width(blocks[input].side), width(block.side)]))
                    }
                    (rectangle(class(block.kind), y, block.side))
                }
            }
            ol {
                li { span class="what" { "Photo" } span class="soft" { (photo) } }
                @for (number, block) in blocks.iter().enumerate() {
                    li {
                        span class="what" title=(block.what) { (block.what) @for &input in block.inputs.iter().filter(|&&input| input + 1 < number) {
                            span class="unseen" { ", also takes what the block " (number - input) " above gives" }
                        } }
                        span class="soft" { (block.gives) }
                    }
                }
            }
        }
    }
}

/// A way that leads around the blocks between two rows.
fn around(rows: [f64; 2], widths: [f64; 2]) -> Markup {
    let left = widths.map(|width| MIDDLE - width / 2.0);
    // The longer the way, the further out it leads.
    let out = (30.0 - (rows[1] - rows[0]) / ROW * 5.0).max(-6.0);
    let path = format!(
        "M{} {} C{out:.1} {} {out:.1} {} {} {}",
        at(left[0]),
        at(rows[0]),
        at(rows[0]),
        at(rows[1]),
        at(left[1]),
        at(rows[1])
    );
    html! { path class="way" d=(path) {} }
}

fn class(kind: BlockKind) -> &'static str {
    match kind {
        BlockKind::Convolution => "convolution",
        BlockKind::Pooling => "pooling",
        BlockKind::Dense => "dense",
        BlockKind::Other => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(what: &str, inputs: &[usize]) -> Block {
        Block {
            what: what.into(),
            gives: "8 x 8 x 4".into(),
            kind: BlockKind::Convolution,
            side: 0.5,
            inputs: inputs.to_vec(),
        }
    }

    #[test]
    fn a_way_around_is_drawn_and_said() {
        let blocks = [block("one", &[]), block("<two>", &[0]), block("sum", &[0, 1])];
        let drawn = network("8 x 8 x 3", &blocks).into_string();
        assert_eq!(drawn.matches("<path").count(), 1, "{drawn}");
        assert_eq!(drawn.matches("<line").count(), 3);
        assert!(drawn.contains(", also takes what the block 2 above gives") && drawn.contains("&lt;two&gt;"));
    }

    #[test]
    fn branches_have_no_straight_line_between_them() {
        let blocks = [
            block("one", &[]),
            block("left", &[0]),
            block("right", &[0]),
            block("sum", &[1, 2]),
        ];
        let drawn = network("8 x 8 x 3", &blocks).into_string();
        assert_eq!(
            drawn.matches("<path").count(),
            2,
            "to the right branch, and from the left one"
        );
        assert_eq!(drawn.matches("<line").count(), 3);
    }
}
