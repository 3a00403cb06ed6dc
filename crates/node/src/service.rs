//! What a server does with a call: finds the function and hands it to JavaScript.

use std::collections::HashMap;
use std::sync::Arc;

use backwater_protocol::server::{Exposure, Lookup};
use backwater_transport::{IncomingCall, Service};

use crate::completions::Completions;
use crate::events::Event;
use crate::replies::{Accepted, Replies};

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

/// Hands the calls of one server to the environment that has started it.
pub(crate) struct JavaScriptService {
    pub(crate) server: u32,
    pub(crate) completions: Arc<Completions>,
    pub(crate) replies: Arc<Replies>,
}

impl Service for JavaScriptService {
    fn call(&self, call: IncomingCall) {
        let Accepted { function, message, caller } = Accepted::new(call);
        let call = self.replies.add(caller);
        self.completions.push(Event::Call { call, server: self.server, function, message });
    }
}
