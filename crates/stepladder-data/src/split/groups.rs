//! The split of photos that come in groups, such as those of one patient or one day: no group is in two parts.
//!
//! As for single photos, where a group goes follows from its name and the seed, whatever else the data holds. Only where that leaves a part
//! empty that should have photos, the group that is nearest to it fills it: with a few groups that is likely.

use std::collections::{BTreeMap, HashMap};

use stepladder_model::SplitFractions;

use super::position;
use crate::dataset::Dataset;
use crate::part::Part;
use crate::store::PhotoStore;

/// The part of each readable photo. Besides the groups of the data, those of `together` are kept in one part, and equal files.
pub(super) fn parts(
    dataset: &Dataset,
    store: &PhotoStore,
    fractions: &SplitFractions,
    seed: u64,
    together: &[Vec<u32>],
) -> HashMap<u32, Part> {
    let mut sets = Sets::new(dataset.photos.len());
    let mut first_of_group: HashMap<&str, u32> = HashMap::new();
    let mut first_of_content: HashMap<[u8; 32], u32> = HashMap::new();
    for (photo, number) in dataset.photos.iter().zip(0..) {
        let Some(content) = store.content_hash(number) else {
            continue;
        };
        sets.join(number, *first_of_content.entry(content).or_insert(number));
        if let Some(group) = photo.group.as_deref() {
            sets.join(number, *first_of_group.entry(group).or_insert(number));
        }
    }
    for group in together {
        for pair in group.windows(2) {
            sets.join(pair[0], pair[1]);
        }
    }
    // The key of a set: the name of one of its groups, or else the content of one of its photos.
    let mut keys: BTreeMap<u32, [u8; 32]> = BTreeMap::new();
    let mut members: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for (photo, number) in dataset.photos.iter().zip(0..) {
        let Some(content) = store.content_hash(number) else {
            continue;
        };
        let set = sets.of(number);
        members.entry(set).or_default().push(number);
        // Names come before contents, so that a photo more in a group does not move it.
        let mut key = match photo.group.as_deref() {
            Some(group) => *blake3::hash(group.as_bytes()).as_bytes(),
            None => content,
        };
        key[0] = u8::from(photo.group.is_none());
        let smallest = keys.entry(set).or_insert(key);
        *smallest = key.min(*smallest);
    }
    let mut ordered: Vec<(f64, u32)> = keys
        .iter()
        .map(|(set, key)| (position(key, seed), *set))
        .collect();
    ordered.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let positions: Vec<f64> = ordered.iter().map(|(position, _)| *position).collect();
    let parts = cut(&positions, fractions);
    let of_set = |((_, set), part): (&(f64, u32), Part)| (members[set].clone(), part);
    let assigned = ordered.iter().zip(parts).map(of_set);
    assigned
        .flat_map(|(photos, part)| photos.into_iter().map(move |photo| (photo, part)))
        .collect()
}

/// The part of each of the sets at these positions in 0..1, which rise: test, validation, training. A part whose share is not zero gets one
/// set at least where there are enough, training first, then the test part.
fn cut(positions: &[f64], fractions: &SplitFractions) -> Vec<Part> {
    let (test, validation) = (f64::from(fractions.test), f64::from(fractions.validation));
    let below = |limit: f64| positions.iter().filter(|position| **position < limit).count();
    let all = positions.len();
    let wanted = |share: f64, room: usize| usize::from(share > 0.0 && room > 0);
    let least_test = wanted(test, all.saturating_sub(1));
    let least_validation = wanted(validation, all.saturating_sub(1 + least_test));
    let most = all.saturating_sub(1);
    let first = below(test).max(least_test).min(most - least_validation.min(most));
    let second = below(test + validation).max(first + least_validation).min(most);
    (0..all)
        .map(|place| match place {
            place if place < first => Part::Test,
            place if place < second => Part::Validation,
            _ => Part::Train,
        })
        .collect()
}

/// Photos in disjoint sets, each named by one of its photos.
struct Sets {
    parents: Vec<u32>,
}

impl Sets {
    fn new(photos: usize) -> Self {
        Self {
            parents: (0..photos as u32).collect(),
        }
    }

    fn of(&mut self, photo: u32) -> u32 {
        let mut at = photo;
        while self.parents[at as usize] != at {
            let above = self.parents[self.parents[at as usize] as usize];
            self.parents[at as usize] = above;
            at = above;
        }
        at
    }

    /// The smaller number names the set.
    fn join(&mut self, one: u32, other: u32) {
        let (one, other) = (self.of(one), self.of(other));
        self.parents[one.max(other) as usize] = one.min(other);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(positions: &[f64], test: f32, validation: f32) -> [usize; 3] {
        let parts = cut(positions, &SplitFractions { test, validation });
        Part::ALL.map(|part| parts.iter().filter(|found| **found == part).count())
    }

    #[test]
    fn each_part_gets_a_set_where_there_are_enough() {
        let even: Vec<f64> = (0..100).map(|i| (f64::from(i) + 0.5) / 100.0).collect();
        assert_eq!(counts(&even, 0.1, 0.2), [70, 20, 10]);
        for (positions, expected) in [
            (&[][..], [0, 0, 0]),
            (&[0.05][..], [1, 0, 0]),
            (&[0.5, 0.6], [1, 0, 1]),
            (&[0.5, 0.6, 0.7], [1, 1, 1]),
            (&[0.01, 0.02, 0.03], [1, 1, 1]),
            (&[0.01, 0.15, 0.16, 0.17], [1, 2, 1]),
        ] {
            assert_eq!(counts(positions, 0.1, 0.1), expected, "{positions:?}");
        }
        assert_eq!(counts(&[0.5, 0.6, 0.7], 0.0, 0.1), [2, 1, 0]);
    }
}
