//! The memory of one call on its way to its function.

use std::time::{Duration, Instant};

use tokio::time::timeout as time_limit;

use super::Shared;
use super::forecast::Forecast;
use crate::memory::{Share, counted};

/// How long a call waits for what its result may need, where nothing says that it will.
const CAUTION: Duration = Duration::from_secs(1);

/// There has been no room in time.
pub(crate) struct NoRoom;

/// What a call has of the memory, and how long it may still wait for more.
pub(crate) struct Room {
    share: Share,
    patience: Duration,
}

impl Room {
    pub(crate) fn new(shared: &Shared) -> Self {
        Self { share: shared.memory.share(), patience: shared.recv_timeout }
    }

    /// Waits until there is room for so many bytes in all.
    pub(crate) async fn grow(&mut self, bytes: usize) -> Result<(), NoRoom> {
        self.grow_within(bytes, self.patience).await
    }

    /// Waits until there is room for the function to be called: for its arguments, of which `size` bytes
    /// exist, and for its result.
    pub(crate) async fn admit(
        &mut self,
        size: usize,
        arguments: usize,
        forecast: Forecast,
    ) -> Result<(), NoRoom> {
        self.share.set(size);
        let [cautious, proven] =
            [forecast.cautious, forecast.proven].map(|result| arguments + counted(result));
        if cautious > proven && self.grow_within(cautious, CAUTION).await.is_ok() {
            return Ok(());
        }
        self.grow(proven).await
    }

    /// Divides what there is among the arguments and the result.
    pub(crate) fn divide(mut self, arguments: usize) -> (Share, Share) {
        let result = self.share.split(self.share.bytes().saturating_sub(arguments));
        (self.share, result)
    }

    async fn grow_within(&mut self, bytes: usize, limit: Duration) -> Result<(), NoRoom> {
        if bytes <= self.share.bytes() {
            return Ok(());
        }
        let began = Instant::now();
        let limit = limit.min(self.patience);
        let grown = time_limit(limit, self.share.grow(bytes)).await;
        self.patience = self.patience.saturating_sub(began.elapsed());
        grown.map_err(|_elapsed| NoRoom)
    }
}
