//! A value that can be exchanged while others use it.

use std::sync::{Arc, PoisonError, RwLock};

/// Holds a value. Who has loaded it keeps what it was then, for as long as it needs it.
pub(crate) struct Swap<T> {
    current: RwLock<Arc<T>>,
}

impl<T> Swap<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { current: RwLock::new(Arc::new(value)) }
    }

    /// The value as it is now.
    pub(crate) fn load(&self) -> Arc<T> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts what `change` makes of the value in its place.
    pub(crate) fn update(&self, change: impl FnOnce(&T) -> T) {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        *current = Arc::new(change(&current));
    }
}
