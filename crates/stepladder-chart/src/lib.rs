//! Charts as inline SVG, for pages in the frame of `stepladder-page`, which has the simplest ones, and lines over epochs, itself.
//!
//! Each chart is a figure with a caption, labelled axes, values that show when pointed at, a description for screen readers,
//! and the numbers as a table that opens below it. Colors come from the page's variables, so that charts follow light and dark.

mod axis;
mod confusion;
mod figure;
mod intervals;
mod network;
mod reliability;

pub use confusion::confusion;
pub use intervals::{Interval, intervals};
pub use network::{Block, BlockKind, network};
pub use reliability::{Bin, reliability};

/// The styles of all charts, for a page that has some.
pub const STYLE: &str = include_str!("chart.css");
