//! How much memory something takes.

use peak_alloc::PeakAlloc;

/// Counts what all threads hold. Growing a block counts as a second one beside it until it is copied,
/// which is the worst that an allocator does.
#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// Runs `work`, and checks that it holds no more than so many bytes at any moment.
///
/// # Panics
///
/// When it does.
pub fn within<T>(limit: usize, what: &str, work: impl FnOnce() -> T) -> T {
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    let value = work();
    let taken = ALLOCATOR.peak_usage().saturating_sub(before);
    assert!(taken <= limit, "{what} took {taken} bytes of memory, more than {limit}");
    value
}
