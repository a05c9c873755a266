//! The common frame of every HTML page that Stepladder writes or serves: one look, light and dark, on a phone, on a wide screen, on
//! paper, and with a screen reader.
//!
//! A [`Page`] is one self-contained document: styles, scripts and pictures lie inside it, and its content security policy forbids
//! everything else, so that it works from a mail attachment and tells nobody that it was opened. What is in it is written
//! with [`html!`](maud::html), which escapes every text; [`element`] has the pieces that pages share, [`svg`] small drawings,
//! [`lines`] curves.

pub mod element;
pub mod lines;
mod page;
pub mod svg;

pub use maud::{Markup, PreEscaped, html};
pub use page::{Kind, Page};
