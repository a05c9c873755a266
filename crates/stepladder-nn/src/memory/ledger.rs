//! A ledger of buffers: what [`stepladder_kernels::BufferPool`] would hold, without any memory behind it.

use std::collections::BTreeMap;
use stepladder_kernels::size_class;

/// A value in a buffer of the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Held(usize);

/// Buffers in use and free.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// How many free buffers there are of each size.
    free: BTreeMap<usize, usize>,
    /// The size of each value's buffer, how many hold it, and its own bytes.
    values: Vec<(usize, usize, usize)>,
    allocated: usize,
}

impl Ledger {
    /// A buffer of `bytes`, held once.
    pub fn take(&mut self, bytes: usize) -> Held {
        let class = size_class(bytes);
        let mut fitting = self.free.range_mut(class..=2 * class);
        let buffer = match fitting.find(|(_, count)| **count > 0) {
            Some((&size, count)) => {
                *count -= 1;
                size
            }
            None => {
                self.allocated += class;
                class
            }
        };
        self.values.push((buffer, 1, bytes));
        Held(self.values.len() - 1)
    }

    /// One holder more.
    pub fn hold(&mut self, held: Held) -> Held {
        self.values[held.0].1 += 1;
        held
    }

    /// One holder less; the last gives the buffer back.
    pub fn drop(&mut self, held: Held) {
        let (buffer, holders, _) = &mut self.values[held.0];
        *holders -= 1;
        if *holders == 0 {
            *self.free.entry(*buffer).or_default() += 1;
        }
    }

    /// Buffers that come and go together, beside what is held.
    pub fn pass(&mut self, buffers: &[usize]) {
        let held: Vec<Held> = buffers.iter().map(|&bytes| self.take(bytes)).collect();
        held.into_iter().for_each(|held| self.drop(held));
    }

    /// Bytes of the values that somebody holds.
    pub fn in_use(&self) -> usize {
        let held = self.values.iter().filter(|(_, holders, _)| *holders > 0);
        held.map(|(_, _, bytes)| bytes).sum()
    }

    /// Bytes of all buffers, which are zeroed as they are made, so that the system gives all of them, and never given back.
    pub fn allocated(&self) -> usize {
        self.allocated
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stepladder_kernels::BufferPool;

    #[test]
    fn the_ledger_reuses_as_the_pool_does() {
        let (pool, mut ledger) = (BufferPool::new(), Ledger::default());
        let lengths = [3000, 9000, 2500, 70_000, 4000, 3000, 40_000];
        for round in 0..3 {
            let buffers: Vec<_> = lengths.iter().map(|&n| pool.take::<f32>(n + round)).collect();
            let held: Vec<_> = lengths.iter().map(|&n| ledger.take(4 * (n + round))).collect();
            drop(buffers);
            held.into_iter().for_each(|held| ledger.drop(held));
        }
        assert_eq!(ledger.allocated(), pool.allocated_bytes());
    }

    #[test]
    fn a_value_is_free_when_its_last_holder_goes() {
        let mut ledger = Ledger::default();
        let held = ledger.take(5000);
        let again = ledger.hold(held);
        ledger.drop(held);
        let other = ledger.take(5000);
        assert_eq!(ledger.allocated(), 2 * size_class(5000));
        ledger.drop(again);
        ledger.drop(other);
        ledger.pass(&[5000, 5000]);
        assert_eq!(ledger.allocated(), 2 * size_class(5000));
    }
}
