//! Aligned memory for maps and for what kernels need beside their operands.
//!
//! A fresh allocation of a few megabytes costs its page faults, as much time as a kernel that fills it. Whoever knows how much
//! memory a pass takes reserves it once ([`BufferPool::reserve`]): buffers are then parts of one block, first fit, and go back to
//! it. What does not fit is allocated apart, and freed when it is returned. So the bytes in use are known exactly: the sum of the
//! buffers' lengths, each rounded up to [`ALIGNMENT`].

mod intervals;

use std::{
    alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error},
    fmt,
    marker::PhantomData,
    ops::{Deref, DerefMut},
    ptr::NonNull,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use half::bf16;

use intervals::Intervals;

/// A cache line, and the widest vector. Buffers start and end at multiples of it.
const ALIGNMENT: usize = 64;

/// Bytes that a buffer of `bytes` takes from a pool: rounded up to whole cache lines.
pub(crate) fn rounded(bytes: usize) -> usize {
    bytes
        .checked_next_multiple_of(ALIGNMENT)
        .expect("a buffer of less than the address space")
}

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
    allocation: NonNull<u8>,
    /// The first multiple of [`ALIGNMENT`] in it, from where on `bytes` are there.
    start: NonNull<u8>,
    bytes: usize,
}

// Safety: a block owns its memory and has no thread affinity; access goes through `&` and `&mut` of the buffers, whose parts are
// disjoint.
unsafe impl Send for Block {}
// Safety: as above.
unsafe impl Sync for Block {}

impl Block {
    /// Aligned as every allocator does by itself: asked for more, the standard library zeroes with a pass over the memory, where the
    /// system has pages of zeros that cost nothing until they are touched.
    fn layout(bytes: usize) -> Layout {
        let bytes = bytes.checked_add(ALIGNMENT);
        bytes
            .and_then(|bytes| Layout::from_size_align(bytes, align_of::<u64>()).ok())
            .expect("a buffer of less than the address space")
    }

    fn new(bytes: usize) -> Block {
        let layout = Self::layout(bytes);
        // Safety: the size is at least ALIGNMENT.
        let allocation = unsafe { alloc_zeroed(layout) };
        let Some(allocation) = NonNull::new(allocation) else {
            handle_alloc_error(layout)
        };
        let offset = allocation.align_offset(ALIGNMENT);
        assert!(offset < ALIGNMENT, "any address can be aligned");
        Block {
            allocation,
            // Safety: the allocation has ALIGNMENT bytes more than `bytes`.
            start: unsafe { allocation.add(offset) },
            bytes,
        }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // Safety: `allocation` came from `alloc_zeroed` with this layout, and is freed once.
        unsafe { dealloc(self.allocation.as_ptr(), Self::layout(self.bytes)) }
    }
}

#[derive(Default)]
struct State {
    /// What was reserved, and its free parts.
    block: Option<Arc<Block>>,
    parts: Intervals,
    /// Bytes of all blocks: the reserved one, earlier ones of which parts are still in use, and those of single buffers.
    allocated: usize,
    /// Bytes of all buffers, and the most since the last `reserve` or `release`.
    in_use: usize,
    peak: usize,
}

impl State {
    /// Lets go of the reserved block. If parts of it are in use, it is freed with the last of them.
    fn forget_block(&mut self) {
        if let Some(block) = self.block.take()
            && self.parts.is_unused()
        {
            self.allocated -= block.bytes;
        }
        self.parts = Intervals::default();
    }
}

/// Where buffers come from and go back to; a clone shares the same memory.
#[derive(Clone, Default)]
pub struct BufferPool {
    state: Arc<Mutex<State>>,
}

