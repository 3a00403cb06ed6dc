//! The atoms that safe decoding accepts, shared by all environments of the process.

use std::collections::HashSet;
use std::sync::LazyLock;

use backwater_etf::KnownAtoms;

use backwater_transport::locks::RwLock;

const LIBRARY_ATOMS: [&str; 26] = [
    "utf8",
    "latin1",
    "unicode",
    "true",
    "false",
    "nil",
    "undefined",
    "ok",
    "error",
    "exit",
    "throw",
    "return",
    "exception",
    "js_error",
    "name",
    "message",
    "code",
    "data",
    "cause",
    "omitted",
    "file",
    "line",
    "unencodable_result",
    "badarg",
    "undef",
    "function_clause",
];

static KNOWN: LazyLock<RwLock<HashSet<Box<str>>>> =
    LazyLock::new(|| RwLock::new(LIBRARY_ATOMS.into_iter().map(Box::from).collect()));

/// Atoms that the program has made, its modules and functions, and the library's own.
pub(crate) struct KnownAtomTable;

impl KnownAtoms for KnownAtomTable {
    fn is_known(&self, name: &str) -> bool {
        KNOWN.read().contains(name)
    }
}

/// The atom stays for the life of the process.
pub(crate) fn know_atom(name: &str) {
    let known = KNOWN.read().contains(name);
    if !known {
        KNOWN.write().insert(name.into());
    }
}
