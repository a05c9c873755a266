//! Lints: what can be trained and most likely should not be. A finding warns, says why in one sentence, and what to write
//! instead; a rung that means it silences the lint by name, `allow = ["rotation-in-turns"]`. What cannot be right is an
//! error when the rung is read, and not a lint.

mod augmentation;
mod layers;
mod training;

use std::fmt;

use serde::Serialize;

use crate::graph::Graph;
use crate::place::Place;
use crate::rung::Rung;

/// One thing that is looked for.
#[derive(Clone, Copy, Debug)]
pub struct Lint {
    /// Stable, in kebab case: what `allow` takes.
    pub name: &'static str,
    /// What it warns of, in a few words.
    pub about: &'static str,
    check: fn(&Subject<'_>) -> Vec<Remark>,
}

/// Every lint, in the order in which findings are listed.
const LINTS: &[Lint] = &[
    Lint {
        name: "rotation-in-turns",
        about: "a RandomRotation that was probably meant in degrees",
        check: augmentation::rotation_in_turns,
    },
    Lint {
        name: "shear-does-nothing",
        about: "a shear_range below one degree",
        check: augmentation::shear_does_nothing,
    },
    Lint {
        name: "flipped-digits",
        about: "mirror images of digits",
        check: augmentation::flipped_digits,
    },
    Lint {
        name: "crop-and-zoom",
        about: "a crop of random size, and a zoom or a shift beside it",
        check: augmentation::crop_and_zoom,
    },
    Lint {
        name: "two-policies",
        about: "TrivialAugmentWide or RandAugment beside what they do themselves",
        check: augmentation::two_policies,
    },
    Lint {
        name: "mixing-does-nothing",
        about: "how often photos are mixed, where none are",
        check: augmentation::mixing_does_nothing,
    },
    Lint {
        name: "skip-without-normalization",
        about: "skip connections that add up what nothing normalizes",
        check: layers::skip_without_normalization,
    },
    Lint {
        name: "bent-scores",
        about: "an activation or a dropout between the last scores and their softmax",
        check: layers::bent_scores,
    },
    Lint {
        name: "fixed-classes",
        about: "a head for one number of classes",
        check: layers::fixed_classes,
    },
    Lint {
        name: "large-dense",
        about: "a large dense layer that holds most of the parameters",
        check: layers::large_dense,
    },
    Lint {
        name: "depthwise-fan-in",
        about: "depthwise kernels that start much too small",
        check: layers::depthwise_fan_in,
    },
    Lint {
        name: "learning-rate",
        about: "a learning rate far from what is usual for the optimizer",
        check: training::learning_rate,
    },
];

/// Every lint.
pub fn lints() -> &'static [Lint] {
    LINTS
}

/// The names that `allow` takes.
pub(crate) fn lint_names() -> impl Iterator<Item = &'static str> {
    LINTS.iter().map(|lint| lint.name)
}

/// What a lint has to say about a rung.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The lint's name.
    pub lint: &'static str,
    /// The file, and the line of the layer where it is one.
    pub place: String,
    /// What is the matter, in one sentence without a full stop.
    pub why: String,
    /// What to write.
    pub instead: String,
    /// Whether the rung silences the lint.
    pub silenced: bool,
}

/// `m20.toml:12: why; instead (rotation-in-turns)`
impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Finding {
            lint,
            place,
            why,
            instead,
            ..
        } = self;
        write!(formatter, "{place}: {why}; {instead} ({lint})")
    }
}

/// Every finding about `rung`, silenced ones included, in the order of [`lints`].
///
/// `graph` is the rung's at the size and the number of classes that it is to be trained with, since what is large at 512
/// pixels may be small at 64. `classes` are the classes' names, or empty where there is no data yet.
pub fn lint(rung: &Rung, graph: &Graph, classes: &[String]) -> Vec<Finding> {
    let subject = Subject { rung, graph, classes };
    let findings = LINTS.iter().flat_map(|lint| {
        let silenced = rung.allow.iter().any(|name| name == lint.name);
        (lint.check)(&subject).into_iter().map(move |remark| Finding {
            lint: lint.name,
            place: remark.place,
            why: remark.why,
            instead: remark.instead,
            silenced,
        })
    });
    findings.collect()
}

/// What a lint looks at.
struct Subject<'a> {
    rung: &'a Rung,
    graph: &'a Graph,
    classes: &'a [String],
}

/// A finding that does not know its lint.
struct Remark {
    place: String,
    why: String,
    instead: String,
}

impl Remark {
    /// About a layer.
    fn at(place: &Place, why: String, instead: impl Into<String>) -> Remark {
        Remark {
            place: place.to_string(),
            why,
            instead: instead.into(),
        }
    }

    /// About a key of a table, whose line is not kept.
    fn about(rung: &Rung, why: String, instead: impl Into<String>) -> Remark {
        let file = rung.place.name();
        Remark {
            place: if file.is_empty() { &rung.name } else { file }.to_owned(),
            why,
            instead: instead.into(),
        }
    }
}