impl BufferPool {
    /// An empty pool.
    pub fn new() -> BufferPool {
        BufferPool::default()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The state stays consistent across a panic: it is changed in steps that do not panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sees to it that there is a block of at least `bytes` (rounded up to 64) for the buffers that are taken from now on, and
    /// starts a new measurement of [`BufferPool::peak_bytes`]. A block that is large enough is kept: to shrink it, call
    /// [`BufferPool::release`] first. A smaller one is replaced, and freed as soon as none of its parts is in use.
    ///
    /// Whether a request finds a part of its length depends on what else is in use at that time: where all are taken and given
    /// back in the same order each time, as in the steps of a training, either all fit from then on or the same ones do not.
    pub fn reserve(&self, bytes: usize) {
        let bytes = rounded(bytes);
        let mut state = self.lock();
        state.peak = state.in_use;
        if bytes > state.parts.size() {
            state.forget_block();
            state.allocated += bytes;
            state.block = Some(Arc::new(Block::new(bytes)));
            state.parts = Intervals::new(bytes);
        }
    }

    /// A buffer of `length` values, aligned to 64 bytes. What it holds is whatever its last user left.
    pub fn take<T: Plain>(&self, length: usize) -> Buffer<T> {
        let bytes = rounded(
            length
                .checked_mul(size_of::<T>())
                .expect("a buffer of less than the address space"),
        );
        Buffer {
            memory: self.memory(bytes),
            bytes,
            length,
            pool: self.clone(),
            of: PhantomData,
        }
    }

    fn memory(&self, bytes: usize) -> Memory {
        if bytes == 0 {
            return Memory::Nothing;
        }
        let mut state = self.lock();
        state.in_use += bytes;
        state.peak = state.peak.max(state.in_use);
        if let Some(start) = state.parts.take(bytes)
            && let Some(block) = &state.block
        {
            return Memory::Part(Arc::clone(block), start);
        }
        state.allocated += bytes;
        drop(state);
        Memory::Own(Block::new(bytes))
    }

    /// As [`BufferPool::take`], all zero.
    pub fn take_zeroed<T: Plain + Default>(&self, length: usize) -> Buffer<T> {
        let mut buffer = self.take(length);
        buffer.fill(T::default());
        buffer
    }

    /// Bytes that the pool and the buffers taken from it hold together: what is reserved, and what did not fit.
    pub fn allocated_bytes(&self) -> usize {
        self.lock().allocated
    }

    /// The most bytes that were in use at a time since the last [`BufferPool::reserve`] or [`BufferPool::release`]: of all
    /// buffers taken and not yet dropped, each rounded up to 64, whether they fit into what was reserved or not.
    pub fn peak_bytes(&self) -> usize {
        self.lock().peak
    }

    /// Gives what was reserved back to the system: at once, or where parts of it are in use, as soon as none is.
    /// [`BufferPool::peak_bytes`] starts anew.
    pub fn release(&self) {
        let mut state = self.lock();
        state.peak = state.in_use;
        state.forget_block();
    }

    /// Takes back the memory of a buffer.
    fn give_back(&self, memory: Memory, bytes: usize) {
        let mut state = self.lock();
        state.in_use -= bytes;
        match memory {
            Memory::Nothing => {}
            Memory::Own(block) => {
                state.allocated -= bytes;
                // Others need not wait until the system has its memory back.
                drop(state);
                drop(block);
            }
            // The part's hold on its block ends with its arm, still under the lock: those of a block are counted right.
            Memory::Part(block, start) => match &state.block {
                Some(reserved) if Arc::ptr_eq(reserved, &block) => state.parts.give_back(start, bytes),
                // A block that the pool no longer has is freed with the last of its parts.
                _ if Arc::strong_count(&block) == 1 => state.allocated -= block.bytes,
                _ => {}
            },
        }
    }
}

impl fmt::Debug for BufferPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("BufferPool")
            .field("allocated_bytes", &state.allocated)
            .field("peak_bytes", &state.peak)
            .finish()
    }
}

/// Where a buffer's values are.
#[derive(Default)]
enum Memory {
    /// It has none.
    #[default]
    Nothing,
    /// In a block, from this byte on: no other buffer has a part of it that overlaps.
    Part(Arc<Block>, usize),
    /// In a block of its own.
    Own(Block),
}

/// A slice of values that goes back to its [`BufferPool`] when dropped.
pub struct Buffer<T: Plain> {
    memory: Memory,
    /// Bytes that it takes, rounded up.
    bytes: usize,
    length: usize,
    pool: BufferPool,
    of: PhantomData<T>,
}

impl<T: Plain> Buffer<T> {
    fn start(&self) -> *mut T {
        match &self.memory {
            Memory::Nothing => NonNull::dangling().as_ptr(),
            // Safety: the part is inside the block.
            Memory::Part(block, start) => unsafe { block.start.add(*start) }.as_ptr().cast(),
            Memory::Own(block) => block.start.as_ptr().cast(),
        }
    }
}

