//! Panics on demand, to see that each is one failed call and no more. Only in builds that are made for
//! that, with the feature `fault-injection`; in all others nothing is left of it.

/// A place at which a panic can be asked for.
#[cfg(not(feature = "fault-injection"))]
#[inline(always)]
pub(crate) fn pass(_place: &str) {}

/// Panics when the environment variable `BACKWATER_PANIC` names this place.
#[cfg(feature = "fault-injection")]
#[allow(clippy::panic)]
pub(crate) fn pass(place: &str) {
    if std::env::var("BACKWATER_PANIC").is_ok_and(|wanted| wanted == place) {
        panic!("asked for, at {place}");
    }
}
