//! How the system's allocator treats large memory, for a program to choose once at its start.

/// Has allocations of a megabyte and more given back to the system when they are freed.
///
/// glibc learns from what is freed which sizes to keep, up to 32 MiB of each thread: batches, photos and copies for a checkpoint, each
/// freed by another thread than the next one is taken by, then take a tenth more memory than is ever in use. What kernels use again in each
/// step is kept by [`crate::BufferPool`], so that nothing is lost. Other systems' allocators are left alone.
pub fn return_large_allocations() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        const LARGE: libc::c_int = 1 << 20;
        // As a threshold that is set no longer moves, the other one, from which free memory at a heap's end is given back, is set too:
        // at its start it is low, and each step would give back and take again.
        const FREE_AT_THE_END: libc::c_int = 64 << 20;
        // Safety: both calls set a number of the allocator, which is sound at any time.
        unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE);
            libc::mallopt(libc::M_TRIM_THRESHOLD, FREE_AT_THE_END);
        }
    }
}
