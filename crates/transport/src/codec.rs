//! Encodes and decodes small terms inline and large ones on the blocking pool.

use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread;

use backwater_etf::{Decoder, Encoder};
use tokio::sync::Semaphore;

use crate::locks::Mutex;

/// Limit of inline work in bytes. Decoding 64 KiB takes about 50 µs, five times the cost of a hop
/// to another thread.
const INLINE: usize = 64 * 1024;
/// A call may wait for a thousand frames, and compressing 8 KiB takes about as long as decoding 64
/// KiB.
const INLINE_FRAME: usize = 8 * 1024;
const KEPT: usize = 4;

pub(crate) struct Codec {
    pub(crate) encoder: Encoder,
    pub(crate) decoder: Decoder,
}

#[derive(Clone)]
pub(crate) struct Codecs {
    idle: Arc<Mutex<Idle>>,
    /// Limits large frames to half of the cores, so that calls get the others.
    frames: Arc<Semaphore>,
}

impl Default for Codecs {
    fn default() -> Self {
        let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self { idle: Arc::default(), frames: Arc::new(Semaphore::new((cores / 2).max(1))) }
    }
}

type Idle = Vec<Box<Codec>>;

#[derive(Debug)]
pub(crate) struct Stopped;

pub(crate) fn is_inline_frame(size: usize) -> bool {
    size <= INLINE_FRAME
}

impl Codecs {
    /// Panics if `work` does.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        size: usize,
        work: impl FnOnce(&mut Codec) -> T + Send + 'static,
    ) -> Result<T, Stopped> {
        if size <= INLINE {
            return Ok(self.run_inline(work));
        }
        self.run_elsewhere(work).await
    }

    pub(crate) async fn run_frame<T: Send + 'static>(
        &self,
        size: usize,
        work: impl FnOnce(&mut Codec) -> T + Send + 'static,
    ) -> Result<T, Stopped> {
        if is_inline_frame(size) {
            return Ok(self.run_inline(work));
        }
        let permit = Arc::clone(&self.frames).acquire_owned().await.map_err(|_closed| Stopped)?;
        self.run_elsewhere(move |codec| {
            // Held until the work is done, even if its caller is gone.
            let _permit = permit;
            work(codec)
        })
        .await
    }

    async fn run_elsewhere<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Codec) -> T + Send + 'static,
    ) -> Result<T, Stopped> {
        let codecs = self.clone();
        match tokio::task::spawn_blocking(move || codecs.run_inline(work)).await {
            Ok(value) => Ok(value),
            Err(error) => match error.try_into_panic() {
                Ok(payload) => resume_unwind(payload),
                Err(_cancelled) => Err(Stopped),
            },
        }
    }

    fn run_inline<T>(&self, work: impl FnOnce(&mut Codec) -> T) -> T {
        let idle = self.idle.lock().pop();
        let mut codec = idle.unwrap_or_else(|| {
            Box::new(Codec { encoder: Encoder::default(), decoder: Decoder::new() })
        });
        let value = work(&mut codec);
        let mut idle = self.idle.lock();
        if idle.len() < KEPT {
            idle.push(codec);
        }
        value
    }
}
