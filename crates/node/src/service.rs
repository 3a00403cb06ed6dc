//! What a server does with a call: finds the function, hands it to JavaScript, sends the answer.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use backwater_protocol::server::{Exposure, Lookup};
use backwater_transport::{IncomingCall, Outcome, Reply, Service};

use crate::completions::Completions;
use crate::events::{Event, Message};

/// What a server exposes, frozen at its start.
pub(crate) struct FunctionTable {
    /// Module, function, arity and identifier.
    modules: HashMap<String, HashMap<String, Vec<(u8, u32)>>>,
}

impl FunctionTable {
    pub(crate) fn new(modules: Vec<String>, functions: Vec<(u32, String, String, u8)>) -> Self {
        let mut table: HashMap<String, HashMap<String, Vec<(u8, u32)>>> =
            modules.into_iter().map(|module| (module, HashMap::new())).collect();
        for (id, module, function, arity) in functions {
            table.entry(module).or_default().entry(function).or_default().push((arity, id));
        }
        Self { modules: table }
    }
}

impl Exposure for FunctionTable {
    type Function = u32;

    fn lookup(&self, module: &str, function: &str, arity: u8) -> Lookup<u32> {
        let Some(functions) = self.modules.get(module) else {
            return Lookup::ModuleNotExposed;
        };
        let arities = functions.get(function).map_or(&[][..], Vec::as_slice);
        match arities.iter().find(|(candidate, _)| *candidate == arity) {
            Some((_, id)) => Lookup::Found(*id),
            None => Lookup::FunctionNotFound,
        }
    }
}

/// Calls that JavaScript has not answered yet.
#[derive(Default)]
pub(crate) struct Replies {
    next: AtomicU32,
    waiting: Mutex<HashMap<u32, Reply>>,
}

impl Replies {
    fn add(&self, reply: Reply) -> u32 {
        let mut waiting = self.waiting();
        loop {
            let id = self.next.fetch_add(1, Ordering::Relaxed);
            if let Entry::Vacant(entry) = waiting.entry(id) {
                entry.insert(reply);
                return id;
            }
        }
    }

    /// Answers a call, if it still waits for that.
    pub(crate) fn answer(&self, call: u32, outcome: Outcome) {
        let reply = self.waiting().remove(&call);
        if let Some(reply) = reply {
            reply.send(outcome);
        }
    }

    /// Drops all: the calls are answered with 500.
    pub(crate) fn clear(&self) {
        let dropped = std::mem::take(&mut *self.waiting());
        drop(dropped);
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<u32, Reply>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hands the calls of one server to an environment.
pub(crate) struct JavaScriptService {
    pub(crate) server: u32,
    pub(crate) completions: Arc<Completions>,
    pub(crate) replies: Arc<Replies>,
}

impl Service for JavaScriptService {
    fn call(&self, call: IncomingCall) {
        let IncomingCall { function, tape, source, reply, .. } = call;
        let id = self.replies.add(reply);
        self.completions.push(Event::Call {
            call: id,
            server: self.server,
            function,
            message: Message { tape, source },
        });
    }
}
