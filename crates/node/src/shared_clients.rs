//! Clients of the same server with the same options share their connections, in whichever thread they
//! are.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{LazyLock, Mutex};

use backwater_transport::{Client, Spawner};

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
    spawner: Spawner,
    users: usize,
}

static CLIENTS: LazyLock<Mutex<HashMap<Key, Shared>>> = LazyLock::new(Mutex::default);

/// One user's part in a client; it is to be given back.
pub(crate) struct SharedClient {
    key: Key,
    client: Client,
    is_given_back: AtomicBool,
    /// The I/O thread that its connections live on.
    spawner: Spawner,
}

/// The client of this key, made when there is none.
pub(crate) fn take(
    key: Key,
    make: impl FnOnce() -> io::Result<(Client, Spawner)>,
) -> io::Result<SharedClient> {
    let mut clients = locked(&CLIENTS);
    let shared = match clients.entry(key.clone()) {
        Entry::Occupied(entry) => entry.into_mut(),
        Entry::Vacant(entry) => {
            let (client, spawner) = make()?;
            entry.insert(Shared { client, spawner, users: 0 })
        }
    };
    shared.users += 1;
    Ok(SharedClient {
        key,
        client: shared.client.clone(),
        is_given_back: AtomicBool::new(false),
        spawner: shared.spawner.clone(),
    })
}

impl SharedClient {
    pub(crate) fn transport(&self) -> &Client {
        &self.client
    }

    /// Starts tasks where the client's connections live.
    pub(crate) fn spawner(&self) -> Spawner {
        self.spawner.clone()
    }

    /// Runs a task where the client's connections live; to be called on an I/O thread.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if self.spawner.is_here() {
            tokio::task::spawn_local(task);
        } else {
            // Fails only when the thread has ended, and all calls with it.
            let _ = self.spawner.spawn(move || task);
        }
    }

    /// The client itself, for its last user to close; `None` when it has other users, or when this part
    /// in it has been given back before.
    pub(crate) fn give_back(&self) -> Option<Client> {
        if self.is_given_back.swap(true, Ordering::Relaxed) {
            return None;
        }
        let mut clients = locked(&CLIENTS);
        let shared = clients.get_mut(&self.key)?;
        shared.users -= 1;
        if shared.users > 0 {
            return None;
        }
        clients.remove(&self.key).map(|shared| shared.client)
    }
}
