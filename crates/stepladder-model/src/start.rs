//! Where a training starts from, as data: pretrained weights, what of them stays frozen, and how the rest learns.

/// The `[start]` table.
#[derive(Clone, Debug, PartialEq)]
pub struct Start {
    /// Where the weights come from: `shipped`, a file, `hf:OWNER/NAME`, or `run:` and the directory of a run.
    pub weights: String,
    /// The sha256 that the weights must have, 64 hexadecimal digits.
    pub sha256: Option<String>,
    /// What becomes of the head.
    pub head: Head,
    /// What is not trained; the backbone by default.
    pub frozen: Frozen,
    /// Whether the head is first fitted exactly to the features of the weights as they are; by default, where it is new.
    pub exact_head: bool,
    /// The learning rate of a stage over that of the one behind it, in (0, 1]; 1 by default.
    pub learning_rate_decay: f32,
    /// Whether batch normalizations keep their moving statistics and use them; true by default.
    pub frozen_statistics: bool,
}

/// What becomes of the layer that makes the scores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Head {
    /// It has new initial values.
    #[default]
    New,
    /// A class that the weights know by name keeps its column; others have new initial values.
    ByClassName,
}

/// What of a network is not trained.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Frozen {
    /// Everything is trained.
    None,
    /// All but the head.
    #[default]
    Backbone,
    /// The layers from the first to the one of this name.
    UpTo(String),
}

impl Head {
    pub(crate) const NAMES: &[(&str, Head)] = &[("new", Head::New), ("by_class_name", Head::ByClassName)];

    /// As the file has it.
    pub fn name(self) -> &'static str {
        match self {
            Head::New => "new",
            Head::ByClassName => "by_class_name",
        }
    }
}

impl Frozen {
    /// As the file has it.
    pub fn name(&self) -> &str {
        match self {
            Frozen::None => "none",
            Frozen::Backbone => "backbone",
            Frozen::UpTo(layer) => layer,
        }
    }
}

impl Start {
    /// The weights of this source, with a new head that is fitted exactly to what the frozen backbone says of each photo.
    pub fn new(weights: impl Into<String>) -> Start {
        Start {
            weights: weights.into(),
            sha256: None,
            head: Head::New,
            frozen: Frozen::Backbone,
            exact_head: true,
            learning_rate_decay: 1.0,
            frozen_statistics: true,
        }
    }

    /// Where the weights come from, without the folders of this machine.
    pub fn origin(&self) -> String {
        let (prefix, path) = match self.weights.strip_prefix("run:") {
            Some(run) => ("run:", run),
            None => ("", self.weights.as_str()),
        };
        if path.starts_with("hf:") {
            return path.to_string();
        }
        let name = path.trim_end_matches(['/', '\\']).rsplit(['/', '\\']).next();
        format!("{prefix}{}", name.unwrap_or_default())
    }

    /// Whether there are no gradient steps: the head alone is trained, and that exactly.
    pub fn is_exact(&self) -> bool {
        self.exact_head && self.frozen == Frozen::Backbone
    }
}
