//! What all runs of a climb have in common, so that they can be compared: the photos, the split, the input's size, the
//! length, the device.

use crate::error::ClimbError;
use crate::ladder::Step;
use crate::request::{ClimbRequest, Length};
use serde::{Deserialize, Serialize};
use stepladder_data::{Dataset, PhotoStore, Progress, Remark, TypicalPhoto};
use stepladder_model::{ImageSize, Rung};
use stepladder_train::{DataRecord, data_record, training_size};

/// Part of `climb.json`. A climb goes on only under equal settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Where the photos came from.
    pub data: DataRecord,
    /// Photos that could be read.
    pub photos: usize,
    /// A hash over the photos' names, classes, declared parts and contents, in hexadecimal digits.
    pub photos_hash: String,
    /// Size of the input that was asked for; null where each rung has its own.
    pub size: Option<ImageSize>,
    /// Most epochs that were asked for; null where each rung has its own.
    pub epochs: Option<usize>,
    /// Seconds for the whole climb; null without a budget.
    pub budget_seconds: Option<f64>,
    /// The seed of the split.
    pub split_seed: u64,
    /// The share of photos in the test part, for every rung; without effect where the data declares its parts.
    pub test_fraction: f32,
    /// Whether moving averages are evaluated as they are, even where they lag behind the weights.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub moving_statistics: bool,
    /// Where it computed.
    pub device: String,
    /// Number format of activations.
    pub precision: String,
}

/// The photos of a climb, looked over once.
pub(crate) struct Photos {
    pub settings: Settings,
    /// The data's short name.
    pub name: String,
    pub classes: usize,
    /// What to know of how the data was read.
    pub remarks: Vec<Remark>,
    /// How large the photos are.
    typical_photo: Option<TypicalPhoto>,
}

impl Photos {
    /// Opens the data, decodes it where it is not in the cache, and fixes what is common to all rungs.
    pub fn open(
        request: &ClimbRequest,
        steps: &[Step],
        progress: &dyn Progress,
    ) -> Result<Photos, ClimbError> {
        let (Some(first), Some(&split_seed)) = (steps.first(), request.seeds.first()) else {
            return Err(ClimbError::Nothing);
        };
        let mut dataset = Dataset::open(&request.data)?;
        let typical_photo = dataset.typical_photo();
        let size = size(request.size, &first.rung, typical_photo.as_ref());
        let cache = request.cache.clone().with_scaling(first.rung.input.fit.into());
        let store = PhotoStore::open_or_build(&dataset, size, &cache, progress)?;
        let (photos, photos_hash) = hash(&dataset, &store);
        dataset.drop_unreadable_classes(&store)?;
        let (epochs, budget_seconds) = match request.length {
            Length::Rung => (None, None),
            Length::Epochs(epochs) => (Some(epochs), None),
            Length::Budget(budget) => (None, Some(budget.as_secs_f64())),
        };
        let tested = steps.iter().map(|step| step.rung.split.test);
        Ok(Photos {
            settings: Settings {
                data: data_record(&request.data),
                photos,
                photos_hash,
                size: request.size,
                epochs,
                budget_seconds,
                split_seed,
                test_fraction: tested.clone().find(|&share| share > 0.0).unwrap_or(0.0),
                moving_statistics: request.moving_statistics,
                device: request.device.to_string(),
                precision: request.precision.to_string(),
            },
            name: dataset.name.clone(),
            classes: dataset.classes.len(),
            remarks: std::mem::take(&mut dataset.remarks),
            typical_photo,
        })
    }

    /// Height and width of a rung's input in pixels.
    pub fn size(&self, step: &Step) -> ImageSize {
        size(self.settings.size, &step.rung, self.typical_photo.as_ref())
    }
}

/// What was asked for, else as [`training_size`] says.
fn size(asked: Option<ImageSize>, rung: &Rung, typical: Option<&TypicalPhoto>) -> ImageSize {
    asked.unwrap_or_else(|| training_size(rung, typical))
}

/// How many photos can be read, and a hash over all that decides what a run makes of them.
fn hash(dataset: &Dataset, store: &PhotoStore) -> (usize, String) {
    let mut hasher = blake3::Hasher::new();
    let mut photos = 0;
    let text = |hasher: &mut blake3::Hasher, text: &str| {
        // With its length, so that no two lists of names give the same bytes.
        hasher
            .update(&(text.len() as u64).to_le_bytes())
            .update(text.as_bytes());
    };
    for (photo, number) in dataset.photos.iter().zip(0..) {
        let Some(content) = store.content_hash(number) else {
            continue;
        };
        photos += 1;
        text(&mut hasher, &photo.name);
        let class = dataset.classes.get(photo.class as usize);
        text(&mut hasher, class.map_or("", String::as_str));
        text(&mut hasher, photo.part.map_or("", |part| part.name()));
        hasher.update(&content);
    }
    (photos, hasher.finalize().to_hex()[..32].to_string())
}

impl Settings {
    /// The first thing in which a climb with these settings ("there") differs from one with `others` ("here"), in words.
    pub(crate) fn difference(&self, others: &Settings) -> Option<String> {
        let epochs = |epochs: Option<usize>| epochs.map_or("as the rung says".to_string(), |n| n.to_string());
        if self.data != others.data {
            return Some("of other data".to_string());
        }
        if self.photos_hash != others.photos_hash {
            return Some(format!(
                "its photos have changed since: {} there, {} here",
                self.photos, others.photos
            ));
        }
        let size =
            |size: Option<ImageSize>| size.map_or("as the rung says".to_string(), |n| format!("{n} px"));
        let budget = |budget: Option<f64>| budget.map_or("none".to_string(), |n| format!("{n} s"));
        let pairs = [
            ("size", size(self.size), size(others.size)),
            ("epochs", epochs(self.epochs), epochs(others.epochs)),
            (
                "budget",
                budget(self.budget_seconds),
                budget(others.budget_seconds),
            ),
            (
                "seed of the split",
                self.split_seed.to_string(),
                others.split_seed.to_string(),
            ),
            (
                "share of test photos",
                self.test_fraction.to_string(),
                others.test_fraction.to_string(),
            ),
            ("device", self.device.clone(), others.device.clone()),
            ("precision", self.precision.clone(), others.precision.clone()),
        ];
        let differing = pairs.into_iter().find(|(_, there, here)| there != here);
        differing.map(|(name, there, here)| format!("{name} {there} there, {here} here"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stepladder_data::DataRequest;

    #[test]
    fn the_first_difference_is_named() {
        let settings = Settings {
            data: data_record(&DataRequest::path("a.zip")),
            photos: 3,
            photos_hash: "00".to_string(),
            size: Some(64.into()),
            epochs: None,
            budget_seconds: None,
            split_seed: 0,
            test_fraction: 0.1,
            moving_statistics: false,
            device: "cpu".to_string(),
            precision: "f32".to_string(),
        };
        assert_eq!(settings.difference(&settings), None);
        let larger = Settings {
            size: Some(96.into()),
            ..settings.clone()
        };
        assert_eq!(
            settings.difference(&larger).as_deref(),
            Some("size 64 px there, 96 px here")
        );
        let longer = Settings {
            epochs: Some(6),
            ..settings.clone()
        };
        assert_eq!(
            settings.difference(&longer).as_deref(),
            Some("epochs as the rung says there, 6 here")
        );
        let other = Settings {
            photos_hash: "01".to_string(),
            ..settings.clone()
        };
        assert!(
            settings
                .difference(&other)
                .is_some_and(|text| text.contains("changed"))
        );
    }
}
