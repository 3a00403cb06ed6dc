use std::time::{Duration, Instant};

use tokio::time::timeout as time_limit;

use super::Shared;
use super::forecast::Forecast;
use crate::memory::{Share, Stage, counted};

/// How long to wait for memory that the result may not need.
const CAUTION: Duration = Duration::from_secs(1);

pub(crate) struct NoRoom;

pub(crate) struct Room {
    share: Share,
    patience: Duration,
}

impl Room {
    pub(crate) fn new(shared: &Shared) -> Self {
        Self { share: shared.memory.share(), patience: shared.recv_timeout }
    }

    pub(crate) async fn receive(&mut self, bytes: usize) -> Result<(), NoRoom> {
        self.grow_within(Stage::Arriving, counted(bytes), self.patience).await
    }

    pub(crate) async fn grow(&mut self, bytes: usize) -> Result<(), NoRoom> {
        self.grow_within(Stage::Arrived, bytes, self.patience).await
    }

    pub(crate) async fn admit(
        &mut self,
        size: usize,
        arguments: usize,
        forecast: impl Fn() -> Forecast,
    ) -> Result<(), NoRoom> {
        self.share.set(size);
        let mut caution = CAUTION;
        loop {
            let Forecast { cautious, proven } = forecast();
            let [cautious, proven] = [cautious, proven].map(|result| arguments + counted(result));
            if self.share.bytes() >= cautious {
                return Ok(());
            }
            if !caution.is_zero() && cautious > proven {
                let before = self.patience;
                let grown = self.grow_within(Stage::Arrived, cautious, caution).await;
                let waited = before - self.patience;
                caution =
                    if grown.is_ok() { caution.saturating_sub(waited) } else { Duration::ZERO };
            } else if self.share.bytes() >= proven {
                return Ok(());
            } else {
                self.grow(proven).await?;
            }
        }
    }

    pub(crate) fn divide(mut self, arguments: usize) -> (Share, Share) {
        let result = self.share.split(self.share.bytes().saturating_sub(arguments));
        (self.share, result)
    }

    async fn grow_within(
        &mut self,
        stage: Stage,
        bytes: usize,
        limit: Duration,
    ) -> Result<(), NoRoom> {
        if bytes <= self.share.bytes() {
            return Ok(());
        }
        let began = Instant::now();
        let limit = limit.min(self.patience);
        let grown = time_limit(limit, self.share.grow(stage, bytes)).await;
        self.patience = self.patience.saturating_sub(began.elapsed());
        grown.map_err(|_elapsed| NoRoom)
    }
}
