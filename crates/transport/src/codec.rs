//! Where terms are encoded and decoded: small ones at once, large ones out of everybody's way.

use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use backwater_etf::{Decoder, Encoder};

/// Work on more bytes than this goes to tokio's blocking pool. Decoding 64 KiB takes about 50 µs, some
/// five times what the hop to another thread costs; so long may small calls wait, but no longer.
const INLINE: usize = 64 * 1024;
/// Codecs kept for the next call. The I/O thread needs one; the others serve the blocking pool.
const KEPT: usize = 4;

/// Scratch memory for one message at a time.
pub(crate) struct Codec {
    pub(crate) encoder: Encoder,
    pub(crate) decoder: Decoder,
}

/// Codecs that are used again.
#[derive(Clone, Default)]
pub(crate) struct Codecs {
    idle: Arc<Mutex<Vec<Codec>>>,
}

/// Work was not done since the runtime is shutting down.
#[derive(Debug)]
pub(crate) struct Stopped;

impl Codecs {
    /// Runs `work`, which handles a message of about `size` bytes.
    ///
    /// # Panics
    ///
    /// When `work` does.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        size: usize,
        work: impl FnOnce(&mut Codec) -> T + Send + 'static,
    ) -> Result<T, Stopped> {
        if size <= INLINE {
            return Ok(self.run_inline(work));
        }
        let codecs = self.clone();
        match tokio::task::spawn_blocking(move || codecs.run_inline(work)).await {
            Ok(value) => Ok(value),
            Err(error) => match error.try_into_panic() {
                Ok(payload) => resume_unwind(payload),
                Err(_cancelled) => Err(Stopped),
            },
        }
    }

    /// A codec whose work panics is not used again: it is dropped on the way.
    fn run_inline<T>(&self, work: impl FnOnce(&mut Codec) -> T) -> T {
        let idle = self.idle().pop();
        let mut codec =
            idle.unwrap_or_else(|| Codec { encoder: Encoder::default(), decoder: Decoder::new() });
        let value = work(&mut codec);
        let mut idle = self.idle();
        if idle.len() < KEPT {
            idle.push(codec);
        }
        value
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Codec>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
