use std::sync::Arc;

use tokio::sync::watch;

use super::endpoints::Discovery;
use super::options::ClientOptions;
use super::request_ids::RequestIds;
use super::retry::Retries;
use crate::codec::Codecs;
use crate::memory::Memory;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lifetime {
    Open,
    Closing,
    Aborted,
}

pub(super) struct ClientState {
    pub(super) options: ClientOptions,
    pub(super) discovery: Discovery,
    pub(super) retries: Retries,
    /// Calls hold receivers; none is left when all have ended.
    pub(super) lifetime: watch::Sender<Lifetime>,
    pub(super) codecs: Codecs,
    pub(super) request_ids: RequestIds,
    pub(super) memory: Arc<Memory>,
}

impl ClientState {
    pub(super) fn new(options: ClientOptions, discovery: Discovery) -> Self {
        Self {
            discovery,
            retries: Retries::new(),
            lifetime: watch::Sender::new(Lifetime::Open),
            codecs: Codecs::default(),
            request_ids: RequestIds::new(),
            memory: Memory::new(options.max_bytes_in_flight),
            options,
        }
    }

    pub(super) fn is_closing(&self) -> bool {
        *self.lifetime.borrow() != Lifetime::Open
    }

    pub(super) async fn closing(&self) {
        let _ = self.lifetime.subscribe().wait_for(|lifetime| *lifetime != Lifetime::Open).await;
    }

    pub(super) fn advance(&self, to: Lifetime) {
        self.lifetime.send_if_modified(|lifetime| {
            let later = *lifetime < to;
            *lifetime = to.max(*lifetime);
            later
        });
    }
}
