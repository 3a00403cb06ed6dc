//! Panics on demand, to test that each fails only one call (feature `fault-injection`).

#[cfg(not(feature = "fault-injection"))]
#[inline(always)]
pub(crate) fn pass(_place: &str) {}

/// Panics if the environment variable `BACKWATER_PANIC` names this place.
#[cfg(feature = "fault-injection")]
#[allow(clippy::panic)]
pub(crate) fn pass(place: &str) {
    if std::env::var("BACKWATER_PANIC").is_ok_and(|wanted| wanted == place) {
        panic!("requested at {place}");
    }
}
