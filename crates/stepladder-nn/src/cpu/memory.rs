//! The block of memory in which a program's values lie, and views of them.

use super::Storage;
use crate::program::{Program, ValueId};
use bytemuck::{cast_slice, cast_slice_mut};
use std::ops::Range;
use stepladder_kernels::{Buffer, BufferPool};

/// One block, large enough for the largest program so far.
#[derive(Debug)]
pub(super) struct Memory {
    words: Buffer<u32>,
}

/// One part more than the most values that a step writes at once: the parts between them.
const PARTS: usize = 6;

/// A value to be read.
#[derive(Debug, Clone, Copy)]
pub(super) struct View<'a> {
    words: &'a [u32],
    count: usize,
}

/// A value to be written.
#[derive(Debug)]
pub(super) struct ViewMut<'a> {
    words: &'a mut [u32],
    count: usize,
}

impl<'a> View<'a> {
    /// Its numbers, which are stored as `E`.
    pub fn get<E: Storage>(self) -> &'a [E] {
        &cast_slice(self.words)[..self.count]
    }
}

impl<'a> ViewMut<'a> {
    /// Its numbers, which are stored as `E`.
    pub fn get<E: Storage>(self) -> &'a mut [E] {
        &mut cast_slice_mut(self.words)[..self.count]
    }
}

impl Memory {
    pub fn new() -> Memory {
        Memory {
            words: BufferPool::new().take(0),
        }
    }

    /// Makes room for `words` words. What was there is gone if that takes a larger block.
    pub fn reserve(&mut self, words: usize) {
        if self.words.len() < words {
            // The old block goes first, so that there are never two.
            self.words = BufferPool::new().take(0);
            self.words = BufferPool::new().take(words);
        }
    }

    /// Bytes of the block.
    pub fn bytes(&self) -> usize {
        size_of_val(&*self.words)
    }

    /// A value of `program`, whose photos are `images`.
    pub fn read<'a>(&'a self, program: &Program, images: &'a [f32], value: ValueId) -> View<'a> {
        let words = match value {
            ValueId::IMAGES => cast_slice(images),
            _ => &self.words[range(program, value)],
        };
        let count = program.values[value.0].count;
        View { words, count }
    }

    /// A value of `program`, to be written.
    pub fn write(&mut self, program: &Program, value: ValueId) -> ViewMut<'_> {
        let words = &mut self.words[range(program, value)];
        let count = program.values[value.0].count;
        ViewMut { words, count }
    }

    /// Some values to read and others to write, which lie apart from each other and from what is read. The view of no value is empty.
    ///
    /// # Panics
    ///
    /// A written value overlaps another: the program is wrong.
    pub fn views<'a, const R: usize, const W: usize>(
        &'a mut self,
        program: &Program,
        images: &'a [f32],
        reads: [Option<ValueId>; R],
        writes: [Option<ValueId>; W],
    ) -> ([View<'a>; R], [ViewMut<'a>; W]) {
        const { assert!(W < PARTS) };
        let mut order: [usize; W] = std::array::from_fn(|at| at);
        order.sort_unstable_by_key(|&at| writes[at].map(|value| program.values[value.0].offset));
        let mut parts: [(usize, &[u32]); PARTS] = [(0, &[]); PARTS];
        let mut written: [ViewMut<'_>; W] = std::array::from_fn(|_| ViewMut {
            words: &mut [],
            count: 0,
        });
        let (mut rest, mut start) = (&mut self.words[..], 0);
        for (part, at) in order.into_iter().enumerate() {
            let Some(value) = writes[at] else { continue };
            let Range { start: from, end } = range(program, value);
            assert!(from >= start, "values that are written lie apart");
            let (before, after) = rest.split_at_mut(from - start);
            let (words, after) = after.split_at_mut(end - from);
            parts[part] = (start, before);
            let count = program.values[value.0].count;
            written[at] = ViewMut { words, count };
            (rest, start) = (after, end);
        }
        parts[PARTS - 1] = (start, rest);
        let read = |value: Option<ValueId>| {
            let Some(value) = value else {
                return View { words: &[], count: 0 };
            };
            let count = program.values[value.0].count;
            if value == ValueId::IMAGES {
                let words = cast_slice(images);
                return View { words, count };
            }
            let Range { start: from, end } = range(program, value);
            let holds = |(start, part): &&(usize, &[u32])| *start <= from && end <= start + part.len();
            let (start, part) = parts
                .iter()
                .find(holds)
                .expect("a value that is read lies apart from those that are written");
            let words = &part[from - start..end - start];
            View { words, count }
        };
        (reads.map(read), written)
    }
}

impl Memory {
    /// As [`Memory::views`], with any number of values to read and one to write.
    pub fn gather<'a>(
        &'a mut self,
        program: &Program,
        images: &'a [f32],
        reads: &[ValueId],
        write: ValueId,
    ) -> (Vec<View<'a>>, ViewMut<'a>) {
        let Range { start, end } = range(program, write);
        let (before, rest) = self.words.split_at_mut(start);
        let (words, after) = rest.split_at_mut(end - start);
        let (before, after) = (&*before, &*after);
        let read = |value: &ValueId| {
            let range = range(program, *value);
            let words = match *value {
                ValueId::IMAGES => cast_slice(images),
                _ if range.end <= start => &before[range],
                _ => &after[range.start - end..range.end - end],
            };
            let count = program.values[value.0].count;
            View { words, count }
        };
        let count = program.values[write.0].count;
        (reads.iter().map(read).collect(), ViewMut { words, count })
    }
}

/// The words of a value.
fn range(program: &Program, value: ValueId) -> Range<usize> {
    let value = program.values[value.0];
    value.offset..value.offset + value.words()
}
