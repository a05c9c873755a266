//! Which parts of a block of memory are free: first fit, and neighbors that are free become one.

use std::collections::BTreeMap;

/// The free parts of a block of `size` bytes.
#[derive(Debug, Default)]
pub(super) struct Intervals {
    size: usize,
    /// Length by start; none touches the next.
    free: BTreeMap<usize, usize>,
}

impl Intervals {
    /// All of `size` bytes is free.
    pub(super) fn new(size: usize) -> Intervals {
        Intervals {
            size,
            free: (size > 0).then_some((0, size)).into_iter().collect(),
        }
    }

    /// Bytes in all, free or not.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// Whether nothing is taken.
    pub(super) fn is_unused(&self) -> bool {
        self.size == 0 || self.free.get(&0) == Some(&self.size)
    }

    /// The start of the first part that has `length` bytes, which are then taken. None where no part has.
    pub(super) fn take(&mut self, length: usize) -> Option<usize> {
        let (&start, &free) = self.free.iter().find(|(_, free)| **free >= length)?;
        self.free.remove(&start);
        if free > length {
            self.free.insert(start + length, free - length);
        }
        Some(start)
    }

    /// Frees what [`Intervals::take`] gave.
    pub(super) fn give_back(&mut self, start: usize, length: usize) {
        let mut free = start..start + length;
        if let Some((&before, &bytes)) = self.free.range(..start).next_back()
            && before + bytes == start
        {
            self.free.remove(&before);
            free.start = before;
        }
        if let Some(bytes) = self.free.remove(&free.end) {
            free.end += bytes;
        }
        self.free.insert(free.start, free.len());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Each step takes so many bytes, or gives back one of the parts that are taken.
        #[test]
        fn parts_are_disjoint_and_come_together(
            steps in prop::collection::vec((any::<bool>(), 1..40_usize, any::<prop::sample::Index>()), 1..200),
        ) {
            const SIZE: usize = 256;
            let mut intervals = Intervals::new(SIZE);
            let mut taken: Vec<(usize, usize)> = Vec::new();
            for (takes, length, which) in steps {
                if takes || taken.is_empty() {
                    let mut is_free = [true; SIZE];
                    taken.iter().for_each(|&(start, length)| is_free[start..start + length].fill(false));
                    let fits = |start: &usize| is_free[*start..start + length].iter().all(|free| *free);
                    let first = (0..=SIZE - length).find(fits);
                    prop_assert_eq!(intervals.take(length), first);
                    taken.extend(first.map(|start| (start, length)));
                } else {
                    let (start, length) = taken.swap_remove(which.index(taken.len()));
                    intervals.give_back(start, length);
                }
                prop_assert_eq!(intervals.is_unused(), taken.is_empty());
                let free: usize = intervals.free.values().sum();
                let used: usize = taken.iter().map(|(_, length)| length).sum();
                prop_assert_eq!(free + used, SIZE);
                let mut parts = intervals.free.iter().zip(intervals.free.keys().skip(1));
                prop_assert!(parts.all(|((start, length), next)| start + length < *next), "free parts touch");
            }
            for (start, length) in taken {
                intervals.give_back(start, length);
            }
            prop_assert!(intervals.is_unused());
        }
    }

    #[test]
    fn nothing_is_taken_from_nothing() {
        let mut intervals = Intervals::new(0);
        assert_eq!((intervals.take(64), intervals.is_unused()), (None, true));
    }
}
