//! Mixing within a batch: each photo is blended with another (mixup, Zhang et al. 2018), or a rectangle of it is the other's
//! (cutmix, Yun et al. 2019), and its target is shared accordingly. With the meaning of Keras' layers `MixUp` and `CutMix`, but that
//! cutmix' alpha is a number here and drawn anew for each batch there.
//!
//! What is drawn depends on seed, epoch and batch alone.

use rayon::prelude::*;
use stepladder_model::ImageSize;

use crate::loader::Batch;
use crate::random::{Purpose, Stream};

/// Which ways of mixing there are. Where both are, each batch takes one of them, with equal chances.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mixing {
    /// The first photo's share is from Beta(alpha, alpha); 0 is never.
    pub mixup_alpha: f32,
    /// The share of the area that stays is, before it is rounded to pixels, from Beta(alpha, alpha); 0 is never.
    pub cutmix_alpha: f32,
    /// Share of the batches that are mixed at all.
    pub probability: f32,
    /// Photos are mixed in the first so many epochs.
    pub epochs: u64,
}

/// None at all.
impl Default for Mixing {
    fn default() -> Self {
        Self {
            mixup_alpha: 0.0,
            cutmix_alpha: 0.0,
            probability: 1.0,
            epochs: u64::MAX,
        }
    }
}

/// What is done to one photo.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Mix {
    /// `share` of the photo and the rest of the other.
    Blend { share: f32 },
    /// The pixels with `left <= column < right` and `top <= row < bottom` are the other's.
    Cut {
        left: f32,
        right: f32,
        top: f32,
        bottom: f32,
    },
}

impl Mixing {
    /// Whether no batch is mixed.
    pub fn is_none(&self) -> bool {
        self.mixup_alpha <= 0.0 && self.cutmix_alpha <= 0.0
    }

    /// Mixes a batch of photos of `size`, the one with the number `index` in `epoch`.
    pub(crate) fn apply(&self, batch: &mut Batch, size: ImageSize, seed: u64, epoch: u64, index: u64) {
        if self.is_none() || batch.labels.is_empty() || epoch >= self.epochs {
            return;
        }
        let mut random = Stream::new(Purpose::Mixing, seed, epoch, index);
        // Where every batch is mixed, no number is taken for it.
        if self.probability < 1.0 && random.unit() >= f64::from(self.probability) {
            return;
        }
        let blends = match (self.mixup_alpha > 0.0, self.cutmix_alpha > 0.0) {
            (true, true) => random.below(2) == 0,
            (mixup, _) => mixup,
        };
        let mut others: Vec<usize> = (0..batch.labels.len()).collect();
        random.shuffle(&mut others);
        let draw = |_| match blends {
            true => Mix::Blend {
                share: random.beta(f64::from(self.mixup_alpha)) as f32,
            },
            false => cut(size, f64::from(self.cutmix_alpha), &mut random),
        };
        let mixes: Vec<Mix> = (0..others.len()).map(draw).collect();
        mix(batch, size, &others, &mixes);
    }
}

/// A rectangle of the photo's proportions, anywhere within it.
fn cut(size: ImageSize, alpha: f64, random: &mut Stream) -> Mix {
    let share = libm::sqrt(1.0 - random.beta(alpha));
    let mut span = |whole: usize| {
        let (whole, side) = (whole as f64, share * whole as f64);
        let start = random.unit() * (whole - side);
        (start as f32, (start + side) as f32)
    };
    let ((left, right), (top, bottom)) = (span(size.width), span(size.height));
    Mix::Cut {
        left,
        right,
        top,
        bottom,
    }
}

