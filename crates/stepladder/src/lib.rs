//! Ask a classifier that Stepladder trained, from Rust.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (_folder, run, tulips) = stepladder_example::run()?;
//! let classifier = stepladder::Classifier::load(run)?;
//! let image = std::fs::read(tulips)?;
//! let answer = classifier.predict(&image)?;
//! println!("{} with {:.0}%", answer.class(), 100.0 * answer.probability());
//! # assert_eq!(answer.ranked().count(), 3);
//! # Ok(())
//! # }
//! # mod stepladder_example {
//! #     use std::path::PathBuf;
//! #     // A network that has learned nothing, and a gray photo.
//! #     pub fn run() -> Result<(tempfile::TempDir, PathBuf, PathBuf), Box<dyn std::error::Error>> {
//! #         let folder = tempfile::tempdir()?;
//! #         let rung = stepladder_model::RungCatalog::shipped().get("m10")?;
//! #         let model = stepladder_nn::Model::new(rung.graph(32, 3)?, 0, stepladder_nn::Device::Cpu);
//! #         let classes = ["daisy", "roses", "tulips"].map(String::from).to_vec();
//! #         let classifier = stepladder_classifier::Classifier::new(model, rung, classes);
//! #         classifier.save(&folder.path().join("model.safetensors"))?;
//! #         let photo = folder.path().join("tulips.png");
//! #         image::RgbImage::from_pixel(20, 30, image::Rgb([90, 90, 90])).save(&photo)?;
//! #         let run = folder.path().to_path_buf();
//! #         Ok((folder, run, photo))
//! #     }
//! # }
//! ```
//!
//! `load` takes a run directory or its `model.safetensors`; `predict`, the bytes of a JPEG, PNG, WebP, BMP, GIF or TIFF.
//! Pixels that are already there go through [`Classifier::predict_photo`], and many photos are fastest together
//! ([`Classifier::predict_photos`]). A classifier can be shared by threads, and its work is spread over those of the rayon
//! pool around the call.
//!
//! The rest of Stepladder (training, climbing, serving) is in crates of its own, which its command line uses.

use std::path::{Path, PathBuf};
use stepladder_classifier::{Predictor, ranked};

pub use stepladder_classifier::ClassifierError as LoadError;
pub use stepladder_classifier::NotFinite;
pub use stepladder_data::{PhotoError, RgbPhoto};
pub use stepladder_nn::{Device, HeatMap};

/// Why there is no answer about a picture.
#[derive(Debug, thiserror::Error)]
pub enum PredictError {
    /// It is none that can be decoded.
    #[error(transparent)]
    Photo(#[from] PhotoError),
    /// The network gives no numbers for it.
    #[error(transparent)]
    NotFinite(#[from] NotFinite),
}

/// A trained classifier, ready to answer.
#[derive(Debug, Clone)]
pub struct Classifier {
    predictor: Predictor,
}

impl Classifier {
    /// Reads a run directory, or a `model.safetensors` from anywhere, to answer on the CPU. The file is checked before
    /// anything in it is used.
    ///
    /// # Errors
    ///
    /// The file cannot be read, is damaged, or was made by a newer version.
    pub fn load(path: impl AsRef<Path>) -> Result<Classifier, LoadError> {
        Classifier::load_on(path, Device::Cpu)
    }

    /// [`Classifier::load`] on another device.
    ///
    /// # Errors
    ///
    /// As [`Classifier::load`].
    pub fn load_on(path: impl AsRef<Path>, device: Device) -> Result<Classifier, LoadError> {
        let path = path.as_ref();
        let file: PathBuf = if path.is_dir() {
            path.join("model.safetensors")
        } else {
            path.to_path_buf()
        };
        let classifier = stepladder_classifier::Classifier::load(&file, device)?;
        Ok(Classifier {
            predictor: classifier.predictor(),
        })
    }

    /// The same classifier, whose answers are the mean over each photo and its mirror image. They take twice as long.
    pub fn with_flips(self) -> Classifier {
        Classifier {
            predictor: self.predictor.with_flips(true),
        }
    }

    /// Class names.
    pub fn classes(&self) -> &[String] {
        self.predictor.classes()
    }

    /// What is on the picture in `image`, the bytes of a file.
    ///
    /// # Errors
    ///
    /// The bytes are no picture that can be decoded, or the network has no answer.
    pub fn predict(&self, image: &[u8]) -> Result<Answer, PredictError> {
        Ok(self.predict_photo(&stepladder_data::decode(image, self.predictor.decoding())?)?)
    }

    /// What is on a photo whose pixels are there.
    ///
    /// # Errors
    ///
    /// The network's answer is not finite.
    pub fn predict_photo(&self, photo: &RgbPhoto) -> Result<Answer, NotFinite> {
        let answers = self.predictor.predict(self.predictor.prepare(photo));
        let probabilities = answers.into_iter().next().unwrap_or(Err(NotFinite))?;
        Ok(self.answer(probabilities))
    }

    /// What is on each photo. All of them go through the network at once: some thirty are a good number.
    pub fn predict_photos(&self, photos: &[RgbPhoto]) -> Vec<Result<Answer, NotFinite>> {
        let images = photos
            .iter()
            .flat_map(|photo| self.predictor.prepare(photo))
            .collect();
        let answers = self.predictor.predict(images).into_iter();
        answers
            .map(|answer| answer.map(|probabilities| self.answer(probabilities)))
            .collect()
    }

    /// Which parts of a photo, as the central square that the network sees, speak for a class (Grad-CAM); `None` where
    /// `class` is none of the classifier's, or its network has no map of features.
    pub fn explain(&self, photo: &RgbPhoto, class: &str) -> Option<HeatMap> {
        let class = self.classes().iter().position(|name| name == class)?;
        self.predictor.heat_map(self.predictor.prepare(photo), class)
    }

    fn answer(&self, probabilities: Vec<f32>) -> Answer {
        let names = self.classes();
        let ranked = ranked(&probabilities).into_iter();
        Answer {
            ranked: ranked
                .map(|class| (names[class].clone(), probabilities[class]))
                .collect(),
        }
    }
}

/// What a classifier says of one photo.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// Every class with its probability, the most probable first.
    ranked: Vec<(String, f32)>,
}

impl Answer {
    /// The most probable class.
    pub fn class(&self) -> &str {
        self.ranked.first().map_or("", |(class, _)| class)
    }

    /// Its probability, from 0 to 1; calibrated, where the training had validation photos.
    pub fn probability(&self) -> f32 {
        self.ranked.first().map_or(0.0, |(_, probability)| *probability)
    }

    /// Every class with its probability, the most probable first.
    pub fn ranked(&self) -> impl Iterator<Item = (&str, f32)> {
        self.ranked
            .iter()
            .map(|(class, probability)| (class.as_str(), *probability))
    }
}
