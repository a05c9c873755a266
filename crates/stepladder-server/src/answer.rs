//! What a prediction is sent as.

use crate::models::Loaded;
use crate::queue::Answered;
use crate::request::Options;
use serde::Serialize;
use stepladder_classifier::ranked;

/// The answer to a request.
#[derive(Debug, Serialize)]
pub(crate) struct Predictions {
    /// The model that answered.
    pub model: String,
    /// One for each photo, in their order.
    pub photos: Vec<PhotoAnswer>,
}

/// The answer about a photo.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum PhotoAnswer {
    Known {
        name: String,
        /// The most probable class; null where it is less probable than was asked for.
        class: Option<String>,
        /// Of the most probable class.
        probability: f32,
        /// The most probable first.
        classes: Vec<ClassProbability>,
        #[serde(skip_serializing_if = "Option::is_none")]
        heat: Option<Heat>,
    },
    Unusable {
        name: String,
        /// Why the photo cannot be used.
        error: String,
    },
}

#[derive(Debug, Serialize)]
pub(crate) struct ClassProbability {
    pub class: String,
    pub probability: f32,
}

/// Which parts of what the network sees speak for the photo's most probable class.
#[derive(Debug, Serialize)]
pub(crate) struct Heat {
    pub height: usize,
    pub width: usize,
    /// Row by row, from 0 to 1.
    pub values: Vec<f32>,
}

impl PhotoAnswer {
    /// What the model said, as the options want it.
    pub fn new(name: String, answered: Answered, model: &Loaded, options: &Options) -> PhotoAnswer {
        let Answered { probabilities, heat } = answered;
        let ranked = ranked(&probabilities);
        let probability = probabilities[ranked[0]];
        let sure = options.unsure.is_none_or(|least| f64::from(probability) >= least);
        let names = &model.info.classes;
        let shown = ranked.iter().take(options.top.unwrap_or(usize::MAX));
        PhotoAnswer::Known {
            name,
            class: sure.then(|| names[ranked[0]].clone()),
            probability,
            classes: shown
                .map(|&class| ClassProbability {
                    class: names[class].clone(),
                    probability: probabilities[class],
                })
                .collect(),
            heat: heat.map(|heat| Heat {
                height: heat.height,
                width: heat.width,
                // Three digits are more than a picture shows.
                values: heat
                    .values
                    .iter()
                    .map(|value| (value * 1000.0).round() / 1000.0)
                    .collect(),
            }),
        }
    }

    /// Whether there is an answer.
    pub fn is_known(&self) -> bool {
        matches!(self, PhotoAnswer::Known { .. })
    }

    /// The photo's name and why it cannot be used, where it cannot.
    pub fn reason(&self) -> Option<String> {
        match self {
            PhotoAnswer::Known { .. } => None,
            PhotoAnswer::Unusable { name, error } => Some(format!("{name}: {error}")),
        }
    }
}
