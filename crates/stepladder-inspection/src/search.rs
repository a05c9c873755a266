//! Finding pairs of look-alikes among many photos without comparing each with each.
//!
//! Hashes that differ in few bits agree in whole stretches. So the hash is cut into bands, photos are sorted by each band, and only those
//! that agree in one are compared. A band has about as many bits as the number of photos, so that few photos share one by
//! chance, and the work grows about in proportion to the photos.

use rayon::prelude::*;

use crate::fingerprint::{Fingerprint, Pose};

/// Bits of the hash; bit 0 is always 0.
const BITS: u32 = 63;
/// Bits in which the hashes of copies may differ. It only saves comparing pixels, which decide.
const APART: u32 = 12;
/// Photos of one band that are compared with one. Only sets of thousands of look-alikes have more, and there the nearest in the list
/// stand for all.
const CROWD: usize = 256;
/// Copies of one photo that are noted; more would say nothing new about which belong together.
const ENOUGH: usize = 8;

/// Pairs of photos that are copies of each other in some pose, as indices into `fingerprints`, the larger first. Of many copies of one
/// photo, not all pairs are named, but enough to connect them.
pub(crate) fn copies(fingerprints: &[&Fingerprint]) -> Vec<(u32, u32)> {
    let bands = Bands::new(fingerprints);
    (0..fingerprints.len())
        .into_par_iter()
        .flat_map_iter(|place| bands.copies_before(fingerprints, place))
        .collect()
}

/// Photos sorted by each band of their hash.
struct Bands {
    /// The band's width in bits.
    width: u32,
    /// For each band: its value and the photo, sorted.
    sorted: Vec<Vec<(u32, u32)>>,
}

impl Bands {
    fn new(fingerprints: &[&Fingerprint]) -> Self {
        // Narrower bands find more and cost more. Below 1,024 photos the cost does not matter.
        let width = (usize::BITS - fingerprints.len().leading_zeros()).clamp(10, 21);
        let sorted = (0..BITS / width)
            .into_par_iter()
            .map(|band| {
                let keys = fingerprints.iter().map(|f| key(f.hash(), band, width));
                let mut sorted: Vec<(u32, u32)> = keys.zip(0..).collect();
                sorted.sort_unstable();
                sorted
            })
            .collect();
        Self { width, sorted }
    }

    /// The copies of a photo among those before it.
    fn copies_before(&self, fingerprints: &[&Fingerprint], place: usize) -> Vec<(u32, u32)> {
        let this = fingerprints[place];
        let mut found: Vec<(u32, u32)> = Vec::new();
        for pose in Pose::all() {
            let hash = this.hash_in(pose);
            for (band, sorted) in (0..).zip(&self.sorted) {
                let key = key(hash, band, self.width);
                let start = sorted.partition_point(|&(other, _)| other < key);
                let end = start + sorted[start..].partition_point(|&other| other < (key, place as u32));
                for &(_, other) in sorted[start..end].iter().rev().take(CROWD) {
                    let that = fingerprints[other as usize];
                    if (hash ^ that.hash()).count_ones() <= APART
                        && !found.contains(&(place as u32, other))
                        && this.is_copy(pose, that)
                    {
                        found.push((place as u32, other));
                        if found.len() == ENOUGH {
                            return found;
                        }
                    }
                }
            }
        }
        found
    }
}

fn key(hash: u64, band: u32, width: u32) -> u32 {
    ((hash >> (1 + band * width)) & ((1 << width) - 1)) as u32
}
