//! Aligned memory that is reused from step to step.
//!
//! A fresh allocation of a few megabytes costs its page faults, as much time as a kernel that fills it. A [`BufferPool`]
//! keeps what was returned, by size class, and knows at any time how many bytes it has asked the system for.

use std::{
    alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error},
    collections::BTreeMap,
    fmt,
    marker::PhantomData,
    ops::{Deref, DerefMut},
    ptr::NonNull,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use half::bf16;

/// A cache line, and the widest vector.
const ALIGNMENT: usize = 64;

/// The smallest allocation: below it, size classes would only fragment.
const SMALLEST: usize = 1024;

/// Types that any bit pattern is valid for, so that reused memory is initialized memory.
pub trait Plain: Copy + Send + Sync + 'static + sealed::Plain {}

impl Plain for f32 {}
impl Plain for bf16 {}
impl Plain for u32 {}
impl Plain for u8 {}

mod sealed {
    pub trait Plain {}
    impl Plain for f32 {}
    impl Plain for half::bf16 {}
    impl Plain for u32 {}
    impl Plain for u8 {}
}

/// One allocation; its bytes were zeroed when it was made, so that they are always initialized.
struct Block {
    start: NonNull<u8>,
    bytes: usize,
}

// Safety: a block owns its memory and has no thread affinity; access goes through `&` and `&mut` of its owner.
unsafe impl Send for Block {}
// Safety: as above.
unsafe impl Sync for Block {}

impl Block {
    fn layout(bytes: usize) -> Layout {
        Layout::from_size_align(bytes, ALIGNMENT).expect("a buffer of less than the address space")
    }

    fn new(bytes: usize) -> Block {
        let layout = Self::layout(bytes);
        // Safety: size classes start at SMALLEST, so that the size is not zero.
        let start = unsafe { alloc_zeroed(layout) };
        let Some(start) = NonNull::new(start) else {
            handle_alloc_error(layout)
        };
        Block { start, bytes }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // Safety: `start` came from `alloc_zeroed` with this layout, and is freed once.
        unsafe { dealloc(self.start.as_ptr(), Self::layout(self.bytes)) }
    }
}

#[derive(Default)]
struct Free {
    blocks: BTreeMap<usize, Vec<Block>>,
    allocated: usize,
}

impl Free {
    /// A free block of `bytes`, or of up to twice as many: an epoch's last batch, which is smaller, then needs no memory beside
    /// that of the others.
    fn reuse(&mut self, bytes: usize) -> Option<Block> {
        let mut fitting = self.blocks.range_mut(bytes..=2 * bytes);
        fitting.find_map(|(_, blocks)| blocks.pop())
    }
}

/// Where buffers come from and go back to; a clone shares the same memory.
#[derive(Clone, Default)]
pub struct BufferPool {
    free: Arc<Mutex<Free>>,
}

impl BufferPool {
    /// An empty pool.
    pub fn new() -> BufferPool {
        BufferPool::default()
    }

    fn lock(&self) -> MutexGuard<'_, Free> {
        // The lists stay consistent across a panic: blocks are moved whole.
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A buffer of `length` values, aligned to 64 bytes. What it holds is whatever its last user left.
    pub fn take<T: Plain>(&self, length: usize) -> Buffer<T> {
        let bytes = size_class(
            length
                .checked_mul(size_of::<T>())
                .expect("a buffer of less than the address space"),
        );
        let reused = self.lock().reuse(bytes);
        let block = reused.unwrap_or_else(|| {
            self.lock().allocated += bytes;
            Block::new(bytes)
        });
        Buffer {
            block: Some(block),
            length,
            pool: self.clone(),
            of: PhantomData,
        }
    }

    /// As [`BufferPool::take`], all zero.
    pub fn take_zeroed<T: Plain + Default>(&self, length: usize) -> Buffer<T> {
        let mut buffer = self.take(length);
        buffer.fill(T::default());
        buffer
    }

    /// Bytes that the pool and the buffers taken from it hold together. It never shrinks by itself, so that it is also
    /// the peak since the last [`BufferPool::release`].
    pub fn allocated_bytes(&self) -> usize {
        self.lock().allocated
    }

    /// Gives the memory of all buffers not in use back to the system.
    pub fn release(&self) {
        let mut free = self.lock();
        let blocks = std::mem::take(&mut free.blocks);
        free.allocated -= blocks
            .iter()
            .map(|(bytes, blocks)| bytes * blocks.len())
            .sum::<usize>();
    }
}

impl fmt::Debug for BufferPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BufferPool")
            .field("allocated_bytes", &self.allocated_bytes())
            .finish()
    }
}

/// The bytes that a pool takes for a buffer of `bytes`: rounded up to an eighth of a power of two, so that at most 12.5% is wasted,
/// and near sizes share their memory.
pub fn size_class(bytes: usize) -> usize {
    let bytes = bytes.max(SMALLEST);
    let step = (bytes.next_power_of_two() / 16).max(ALIGNMENT);
    bytes.next_multiple_of(step)
}

/// A slice of values that goes back to its [`BufferPool`] when dropped.
pub struct Buffer<T: Plain> {
    block: Option<Block>,
    length: usize,
    pool: BufferPool,
    of: PhantomData<T>,
}

impl<T: Plain> Buffer<T> {
    fn start(&self) -> *mut T {
        self.block
            .as_ref()
            .map_or(NonNull::dangling().as_ptr(), |block| block.start.as_ptr().cast())
    }
}

impl<T: Plain> Deref for Buffer<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // Safety: the block holds at least `length` values, is aligned for every Plain type, and is initialized; any
        // bit pattern is a valid T.
        unsafe { std::slice::from_raw_parts(self.start(), self.length) }
    }
}

impl<T: Plain> DerefMut for Buffer<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // Safety: as in `deref`; `&mut self` makes the access unique.
        unsafe { std::slice::from_raw_parts_mut(self.start(), self.length) }
    }
}

impl<T: Plain> AsRef<[u8]> for Buffer<T> {
    /// The values' bytes, in the machine's order.
    fn as_ref(&self) -> &[u8] {
        // Safety: as in `deref`; a Plain type has no padding, so that each of its bytes is initialized.
        unsafe { std::slice::from_raw_parts(self.start().cast(), self.length * size_of::<T>()) }
    }
}

impl<T: Plain> Drop for Buffer<T> {
    fn drop(&mut self) {
        if let Some(block) = self.block.take() {
            self.pool
                .lock()
                .blocks
                .entry(block.bytes)
                .or_default()
                .push(block);
        }
    }
}

impl<T: Plain + fmt::Debug> fmt::Debug for Buffer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_reused() {
        let pool = BufferPool::new();
        let mut first = pool.take::<f32>(1000);
        first.fill(1.0);
        assert_eq!(first.as_ptr().align_offset(ALIGNMENT), 0);
        drop(first);
        let bytes = pool.allocated_bytes();
        for _ in 0..10 {
            drop(pool.take::<bf16>(2000));
        }
        assert_eq!(pool.allocated_bytes(), bytes);
        drop(pool.take::<f32>(600));
        assert_eq!(
            pool.allocated_bytes(),
            bytes,
            "a smaller buffer reuses a larger block"
        );
        pool.release();
        assert_eq!(pool.allocated_bytes(), 0);
    }

    #[test]
    fn size_classes_waste_little() {
        for bytes in (1..100_000).step_by(37) {
            let class = size_class(bytes);
            assert!(class >= bytes && (class <= SMALLEST || class <= bytes + bytes / 8 + ALIGNMENT));
        }
    }
}
