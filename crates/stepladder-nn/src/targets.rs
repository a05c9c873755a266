//! What the photos of a batch are to be taken for: their classes, second classes where photos were mixed, and weights.

/// The targets of a batch. From labels alone, each photo is wholly of its class and counts once.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Targets {
    /// The class of each photo.
    pub labels: Vec<u32>,
    /// Where photos were mixed: the class of the other photo, and the share of the first, in [0, 1]. Empty where none was.
    pub mixed: Vec<(u32, f32)>,
    /// Factors of the photos' losses. Empty where all are 1.
    pub weights: Vec<f32>,
}

impl Targets {
    /// Targets with a weight for each photo by its class, mixed photos in proportion to their shares. `by_class` holds a
    /// factor for each class; without any, every photo counts once.
    pub fn weighted(mut self, by_class: &[f32]) -> Targets {
        let weight = |class: u32| by_class.get(class as usize).copied().unwrap_or(1.0);
        if !by_class.is_empty() {
            let labels = self.labels.iter().enumerate();
            let weights = labels.map(|(row, &label)| match self.mixed.get(row) {
                Some(&(second, share)) => share * weight(label) + (1.0 - share) * weight(second),
                None => weight(label),
            });
            self.weights = weights.collect();
        }
        self
    }

    /// The class with the greatest share of each photo.
    pub fn greatest(&self) -> impl Iterator<Item = u32> + '_ {
        self.labels
            .iter()
            .enumerate()
            .map(|(row, &label)| match self.mixed.get(row) {
                Some(&(second, share)) if share < 0.5 => second,
                _ => label,
            })
    }

    /// The targets of the photos from `start` to `end`, the latter not among them.
    pub(crate) fn part(&self, start: usize, end: usize) -> Targets {
        let of_mixed = self.mixed.get(start..end).unwrap_or_default();
        Targets {
            labels: self.labels[start..end].to_vec(),
            mixed: of_mixed.to_vec(),
            weights: self.weights.get(start..end).unwrap_or_default().to_vec(),
        }
    }
}

impl From<&[u32]> for Targets {
    fn from(labels: &[u32]) -> Targets {
        Targets {
            labels: labels.to_vec(),
            ..Targets::default()
        }
    }
}

impl From<&Vec<u32>> for Targets {
    fn from(labels: &Vec<u32>) -> Targets {
        labels.as_slice().into()
    }
}

impl<const N: usize> From<&[u32; N]> for Targets {
    fn from(labels: &[u32; N]) -> Targets {
        labels.as_slice().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_follow_the_shares_and_parts_keep_their_rows() {
        let targets = Targets {
            labels: vec![0, 1, 1],
            mixed: vec![(1, 0.25), (0, 0.5), (1, 1.0)],
            weights: Vec::new(),
        };
        assert_eq!(targets.greatest().collect::<Vec<_>>(), [1, 1, 1]);
        let weighted = targets.clone().weighted(&[4.0, 1.0]);
        assert_eq!(weighted.weights, [1.75, 2.5, 1.0]);
        assert_eq!(targets.clone().weighted(&[]), targets);
        let part = weighted.part(1, 3);
        assert_eq!((part.labels, part.weights), (vec![1, 1], vec![2.5, 1.0]));
        assert_eq!(Targets::from(&[2, 0]).part(1, 2), Targets::from(&[0]));
    }
}
