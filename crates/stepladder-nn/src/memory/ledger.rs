//! A ledger of buffers: what [`stepladder_kernels::BufferPool`] would hold, and how much of it would have been touched, without any
//! memory behind it.

use std::collections::BTreeMap;
use stepladder_kernels::size_class;

/// A buffer, with its bytes and those that somebody has written to: the system gives only these.
#[derive(Debug, Clone, Copy)]
struct Block {
    bytes: usize,
    touched: usize,
}

/// A value in a buffer of the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Held(usize);

/// Buffers in use and free.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    free: BTreeMap<usize, Vec<Block>>,
    /// Each value's buffer, how many hold it, and its bytes.
    values: Vec<(Block, usize, usize)>,
    touched: usize,
}

impl Ledger {
    /// A buffer of `bytes`, held once.
    pub fn take(&mut self, bytes: usize) -> Held {
        let class = size_class(bytes);
        let mut fitting = self.free.range_mut(class..=2 * class);
        let reused = fitting.find_map(|(_, blocks)| blocks.pop());
        let mut block = reused.unwrap_or(Block {
            bytes: class,
            touched: 0,
        });
        self.touched += bytes.saturating_sub(block.touched);
        block.touched = block.touched.max(bytes);
        self.values.push((block, 1, bytes));
        Held(self.values.len() - 1)
    }

    /// One holder more.
    pub fn hold(&mut self, held: Held) -> Held {
        self.values[held.0].1 += 1;
        held
    }

    /// One holder less; the last gives the buffer back.
    pub fn drop(&mut self, held: Held) {
        let (block, holders, _) = &mut self.values[held.0];
        *holders -= 1;
        if *holders == 0 {
            self.free.entry(block.bytes).or_default().push(*block);
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

    /// Bytes that have been written to so far; buffers are never given back to the system.
    pub fn touched(&self) -> usize {
        self.touched
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
        let allocated: usize = ledger
            .free
            .iter()
            .map(|(bytes, blocks)| bytes * blocks.len())
            .sum();
        assert_eq!(allocated, pool.allocated_bytes());
        assert!(ledger.touched() <= allocated && ledger.touched() > allocated * 8 / 10);
    }

    #[test]
    fn a_value_is_free_when_its_last_holder_goes() {
        let mut ledger = Ledger::default();
        let held = ledger.take(5000);
        let again = ledger.hold(held);
        ledger.drop(held);
        let other = ledger.take(5000);
        assert_eq!(ledger.touched(), 10_000);
        ledger.drop(again);
        ledger.drop(other);
        ledger.pass(&[5000, 5000]);
        assert_eq!(ledger.touched(), 10_000);
    }
}
