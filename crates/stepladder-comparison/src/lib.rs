//! Whether one classifier is better than another, and how sure that is. [`compare`] takes what two classifiers made of the
//! same test photos and gives the difference of their accuracies with its 95% interval, a [`Verdict`], and the number of
//! photos that would tell them apart. Nothing here knows of networks, files or terminals.
//!
//! ```
//! use stepladder_comparison::{Answers, Verdict, compare};
//!
//! // Whether each of eight test photos was right, with one seed each.
//! let parent = Answers::one([true, true, false, false, true, false, true, true]);
//! let child = Answers::one([true, true, true, false, true, true, true, true]);
//! let comparison = compare(&parent, &child, 0);
//! assert_eq!(comparison.difference, 0.25);
//! // Two photos more of eight may well be luck.
//! assert_eq!(comparison.verdict, Verdict::WithinNoise);
//! ```
//!
//! The parts: [`wilson_interval`] for one accuracy, [`Pairs`] for one seed each ([`Pairs::interval`] is Tango's score interval,
//! [`Pairs::p_value`] McNemar's exact test), [`bootstrap_interval`] for several seeds, [`independent_interval`] for different
//! photos, and [`photos_to_tell_apart`] for planning.

mod bootstrap;
mod comparison;
mod independent;
mod pairs;
mod planning;
mod quantile;
mod wilson;

pub use bootstrap::bootstrap_interval;
pub use comparison::{Answers, Comparison, Method, Verdict, compare};
pub use independent::independent_interval;
pub use pairs::Pairs;
pub use planning::photos_to_tell_apart;
pub use wilson::{wilson_interval, wilson_interval_of_share};
