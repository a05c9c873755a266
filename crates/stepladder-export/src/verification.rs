//! Whether an exported model answers as the classifier does.

use crate::error::ExportError;
use crate::runtime::Runtime;
use stepladder_classifier::{Classifier, Predictor};
use stepladder_data::RgbPhoto;
use stepladder_nn::{Precision, argmax};

/// How far probabilities of an f32 export may lie apart: sums in another order differ by far less, a wrong layer by far more.
pub const TOLERANCE: f32 = 1e-3;

/// Two classes whose probabilities the classifier itself gives this close to each other are a tie, and either is right.
pub const TIE: f32 = 1e-5;

/// What two programs made of the same photos.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Verification {
    /// Photos that both were asked about.
    pub photos: usize,
    /// Photos with another class.
    pub differing: usize,
    /// The largest difference of a probability.
    pub difference: f32,
}

/// The probabilities of a batch of photos, one row for each.
#[derive(Debug, Clone, PartialEq)]
pub struct Answers {
    /// The classifier's.
    pub ours: Vec<Vec<f32>>,
    /// The exported model's.
    pub theirs: Vec<Vec<f32>>,
}

impl Verification {
    /// Compares more photos.
    fn add(&mut self, answers: &Answers) {
        for (ours, theirs) in answers.ours.iter().zip(&answers.theirs) {
            let (class, other) = (argmax(ours), argmax(theirs));
            self.photos += 1;
            self.differing += usize::from(ours[class] - ours[other] > TIE);
            for (our, their) in ours.iter().zip(theirs) {
                let difference = (our - their).abs();
                // What is no number is as far off as can be.
                let difference = if difference.is_nan() { 1.0 } else { difference };
                self.difference = self.difference.max(difference);
            }
        }
    }

    /// An error unless every photo has the same class and probabilities lie within [`TOLERANCE`].
    pub fn agree(self) -> Result<Verification, ExportError> {
        if self.differing > 0 || self.difference > TOLERANCE {
            return Err(ExportError::Disagreement {
                photos: self.photos,
                differing: self.differing,
                difference: self.difference,
            });
        }
        Ok(self)
    }
}

/// Asks a classifier and its export about the same photos.
pub struct Verifier<'a> {
    predictor: Predictor,
    runtime: &'a Runtime,
    verification: Verification,
}

impl Verifier<'_> {
    /// Nothing asked yet. The classifier computes in f32, as the export does, whatever its own precision.
    pub fn new<'a>(classifier: &Classifier, runtime: &'a Runtime) -> Verifier<'a> {
        Verifier {
            predictor: classifier.with_precision(Precision::F32).predictor(),
            runtime,
            verification: Verification::default(),
        }
    }

    /// Asks both about `photos`, of the size of the model's input, and compares.
    ///
    /// # Errors
    ///
    /// Where the runtime cannot run the file, and where the classifier's own answers are no numbers. That the answers differ
    /// is none here: see [`Verification::agree`].
    pub fn ask(&mut self, photos: &[RgbPhoto]) -> Result<Answers, ExportError> {
        let prepared = photos.iter().flat_map(|photo| self.predictor.prepare(photo));
        let ours = self.predictor.predict(prepared.collect()).into_iter();
        let ours = ours
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| ExportError::NotNumbers)?;
        let theirs = self.runtime.predict(photos)?;
        let answers = Answers { ours, theirs };
        self.verification.add(&answers);
        Ok(answers)
    }

    /// Over all photos so far.
    pub fn verification(&self) -> Verification {
        self.verification
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compared(ours: &[[f32; 2]], theirs: &[[f32; 2]]) -> Verification {
        let rows = |rows: &[[f32; 2]]| rows.iter().map(|row| row.to_vec()).collect();
        let mut verification = Verification::default();
        verification.add(&Answers {
            ours: rows(ours),
            theirs: rows(theirs),
        });
        verification
    }

    #[test]
    fn another_class_is_counted_unless_it_is_a_tie() {
        let ours = [[0.6, 0.4], [0.500001, 0.499999], [0.2, 0.8]];
        let theirs = [[0.4, 0.6], [0.499999, 0.500001], [0.2, 0.8]];
        let verification = compared(&ours, &theirs);
        assert_eq!((verification.photos, verification.differing), (3, 1));
        assert!((verification.difference - 0.2).abs() < 1e-6);
        assert!(verification.agree().is_err());
        assert!(compared(&ours[1..], &theirs[1..]).agree().is_ok());
    }

    #[test]
    fn what_is_no_number_never_agrees() {
        let verification = compared(&[[0.6, 0.4]], &[[f32::NAN, 0.4]]);
        assert_eq!(verification.difference, 1.0);
        assert!(verification.agree().is_err());
    }
}
