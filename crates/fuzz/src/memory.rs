use peak_alloc::PeakAlloc;

/// Counts all threads. Growing a block counts as a second block, the worst case of an allocator.
#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// Runs `work` and checks its peak memory.
///
/// # Panics
///
/// If it exceeds `limit` bytes.
pub fn within<T>(limit: usize, what: &str, work: impl FnOnce() -> T) -> T {
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    let value = work();
    let taken = ALLOCATOR.peak_usage().saturating_sub(before);
    assert!(taken <= limit, "{what} took {taken} bytes of memory, more than {limit}");
    value
}
