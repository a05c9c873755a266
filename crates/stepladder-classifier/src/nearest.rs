//! Which photos look most like one to the network: those whose features, which its last layer reads, point most nearly the
//! same way.

use crate::predictor::Predictor;
use stepladder_data::{DataError, Loader, LoaderConfig, PhotoStore, Progress};

/// A photo and how much it looks like another one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Neighbor {
    /// Its number in the store.
    pub photo: u32,
    /// The cosine of the angle between the two photos' features: 1 for the same direction, 0 for nothing in common, less than 0
    /// where features can be negative. 0 for a photo without any feature.
    pub similarity: f64,
}

impl Predictor {
    /// The `count` of `photos` in `store` whose features are most similar to `features`, the most similar first; of equals, the
    /// one that comes first in `photos`. `batch` photos go through the network at once, and of them all no more than `count` are
    /// kept.
    ///
    /// # Errors
    ///
    /// If one of `photos` is not in the store or cannot be read from it, or `progress` says to stop.
    ///
    /// # Panics
    ///
    /// If `features` are not as many as this network's.
    pub fn nearest(
        &self,
        features: &[f32],
        store: &PhotoStore,
        photos: &[u32],
        count: usize,
        batch: usize,
        progress: &dyn Progress,
    ) -> Result<Vec<Neighbor>, DataError> {
        let config = LoaderConfig {
            threads: rayon::current_num_threads(),
            ..LoaderConfig::new(batch.max(1), self.size())
        };
        // A loader delivers labels; nobody reads them here.
        let labels = vec![0; store.len()];
        let mut nearest = Nearest::new(features, count);
        progress.start(photos.len() as u64, "training photos");
        for batch in Loader::new(store, &labels, photos, config)?.epoch(0) {
            let batch = batch?;
            if progress.is_cancelled() {
                progress.finish();
                return Err(DataError::Cancelled);
            }
            for (&photo, features) in batch.photos.iter().zip(self.features(batch.images)) {
                nearest.offer(photo, &features);
            }
            progress.advance(batch.photos.len() as u64);
        }
        progress.finish();
        Ok(nearest.found)
    }
}

/// The most similar of what was offered so far.
struct Nearest<'a> {
    features: &'a [f32],
    count: usize,
    /// The most similar first.
    found: Vec<Neighbor>,
}

impl<'a> Nearest<'a> {
    fn new(features: &'a [f32], count: usize) -> Nearest<'a> {
        Nearest {
            features,
            count,
            found: Vec::new(),
        }
    }

    fn offer(&mut self, photo: u32, features: &[f32]) {
        let similarity = cosine(self.features, features);
        let place = self.found.partition_point(|other| other.similarity >= similarity);
        if place < self.count {
            self.found.truncate(self.count - 1);
            self.found.insert(place, Neighbor { photo, similarity });
        }
    }
}

/// a b / (|a| |b|); 0 where either has no length.
fn cosine(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len(), "features of one network");
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        let products = a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b));
        products.sum()
    };
    let lengths = (dot(a, a) * dot(b, b)).sqrt();
    let cosine = dot(a, b) / lengths;
    if cosine.is_finite() {
        cosine.clamp(-1.0, 1.0)
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn cosines_worked_out_by_hand() {
        assert_eq!(cosine(&[3.0, 4.0], &[6.0, 8.0]), 1.0);
        assert_eq!(cosine(&[1.0, 0.0], &[0.0, 2.0]), 0.0);
        assert_eq!(cosine(&[3.0, 4.0], &[-3.0, -4.0]), -1.0);
        assert_eq!(cosine(&[3.0, 4.0], &[4.0, 3.0]), 24.0 / 25.0);
        assert_eq!(cosine(&[0.0, 0.0], &[4.0, 3.0]), 0.0);
        assert_eq!(cosine(&[f32::NAN, 1.0], &[4.0, 3.0]), 0.0);
        assert_eq!(cosine(&[f32::MAX, f32::MAX], &[f32::MAX, f32::MAX]), 1.0);
    }

    #[test]
    fn of_equals_the_first_stays() {
        let mut nearest = Nearest::new(&[1.0, 0.0], 2);
        for (photo, features) in [(5, [1.0, 1.0]), (2, [2.0, 0.0]), (9, [3.0, 0.0]), (1, [0.5, 0.0])] {
            nearest.offer(photo, &features);
        }
        let photos: Vec<u32> = nearest.found.iter().map(|found| found.photo).collect();
        assert_eq!(photos, [2, 9]);
        let mut none = Nearest::new(&[1.0], 0);
        none.offer(1, &[1.0]);
        assert!(none.found.is_empty());
    }

    proptest! {
        #[test]
        fn what_is_kept_is_what_sorting_all_would_keep(
            rows in prop::collection::vec([-2_i8..=2, -2_i8..=2], 0..30),
            count in 0_usize..8,
        ) {
            let rows: Vec<[f32; 2]> = rows.into_iter().map(|row| row.map(f32::from)).collect();
            let mut nearest = Nearest::new(&[1.0, 2.0], count);
            let mut all = Vec::new();
            for (photo, row) in (0..).zip(&rows) {
                nearest.offer(photo, row);
                all.push(Neighbor { photo, similarity: cosine(&[1.0, 2.0], row) });
            }
            all.sort_by(|a, b| b.similarity.total_cmp(&a.similarity));
            all.truncate(count);
            prop_assert_eq!(nearest.found, all);
        }
    }
}