/// Mixes each photo with the one that `others` names.
fn mix(batch: &mut Batch, size: ImageSize, others: &[usize], mixes: &[Mix]) {
    let from = batch.images.clone();
    let photo = size.values();
    batch
        .images
        .par_chunks_exact_mut(photo)
        .zip(others.par_iter().zip(mixes))
        .for_each(|(to, (&other, mix))| mix.apply(size, &from[other * photo..][..photo], to));
    let mixed = others.iter().zip(mixes);
    batch.mixed = mixed
        .map(|(&other, mix)| (batch.labels[other], mix.share(size)))
        .collect();
}

impl Mix {
    /// The first photo's share of the target.
    fn share(&self, size: ImageSize) -> f32 {
        match *self {
            Mix::Blend { share } => share,
            Mix::Cut {
                left,
                right,
                top,
                bottom,
            } => (1.0 - (right - left) * (bottom - top) / size.pixels() as f32).clamp(0.0, 1.0),
        }
    }

    fn apply(&self, size: ImageSize, other: &[f32], to: &mut [f32]) {
        match *self {
            Mix::Blend { share } => {
                for (to, other) in to.iter_mut().zip(other) {
                    *to = share * *to + (1.0 - share) * other;
                }
            }
            Mix::Cut {
                left,
                right,
                top,
                bottom,
            } => {
                let inside = |at: usize, low: f32, high: f32| (low..high).contains(&(at as f32));
                for row in (0..size.height).filter(|&row| inside(row, top, bottom)) {
                    for column in (0..size.width).filter(|&column| inside(column, left, right)) {
                        let at = (row * size.width + column) * 3;
                        to[at..at + 3].copy_from_slice(&other[at..at + 3]);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    const SIDE: usize = 8;
    const SIZE: ImageSize = ImageSize {
        height: SIDE,
        width: SIDE,
    };

    /// Keras' answers, as `tests/golden/mixing.py` stored them.
    #[derive(Deserialize)]
    struct Golden {
        images: Vec<f32>,
        labels: Vec<u32>,
        classes: usize,
        mixup: Vec<Case>,
        cutmix: Vec<Case>,
    }

    #[derive(Deserialize)]
    struct Case {
        permutation: Vec<usize>,
        /// Mixup: the shares. Cutmix: left, right, top, bottom of each photo.
        drawn: Vec<Vec<f32>>,
        images: Vec<f32>,
        /// `[photos, classes]`
        targets: Vec<f32>,
    }

    fn golden() -> Golden {
        serde_json::from_str(include_str!("../tests/golden/mixing.json")).unwrap()
    }

    fn batch(images: Vec<f32>, labels: Vec<u32>) -> Batch {
        Batch {
            images: images.into(),
            photos: (0..labels.len() as u32).collect(),
            labels,
            mixed: Vec::new(),
        }
    }

    #[test]
    fn photos_and_targets_are_mixed_as_keras_does() {
        let golden = golden();
        let blend = |drawn: &Vec<f32>| Mix::Blend { share: drawn[0] };
        let cut = |drawn: &Vec<f32>| Mix::Cut {
            left: drawn[0],
            right: drawn[1],
            top: drawn[2],
            bottom: drawn[3],
        };
        let blends = golden
            .mixup
            .iter()
            .map(|case| (case, case.drawn.iter().map(blend).collect::<Vec<_>>()));
        let cuts = golden
            .cutmix
            .iter()
            .map(|case| (case, case.drawn.iter().map(cut).collect::<Vec<_>>()));
        let mut cases = 0;
        for (case, mixes) in blends.chain(cuts) {
            let mut found = batch(golden.images.clone(), golden.labels.clone());
            mix(&mut found, SIZE, &case.permutation, &mixes);
            for (found, expected) in found.images.iter().zip(&case.images) {
                assert!((found - expected).abs() < 1e-6);
            }
            let mut targets = vec![0.0; case.targets.len()];
            for (row, (&label, &(second, share))) in found.labels.iter().zip(&found.mixed).enumerate() {
                targets[row * golden.classes + label as usize] += share;
                targets[row * golden.classes + second as usize] += 1.0 - share;
            }
            for (found, expected) in targets.iter().zip(&case.targets) {
                assert!(
                    (found - expected).abs() < 1e-5,
                    "{found} where Keras has {expected}"
                );
            }
            cases += 1;
        }
        assert!(cases >= 6);
    }

    #[test]
    fn what_is_drawn_follows_from_seed_epoch_and_batch() {
        let mixing = Mixing {
            mixup_alpha: 0.4,
            cutmix_alpha: 1.0,
            ..Mixing::default()
        };
        let mixed = |seed, epoch, index| {
            let images = (0..6 * SIZE.values()).map(|i| (i % 251) as f32 / 251.0).collect();
            let mut batch = batch(images, vec![0, 1, 2, 0, 1, 2]);
            mixing.apply(&mut batch, SIZE, seed, epoch, index);
            batch
        };
        let one = mixed(1, 2, 3);
        assert_eq!(one, mixed(1, 2, 3));
        assert_eq!(one.mixed.len(), 6);
        assert!(one.mixed.iter().all(|(_, share)| (0.0..=1.0).contains(share)));
        for other in [mixed(2, 2, 3), mixed(1, 3, 3), mixed(1, 2, 4)] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn some_batches_are_mixed_and_none_after_the_last_epoch_of_mixing() {
        let mixing = Mixing {
            mixup_alpha: 0.4,
            probability: 0.25,
            epochs: 3,
            ..Mixing::default()
        };
        let mixed = |epoch| {
            let is_mixed = |&index: &u64| {
                let mut batch = batch(vec![0.5; 2 * SIZE.values()], vec![0, 1]);
                mixing.apply(&mut batch, SIZE, 1, epoch, index);
                !batch.mixed.is_empty()
            };
            (0..400).filter(is_mixed).count()
        };
        // 100 on average, with a standard deviation of 9.
        assert!((0..3).all(|epoch| (60..140).contains(&mixed(epoch))));
        assert_eq!((mixed(3), mixed(99)), (0, 0));
    }

    #[test]
    fn a_rectangle_has_the_share_that_was_drawn_and_stays_inside() {
        let mut random = Stream::new(Purpose::Mixing, 0, 0, 0);
        for _ in 0..1000 {
            let mix = cut(SIZE, 1.0, &mut random);
            let Mix::Cut {
                left,
                right,
                top,
                bottom,
            } = mix
            else {
                panic!("a cut")
            };
            assert!(left >= 0.0 && top >= 0.0 && right <= 8.001 && bottom <= 8.001);
            assert!(
                ((right - left) - (bottom - top)).abs() < 1e-4,
                "the photo's proportions"
            );
            assert!((0.0..=1.0).contains(&mix.share(SIZE)));
        }
    }

    #[test]
    fn a_rectangle_has_the_proportions_of_a_photo_that_is_not_square() {
        let size = ImageSize::new(6, 12);
        let mut random = Stream::new(Purpose::Mixing, 0, 0, 0);
        for _ in 0..1000 {
            let mix = cut(size, 1.0, &mut random);
            let Mix::Cut {
                left,
                right,
                top,
                bottom,
            } = mix
            else {
                panic!("a cut")
            };
            assert!(left >= 0.0 && top >= 0.0 && right <= 12.001 && bottom <= 6.001);
            assert!(((right - left) - 2.0 * (bottom - top)).abs() < 1e-4);
        }
        let mix = Mix::Cut {
            left: 8.0,
            right: 12.0,
            top: 2.0,
            bottom: 4.0,
        };
        assert!((mix.share(size) - 64.0 / 72.0).abs() < 1e-6);
        let mut photo = vec![0.0; size.values()];
        mix.apply(size, &vec![1.0; size.values()], &mut photo);
        let pixels: Vec<usize> = (0..72).filter(|&at| photo[at * 3] == 1.0).collect();
        assert_eq!(pixels, [32, 33, 34, 35, 44, 45, 46, 47]);
    }
}
