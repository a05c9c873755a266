//! Photos that are the same: by their bytes, or by their looks ([`Group`]).

use std::collections::{BTreeMap, HashMap};

use rayon::prelude::*;
use stepladder_data::{DataError, PhotoStore};

use crate::fingerprint::Fingerprint;
use crate::search::copies;

/// Photos that show the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// At least two photo numbers, sorted.
    pub photos: Vec<u32>,
    /// Whether their files are equal byte for byte.
    pub exact: bool,
}

/// Groups photos by content, and by looks where there is a fingerprint. `photos` holds what is known of each photo number; `None` for
/// those that cannot be read. Groups are sorted by their first photo.
pub(crate) fn groups(photos: &[Option<([u8; 32], Option<Fingerprint>)>]) -> Vec<Group> {
    let mut first: HashMap<&[u8; 32], u32> = HashMap::new();
    let mut joined = Joined::new(photos.len());
    let (mut numbers, mut looks) = (Vec::new(), Vec::new());
    for (photo, number) in photos.iter().zip(0..) {
        let Some((content, fingerprint)) = photo else {
            continue;
        };
        let earlier = *first.entry(content).or_insert(number);
        if earlier != number {
            joined.join(earlier, number);
        } else if let Some(fingerprint) = fingerprint {
            numbers.push(number);
            looks.push(fingerprint);
        }
    }
    for (a, b) in copies(&looks) {
        joined.join(numbers[a as usize], numbers[b as usize]);
    }
    let mut members: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for (photo, number) in photos.iter().zip(0..) {
        if photo.is_some() {
            members.entry(joined.root(number)).or_default().push(number);
        }
    }
    let content = |number: u32| photos[number as usize].as_ref().map(|(content, _)| content);
    let mut groups: Vec<Group> = members
        .into_values()
        .filter(|photos| photos.len() > 1)
        .map(|photos| Group {
            exact: photos.iter().all(|&photo| content(photo) == content(photos[0])),
            photos,
        })
        .collect();
    groups.sort_by_key(|group| group.photos[0]);
    groups
}

/// The groups among photos that are decoded already, by their cached pixels.
pub fn near_groups(store: &PhotoStore) -> Result<Vec<Group>, DataError> {
    let photos: Result<Vec<_>, DataError> = (0..store.len() as u32)
        .into_par_iter()
        .map(|number| {
            let Some(content) = store.content_hash(number) else {
                return Ok(None);
            };
            let photo = store.photo(number)?;
            Ok(Some((content, Fingerprint::new(&photo))))
        })
        .collect();
    Ok(groups(&photos?))
}

/// Sets that grow together (union-find). A set's root is its lowest number.
struct Joined {
    parent: Vec<u32>,
}

impl Joined {
    fn new(len: usize) -> Self {
        Self {
            parent: (0..len as u32).collect(),
        }
    }

    fn root(&mut self, mut number: u32) -> u32 {
        while self.parent[number as usize] != number {
            let up = self.parent[self.parent[number as usize] as usize];
            self.parent[number as usize] = up;
            number = up;
        }
        number
    }

    fn join(&mut self, a: u32, b: u32) {
        let (a, b) = (self.root(a), self.root(b));
        self.parent[a.max(b) as usize] = a.min(b);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_grow_together_whatever_the_order() {
        let mut joined = Joined::new(6);
        for (a, b) in [(4, 5), (2, 1), (5, 1)] {
            joined.join(a, b);
        }
        let roots: Vec<u32> = (0..6).map(|number| joined.root(number)).collect();
        assert_eq!(roots, [0, 1, 1, 3, 1, 1]);
    }

    #[test]
    fn equal_files_are_exact_groups_and_unreadable_ones_are_none() {
        let photo = |byte: u8| Some(([byte; 32], None));
        let groups = groups(&[photo(1), None, photo(2), photo(1), None]);
        assert_eq!(
            groups,
            [Group {
                photos: vec![0, 3],
                exact: true
            }]
        );
    }
}
