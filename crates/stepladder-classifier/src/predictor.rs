//! A classifier made ready to be asked: batch normalization folded, probabilities calibrated, the mirror image asked too if
//! one likes. The command line, the server and the library all answer through it.

use crate::classifier::Classifier;
use crate::temperature::Temperature;
use stepladder_data::{RgbPhoto, Scaling, prepare};
use stepladder_model::ImageSize;
use stepladder_nn::{HeatMap, Model};

/// The network gives no numbers for a photo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the network's answer is not finite: its weights are too large, so that it has to be trained again, with a lower learning rate"
)]
pub struct NotFinite;

/// Answers about photos.
#[derive(Debug, Clone)]
pub struct Predictor {
    model: Model,
    classes: Vec<String>,
    temperature: Option<Temperature>,
    scaling: Scaling,
    flips: bool,
}

impl Predictor {
    pub(crate) fn new(classifier: &Classifier) -> Predictor {
        Predictor {
            model: classifier.model().folded(),
            classes: classifier.classes().to_vec(),
            temperature: classifier.temperature(),
            scaling: classifier.scaling(),
            flips: classifier.rung().evaluation.flips,
        }
    }

    /// The same, but each answer is the mean over the photo and its mirror image, left to right, or is not; it takes twice as long. Unless
    /// this is said, it is as the rung has it.
    pub fn with_flips(self, flips: bool) -> Predictor {
        Predictor { flips, ..self }
    }

    /// Class names, in the order of the probabilities.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// The rule by which photos are scaled.
    pub fn scaling(&self) -> Scaling {
        self.scaling
    }

    /// Height and width of what the network sees, in pixels.
    pub fn size(&self) -> ImageSize {
        self.model.graph().image_size()
    }

    /// Values of one photo as the network sees it.
    pub fn image_len(&self) -> usize {
        self.model.graph().input.iter().product()
    }

    /// The photo as the network sees it: fitted into its input, `[height, width, 3]`, RGB in [0, 1].
    pub fn prepare(&self, photo: &RgbPhoto) -> Vec<f32> {
        prepare(photo, self.size(), self.scaling)
    }

    /// Probabilities of each class for each of `images`, which [`Predictor::prepare`] made and which lie one after the other;
    /// calibrated, where the classifier is. An answer that is not finite is an error, for its photo alone.
    ///
    /// # Panics
    ///
    /// If `images` is no whole number of photos.
    pub fn predict(&self, mut images: Vec<f32>) -> Vec<Result<Vec<f32>, NotFinite>> {
        assert!(images.len().is_multiple_of(self.image_len()), "whole photos");
        let photos = images.len() / self.image_len();
        if photos == 0 {
            return Vec::new();
        }
        if self.flips {
            let mirrored = mirrored(&images, self.size().width);
            images.extend(mirrored);
        }
        let asked = images.len() / self.image_len();
        let logarithms = self.model.log_probabilities(images, asked);
        let classes = self.classes.len();
        let (photos, mirrored) = logarithms.split_at(photos * classes);
        let rows = photos.chunks_exact(classes).enumerate();
        let temperature = self.temperature.unwrap_or(Temperature::ONE);
        rows.map(|(photo, row)| {
            let mut row: Vec<f64> = row.iter().map(|&logarithm| f64::from(logarithm)).collect();
            if self.flips {
                let other = &mirrored[photo * classes..][..classes];
                for (logarithm, other) in row.iter_mut().zip(other) {
                    *logarithm = logarithm_of_mean(*logarithm, f64::from(*other));
                }
            }
            finite(temperature.apply_to_logits(&row))
        })
        .collect()
    }

    /// Which parts of `image`, which [`Predictor::prepare`] made, speak for the class of this index; `None` where no layer of the
    /// network makes a map.
    ///
    /// # Panics
    ///
    /// If `image` is not one photo, or `class` is no class.
    pub fn heat_map(&self, image: Vec<f32>, class: usize) -> Option<HeatMap> {
        self.model.heat_map(image, class)
    }

    /// What the network's last layer reads of each of `images`, which are as for [`Predictor::predict`]: photos that look alike
    /// to the network have features that point the same way ([`Model::features`]). Mirror images are not asked about.
    ///
    /// # Panics
    ///
    /// If `images` is no whole number of photos.
    pub fn features(&self, images: impl AsRef<[f32]> + Send + 'static) -> Vec<Vec<f32>> {
        let values = images.as_ref().len();
        assert!(values.is_multiple_of(self.image_len()), "whole photos");
        let photos = values / self.image_len();
        if photos == 0 {
            return Vec::new();
        }
        let features = self.model.features(images, photos);
        let rows = features.chunks_exact((features.len() / photos).max(1));
        rows.map(<[f32]>::to_vec).collect()
    }
}

/// Each of `images`, `[photos, height, width, 3]` one row after the other, mirrored left to right.
pub fn mirrored(images: &[f32], width: usize) -> Vec<f32> {
    let rows = images.chunks_exact(width * 3);
    rows.flat_map(|row| row.rchunks_exact(3).flatten().copied())
        .collect()
}

