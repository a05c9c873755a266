//! The rungs that can be named without a path: the fourteen of the ladder, in its order; variants of them, which
//! take apart what a rung changed at once or mend what was a mistake; a family of networks for training within a given time; and known networks, which pretrained weights fit.

use std::path::Path;

use crate::ancestry::{self, is_path};
use crate::error::RungError;
use crate::rung::Rung;
use crate::shown::shown;
use crate::suggest;

/// A rung that is part of this program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShippedRung {
    /// What the command line calls it.
    pub name: &'static str,
    /// Its file.
    pub toml: &'static str,
}

macro_rules! shipped {
    ($($name:literal),* $(,)?) => {
        &[$(ShippedRung { name: $name, toml: include_str!(concat!("../rungs/", $name, ".toml")) }),*]
    };
}

/// In ladder order. A new rung is a file in `rungs/` and a name here.
const SHIPPED: &[ShippedRung] = shipped![
    "baseline",
    "m3",
    "m4",
    "m5",
    "he-normal",
    "m6-no-bn",
    "m6",
    "m7",
    "m9",
    "m10",
    "m13",
    "lr-study",
    "m17",
    "m20",
];

/// Beside the ladder, each after its parent.
const VARIANTS: &[ShippedRung] = shipped![
    "m7-first",
    "m9-no-augmentation",
    "m13-no-augmentation",
    "m13-in-model",
    "m17-deeper",
    "m17-fan-in",
    "m20-45-degrees",
];

/// The family that `auto` chooses from, from small to large.
const FAMILY: &[ShippedRung] = shipped!["small", "medium", "large"];

/// The second ladder: `small`, then each ingredient of its recipe taken away, then each that it does without added.
const BEYOND: &[ShippedRung] = shipped![
    "small-no-crops",
    "small-light-crops",
    "small-no-label-smoothing",
    "small-adamw",
    "small-no-decay",
    "small-decay-everywhere",
    "small-cosine",
    "small-gamma-ones",
    "small-one-size",
    "small-moving-statistics",
    "small-no-mirror",
    "small-no-dropout",
    "small-blur",
    "small-average",
    "small-trivial-augment",
    "small-color",
    "small-erasing",
    "small-mixup",
];

/// What pretrained weights add to the second ladder, each after its parent.
const PRETRAINED: &[ShippedRung] = shipped!["features", "fine-tuned"];

/// Known networks, from few multiplications to many. `oracle/network_rungs.py` writes their files.
const NETWORKS: &[ShippedRung] = shipped![
    "mobilenetv3-small",
    "mobilenetv4-small",
    "regnetx-002",
    "mobilenetv3-large",
    "mobilenetv2",
    "efficientnet-lite0",
    "regnetx-004",
    "convnext-atto",
    "mobilenetv1",
    "repvgg-a0",
    "resnet18",
    "resnet18d",
    "resnet34",
    "resnet50",
];

/// The rungs of the ladder, in its order.
pub fn shipped() -> &'static [ShippedRung] {
    SHIPPED
}

/// Shipped rungs that are not steps of the ladder: each takes apart what a rung of it changed at once, or mends what was
/// a mistake there. They can be named and trained as the others.
pub fn variants() -> &'static [ShippedRung] {
    VARIANTS
}

/// Networks for training from random weights within a given time, from small to large. They are no steps of the ladder.
pub fn family() -> &'static [ShippedRung] {
    FAMILY
}

/// The second ladder beside [`family`]'s `small`: what each ingredient of its recipe is worth, by taking it away or adding it.
pub fn beyond() -> &'static [ShippedRung] {
    BEYOND
}

/// The last rungs of the second ladder, which start from the weights inside the program.
pub fn pretrained() -> &'static [ShippedRung] {
    PRETRAINED
}

/// Known networks as rungs, which are no steps of the ladder: their layers are named so that pretrained weights fit them.
pub fn networks() -> &'static [ShippedRung] {
    NETWORKS
}

/// Rungs that can be named without a path.
#[derive(Clone, Debug)]
pub struct RungCatalog {
    rungs: Vec<(String, String)>,
}

impl RungCatalog {
    /// The rungs that are part of this program: the ladder, then the variants, the family, the second ladder with its pretrained rungs, and the networks.
    pub fn shipped() -> RungCatalog {
        RungCatalog {
            rungs: SHIPPED
                .iter()
                .chain(VARIANTS)
                .chain(FAMILY)
                .chain(BEYOND)
                .chain(PRETRAINED)
                .chain(NETWORKS)
                .map(|rung| (rung.name.to_owned(), rung.toml.to_owned()))
                .collect(),
        }
    }

    /// Adds a rung, or replaces the one of that name.
    #[must_use]
    pub fn with(mut self, name: &str, toml: &str) -> RungCatalog {
        match self.rungs.iter_mut().find(|(known, _)| known == name) {
            Some((_, text)) => toml.clone_into(text),
            None => self.rungs.push((name.to_owned(), toml.to_owned())),
        }
        self
    }

    /// The names: the ladder in its order, then the variants, the family, the second ladder and the networks, then what was added.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.rungs.iter().map(|(name, _)| name.as_str())
    }

    /// The rung of that name.
    ///
    /// # Errors
    ///
    /// Names the nearest rung if there is none of that name.
    pub fn get(&self, name: &str) -> Result<Rung, RungError> {
        let Some(toml) = self.text(name) else {
            return Err(RungError::UnknownRung {
                name: shown(name),
                remedy: self.remedy(name),
            });
        };
        ancestry::read_named(name, toml, self)
    }

    /// Whether [`open`](Self::open) takes this for a file: it has a slash, or ends in `.toml`.
    pub fn is_path(name_or_path: &str) -> bool {
        is_path(name_or_path)
    }

    /// The rung that a user names: `m5`, or `my.toml`, or `rungs/my.toml`.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get) and [`Rung::from_path`].
    pub fn open(&self, name_or_path: &str) -> Result<Rung, RungError> {
        if is_path(name_or_path) {
            Rung::from_path(Path::new(name_or_path), self)
        } else {
            self.get(name_or_path)
        }
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.rungs
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, toml)| toml.as_str())
    }

    /// What to write instead of a name that is not there.
    pub(crate) fn remedy(&self, name: &str) -> String {
        match suggest::nearest(name, self.names()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => {
                let beside = VARIANTS.iter().chain(BEYOND).chain(NETWORKS);
                let ladder = self
                    .names()
                    .filter(|name| beside.clone().all(|rung| rung.name != *name));
                let names = ladder.collect::<Vec<_>>().join(", ");
                format!(
                    "there are {names}, variants and networks that `stepladder models` lists, and a rung of your own is named by its file, my.toml"
                )
            }
        }
    }
}