impl<T: Plain> Deref for Buffer<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // Safety: the memory holds at least `length` values, is aligned for every Plain type, is initialized, and no other
        // buffer's; any bit pattern is a valid T.
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
        self.pool.give_back(std::mem::take(&mut self.memory), self.bytes);
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

    /// Bytes of f32 values, rounded up.
    fn bytes(values: usize) -> usize {
        rounded(4 * values)
    }

    #[test]
    fn buffers_are_parts_of_what_is_reserved() {
        let pool = BufferPool::new();
        pool.reserve(10_000);
        let all = rounded(10_000);
        assert_eq!((pool.allocated_bytes(), pool.peak_bytes()), (all, 0));
        let mut first = pool.take::<f32>(1000);
        let mut second = pool.take::<bf16>(3);
        first.fill(1.0);
        second.fill(bf16::NEG_ONE);
        for start in [first.as_ptr().cast::<u8>(), second.as_ptr().cast::<u8>()] {
            assert_eq!(start.align_offset(ALIGNMENT), 0);
        }
        assert_eq!(second.as_ptr().addr() - first.as_ptr().addr(), bytes(1000));
        assert!(first.iter().all(|x| *x == 1.0) && second.iter().all(|x| *x == bf16::NEG_ONE));
        let start = first.as_ptr();
        drop(first);
        assert_eq!(
            pool.take::<u32>(900).as_ptr().addr(),
            start.addr(),
            "the first part that fits"
        );
        assert_eq!(pool.allocated_bytes(), all);
        assert_eq!(pool.peak_bytes(), bytes(1000) + ALIGNMENT);
    }

    #[test]
    fn what_does_not_fit_is_allocated_apart() {
        let pool = BufferPool::new();
        drop(pool.take::<f32>(100));
        assert_eq!((pool.allocated_bytes(), pool.peak_bytes()), (0, bytes(100)));
        pool.reserve(bytes(100));
        let first = pool.take::<f32>(60);
        let second = pool.take::<f32>(60);
        assert_eq!(pool.allocated_bytes(), bytes(100) + bytes(60));
        assert_eq!(pool.peak_bytes(), 2 * bytes(60));
        drop((first, second));
        assert_eq!(pool.allocated_bytes(), bytes(100));
        assert_eq!(pool.peak_bytes(), 2 * bytes(60));
    }

    #[test]
    fn a_block_in_use_outlives_its_successor() {
        let pool = BufferPool::new();
        pool.reserve(640);
        let mut first = pool.take::<u8>(64);
        first.fill(7);
        pool.reserve(64);
        assert_eq!(
            (pool.allocated_bytes(), pool.peak_bytes()),
            (640, 64),
            "a smaller one is not needed"
        );
        pool.reserve(1280);
        assert_eq!(pool.allocated_bytes(), 640 + 1280);
        let second = pool.take::<u8>(1280);
        assert!(first.iter().all(|x| *x == 7));
        drop(first);
        assert_eq!(pool.allocated_bytes(), 1280);
        pool.release();
        assert_eq!(
            (pool.allocated_bytes(), pool.peak_bytes()),
            (1280, 1280),
            "it is in use"
        );
        drop(second);
        assert_eq!(pool.allocated_bytes(), 0);
        pool.reserve(64);
        pool.release();
        assert_eq!(pool.allocated_bytes(), 0);
    }

    #[test]
    fn an_empty_buffer_takes_nothing() {
        let pool = BufferPool::new();
        let empty = pool.take_zeroed::<f32>(0);
        assert!(empty.is_empty() && empty.as_ref().is_empty());
        assert_eq!((pool.allocated_bytes(), pool.peak_bytes()), (0, 0));
    }

    #[test]
    fn threads_have_parts_of_their_own() {
        let pool = BufferPool::new();
        pool.reserve(20_000);
        std::thread::scope(|scope| {
            for thread in 0..4_u32 {
                let pool = &pool;
                scope.spawn(move || {
                    for round in 0..200_u32 {
                        // Some fit and some do not.
                        let mut buffers: Vec<Buffer<u32>> = (1..4)
                            .map(|i| pool.take((7 * (thread + i) * (round % 9) * 16) as usize))
                            .collect();
                        for (i, buffer) in buffers.iter_mut().enumerate() {
                            buffer.fill(thread << 16 | i as u32);
                        }
                        for (i, buffer) in buffers.iter().enumerate() {
                            assert!(buffer.iter().all(|x| *x == thread << 16 | i as u32));
                        }
                    }
                });
            }
        });
        assert_eq!(pool.allocated_bytes(), rounded(20_000));
        pool.release();
        assert_eq!(pool.allocated_bytes(), 0);
    }
}
