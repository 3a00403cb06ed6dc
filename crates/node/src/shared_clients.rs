//! Clients of the same server with the same options share their connections, in whichever thread they
//! are.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};

use backwater_transport::Client;

use crate::bridge::locked;

/// What clients must have in common to share connections.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    /// The server and all options, in the form that the TypeScript side hands them over.
    pub(crate) options: String,
    pub(crate) secrets: Vec<Vec<u8>>,
}

struct Shared {
    client: Client,
    users: usize,
}

static CLIENTS: LazyLock<Mutex<HashMap<Key, Shared>>> = LazyLock::new(Mutex::default);

/// One user's part in a client; it is to be given back once.
pub(crate) struct SharedClient {
    key: Key,
    client: Client,
}

/// The client of this key, made when there is none.
pub(crate) fn take(key: Key, make: impl FnOnce() -> Client) -> SharedClient {
    let mut clients = locked(&CLIENTS);
    let shared = clients.entry(key.clone()).or_insert_with(|| Shared { client: make(), users: 0 });
    shared.users += 1;
    SharedClient { key, client: shared.client.clone() }
}

impl SharedClient {
    pub(crate) fn transport(&self) -> &Client {
        &self.client
    }

    /// The client itself, for its last user to close; `None` when it has other users.
    pub(crate) fn give_back(&self) -> Option<Client> {
        let mut clients = locked(&CLIENTS);
        let shared = clients.get_mut(&self.key)?;
        shared.users -= 1;
        if shared.users > 0 {
            return None;
        }
        clients.remove(&self.key).map(|shared| shared.client)
    }
}