fn finite(probabilities: Vec<f32>) -> Result<Vec<f32>, NotFinite> {
    match probabilities.iter().all(|probability| probability.is_finite()) {
        true => Ok(probabilities),
        false => Err(NotFinite),
    }
}

/// The classes of `probabilities`, the most probable first; of equals, the earlier.
pub fn ranked(probabilities: &[f32]) -> Vec<usize> {
    let mut classes: Vec<usize> = (0..probabilities.len()).collect();
    classes.sort_by(|&a, &b| probabilities[b].total_cmp(&probabilities[a]));
    classes
}

/// The logarithm of the mean of two numbers whose logarithms are given.
fn logarithm_of_mean(a: f64, b: f64) -> f64 {
    let (greater, less) = (a.max(b), a.min(b));
    greater + libm::log((1.0 + libm::exp(less - greater)) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use stepladder_model::RungCatalog;
    use stepladder_nn::Device;

    fn classifier() -> Classifier {
        let rung = RungCatalog::shipped().get("m10").unwrap();
        let graph = rung.graph(32, 3).unwrap();
        let names = ["a", "b", "c"].map(String::from).to_vec();
        Classifier::new(Model::new(graph, 5, Device::Cpu), rung, names)
    }

    /// Two photos: a ramp, and a ramp the other way.
    fn ramps() -> Vec<f32> {
        let ramp = |x: usize| [x as f32 / 32.0, 0.5, 0.25];
        let photo =
            |mirror: bool| (0..1024).flat_map(move |i| ramp(if mirror { 31 - i % 32 } else { i % 32 }));
        photo(false).chain(photo(true)).collect()
    }

    #[test]
    fn a_mirrored_image_has_its_columns_exchanged() {
        let image: Vec<f32> = (0..2 * 2 * 3).map(|value| value as f32).collect();
        let expected = [3.0, 4.0, 5.0, 0.0, 1.0, 2.0, 9.0, 10.0, 11.0, 6.0, 7.0, 8.0];
        assert_eq!(mirrored(&image, 2), expected);
        assert_eq!(mirrored(&mirrored(&image, 2), 2), image);
    }

    #[test]
    fn logarithms_have_the_mean_of_their_numbers() {
        assert!((logarithm_of_mean(0.2_f64.ln(), 0.6_f64.ln()) - 0.4_f64.ln()).abs() < 1e-12);
        // Half of the greater one, where the other is nothing beside it.
        assert!((logarithm_of_mean(-1000.0, -1.0) - (-1.0 - std::f64::consts::LN_2)).abs() < 1e-12);
    }

    #[test]
    fn an_answer_is_the_models_own_at_the_temperature() {
        let classifier = classifier();
        let raw = classifier.model().predict(ramps(), 2);
        let close =
            |found: &[f32], expected: &[f32]| found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5);
        let answers = |predictor: Predictor| -> Vec<Vec<f32>> {
            predictor
                .predict(ramps())
                .into_iter()
                .collect::<Result<_, _>>()
                .unwrap()
        };
        let plain = answers(Predictor::new(&classifier));
        assert!(close(&plain.concat(), &raw));
        let temperature = Temperature::new(2.0);
        let calibrated = answers(Predictor::new(&classifier.clone().with_temperature(temperature)));
        assert!(close(&calibrated[1], &temperature.unwrap().apply(&raw[3..])));
        assert!(Predictor::new(&classifier).predict(Vec::new()).is_empty());
    }

    #[test]
    fn with_flips_a_photo_and_its_mirror_image_have_one_answer() {
        let plain = Predictor::new(&classifier());
        let two = |predictor: &Predictor| -> [Vec<f32>; 2] {
            let answers: Result<Vec<_>, _> = predictor.predict(ramps()).into_iter().collect();
            answers.unwrap().try_into().unwrap()
        };
        let [one, other] = two(&plain);
        assert!(one != other);
        let [flipped, mirrored] = two(&plain.with_flips(true));
        for class in 0..3 {
            assert!((flipped[class] - (one[class] + other[class]) / 2.0).abs() < 1e-6);
            assert!((flipped[class] - mirrored[class]).abs() < 1e-6);
        }
    }

    #[test]
    fn ranks_go_by_probability_then_by_order() {
        assert_eq!(ranked(&[0.2, 0.5, 0.2, 0.1]), [1, 0, 2, 3]);
    }

    #[test]
    fn an_answer_that_is_not_finite_is_none() {
        // Weights that are finite, and whose products are not.
        let plain = classifier();
        let arrays: Vec<_> = plain.model().to_arrays();
        let huge = arrays.into_iter().map(|mut array| {
            array
                .values
                .iter_mut()
                .for_each(|value| *value = value.abs() * 1e38 + 1e38);
            array
        });
        let graph = plain.model().graph().clone();
        let model = Model::from_arrays(graph, huge.collect(), Device::Cpu).unwrap();
        let classifier = Classifier::new(model, plain.rung().clone(), plain.classes().to_vec());
        let answers = Predictor::new(&classifier).predict(ramps());
        assert_eq!(answers, [Err(NotFinite), Err(NotFinite)]);
    }
}
