//! What all calls of a client share.

use std::sync::Arc;

use tokio::sync::watch;

use super::endpoints::Discovery;
use super::options::ClientOptions;
use super::request_ids::RequestIds;
use super::retry::Retries;
use crate::codec::Codecs;
use crate::memory::Memory;

/// How far the closing of a client has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lifetime {
    /// Calls are accepted.
    Open,
    /// New calls fail; those under way may finish.
    Closing,
    /// Calls under way fail as well.
    Aborted,
}

/// The state of one client.
pub(super) struct ClientState {
    pub(super) options: ClientOptions,
    pub(super) discovery: Discovery,
    pub(super) retries: Retries,
    /// Every call holds a receiver, so when none is left all calls have ended.
    pub(super) lifetime: watch::Sender<Lifetime>,
    pub(super) codecs: Codecs,
    pub(super) request_ids: RequestIds,
    /// Bounds the memory that answers take until JavaScript has them.
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

    /// Resolves when the client begins to close.
    pub(super) async fn closing(&self) {
        // The wait fails only if the sender is gone, and `self` owns it.
        let _ = self.lifetime.subscribe().wait_for(|lifetime| *lifetime != Lifetime::Open).await;
    }

    /// Moves on to a later stage; never back to an earlier one.
    pub(super) fn advance(&self, to: Lifetime) {
        self.lifetime.send_if_modified(|lifetime| {
            let later = *lifetime < to;
            *lifetime = to.max(*lifetime);
            later
        });
    }
}
