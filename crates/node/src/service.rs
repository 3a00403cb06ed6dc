//! Finds the function of a call and passes the call to JavaScript.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use backwater_protocol::server::{Exposure, Lookup};
use backwater_transport::{IncomingCall, Service};

use crate::event_queue::EventQueue;
use crate::options::{ExposedFunction, ModuleCallers};
use crate::served_calls::{AcceptedCall, ServedCalls};

pub(crate) struct FunctionTable {
    /// Module, function, arity and identifier.
    modules: HashMap<String, HashMap<String, Vec<(u8, u32)>>>,
    restricted: HashMap<String, HashSet<String>>,
}

impl FunctionTable {
    pub(crate) fn new(
        modules: Vec<String>,
        functions: Vec<ExposedFunction>,
        callers: Vec<ModuleCallers>,
    ) -> Self {
        let mut table: HashMap<String, HashMap<String, Vec<(u8, u32)>>> =
            modules.into_iter().map(|module| (module, HashMap::new())).collect();
        for ExposedFunction { id, module, name, arity, .. } in functions {
            table.entry(module).or_default().entry(name).or_default().push((arity, id));
        }
        let restricted = callers
            .into_iter()
            .map(|ModuleCallers { module, callers }| (module, callers.into_iter().collect()))
            .collect();
        Self { modules: table, restricted }
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

    fn allows(&self, caller: Option<&str>, module: &str) -> bool {
        match self.restricted.get(module) {
            Some(callers) => caller.is_some_and(|caller| callers.contains(caller)),
            None => true,
        }
    }

    fn arities(&self, module: &str, function: &str) -> Vec<u8> {
        let functions = self.modules.get(module).and_then(|functions| functions.get(function));
        functions.into_iter().flatten().map(|(arity, _)| *arity).collect()
    }
}

pub(crate) struct JavaScriptService {
    pub(crate) server: u32,
    pub(crate) events: Arc<EventQueue>,
    pub(crate) served: Arc<ServedCalls>,
}

impl Service for JavaScriptService {
    fn call(&self, call: IncomingCall) {
        self.events.push(self.served.add(self.server, AcceptedCall::new(call)));
    }
}
