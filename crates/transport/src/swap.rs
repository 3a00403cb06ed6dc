use std::sync::Arc;

use crate::locks::RwLock;

pub(crate) struct Swap<T> {
    current: RwLock<Arc<T>>,
}

impl<T> Swap<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { current: RwLock::new(Arc::new(value)) }
    }

    pub(crate) fn load(&self) -> Arc<T> {
        Arc::clone(&self.current.read())
    }

    pub(crate) fn update(&self, change: impl FnOnce(&T) -> T) {
        let mut current = self.current.write();
        *current = Arc::new(change(&current));
    }
}
