//! The paths of the functions that a client calls.

use std::collections::HashMap;
use std::sync::Mutex;

use backwater_protocol::client::RequestPath;

use crate::bridge::locked;

/// Programs call a few functions over and over. Of one that calls more than this, paths are made anew.
const KEPT: usize = 256;

/// Paths that were made, to be used again.
#[derive(Default)]
pub(crate) struct Paths {
    /// By the names of module and function.
    made: Mutex<HashMap<Box<[u8]>, PathsByArity>>,
}

type PathsByArity = Vec<(u8, RequestPath)>;

impl Paths {
    /// The path of a function. `names` are those of its module and itself, with NUL between them;
    /// `None` when they are not.
    pub(crate) fn of(&self, names: &[u8], arity: u8) -> Option<RequestPath> {
        let mut made = locked(&self.made);
        let known = made.get(names).and_then(|paths| paths.iter().find(|path| path.0 == arity));
        if let Some((_, path)) = known {
            return Some(path.clone());
        }
        let (module, function) = std::str::from_utf8(names).ok()?.split_once('\0')?;
        let path = RequestPath::new(module, function, arity);
        if made.len() >= KEPT {
            made.clear();
        }
        made.entry(names.into()).or_default().push((arity, path.clone()));
        Some(path)
    }
}
