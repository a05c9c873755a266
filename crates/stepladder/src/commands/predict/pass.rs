//! Many photos through a model with all cores busy: while one share of them is computed, the next is read and decoded.

use rayon::prelude::*;
use stepladder_classifier::{NotFinite, Predictor};
use stepladder_data::{Decoding, PhotoError, PhotoFile};

/// What the decoded photos of a share may take, in bytes: two shares are in memory at any time.
const SHARE_BYTES: usize = 64 << 20;

/// What the photos of a batch may take, in bytes, unless it is a single one: the photos of a network for very large ones go one by one.
const BATCH_BYTES: usize = 512 << 20;

/// The most batches in a share.
const MOST_BATCHES: usize = 8;

/// A way through photos, share by share.
pub(in crate::commands) struct Pass<'a> {
    predictor: &'a Predictor,
    batch: usize,
    share: usize,
    decoding: Decoding,
    /// Whether features are asked for, and not probabilities.
    features: bool,
}

/// A photo ready for the network, or the reason why not.
type Prepared = Result<Vec<f32>, PhotoError>;

/// What the model says of a photo: probabilities, or features.
type Answer = Result<Vec<f32>, NoAnswer>;

/// Why it says nothing.
#[derive(Debug, thiserror::Error)]
pub(in crate::commands) enum NoAnswer {
    #[error(transparent)]
    Photo(#[from] PhotoError),
    #[error(transparent)]
    Network(#[from] NotFinite),
}

impl<'a> Pass<'a> {
    /// `batch` photos go through the network at once.
    pub fn new(predictor: &'a Predictor, batch: usize) -> Pass<'a> {
        let bytes = predictor.image_len() * size_of::<f32>();
        let batch = batch.clamp(1, (BATCH_BYTES / bytes).max(1));
        let batches = (SHARE_BYTES / (bytes * batch)).clamp(1, MOST_BATCHES);
        Pass {
            predictor,
            batch,
            share: batch * batches,
            decoding: *predictor.decoding(),
            features: false,
        }
    }

    /// The same, with photos decoded in another way than the model says.
    pub fn with_decoding(self, decoding: Decoding) -> Pass<'a> {
        Pass { decoding, ..self }
    }

    /// The same, but the answers are what the network's last layer reads of each photo.
    pub fn with_features(self) -> Pass<'a> {
        Pass {
            features: true,
            ..self
        }
    }

    /// Asks about each photo, and gives the answers to `tell` in the photos' order.
    pub fn run(
        &self,
        photos: &[PhotoFile],
        mut tell: impl FnMut(&PhotoFile, Answer) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mut shares = photos.chunks(self.share);
        let mut here = shares.next().map(|photos| (photos, self.read(photos)));
        while let Some((photos, prepared)) = here.take() {
            let next = shares.next();
            let (answers, read) = rayon::join(
                || self.ask(prepared),
                || next.map(|photos| (photos, self.read(photos))),
            );
            here = read;
            for (photo, answer) in photos.iter().zip(answers) {
                tell(photo, answer)?;
            }
        }
        Ok(())
    }

    fn read(&self, photos: &[PhotoFile]) -> Vec<Prepared> {
        photos
            .par_iter()
            .with_max_len(1)
            .map(|photo| Ok(self.predictor.prepare(&photo.read(&self.decoding)?)))
            .collect()
    }

    fn ask(&self, prepared: Vec<Prepared>) -> Vec<Answer> {
        let mut images = Vec::new();
        let mut places = Vec::new();
        for photo in prepared {
            places.push(photo.map(|image| images.push(image)));
        }
        let batches = images.chunks(self.batch);
        let mut answers = batches.flat_map(|batch| match self.features {
            true => self
                .predictor
                .features(batch.concat())
                .into_iter()
                .map(Ok)
                .collect(),
            false => self.predictor.predict(batch.concat()),
        });
        let answer = |place: Result<(), PhotoError>| {
            place?;
            Ok(answers.next().unwrap_or(Err(NotFinite))?)
        };
        places.into_iter().map(answer).collect()
    }
}
