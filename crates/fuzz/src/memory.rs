use peak_alloc::PeakAlloc;

/// Counts a growing block twice.
#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// Panics if `work` takes more than `limit` bytes.
pub fn within<T>(limit: usize, what: &str, work: impl FnOnce() -> T) -> T {
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    let value = work();
    let taken = ALLOCATOR.peak_usage().saturating_sub(before);
    assert!(taken <= limit, "{what} took {taken} bytes of memory, more than {limit}");
    value
}
