//! Cache of the paths of called functions.

use std::collections::HashMap;

use backwater_protocol::client::RequestPath;

use backwater_transport::locks::Mutex;

/// Programs call a few functions over and over.
const CAPACITY: usize = 256;

#[derive(Default)]
pub(crate) struct Paths {
    built: Mutex<HashMap<Box<[u8]>, PathsByArity>>,
}

type PathsByArity = Vec<(u8, RequestPath)>;

impl Paths {
    /// `names` are module and function, separated by NUL.
    pub(crate) fn of(&self, names: &[u8], arity: u8) -> Option<RequestPath> {
        let mut built = self.built.lock();
        let known = built.get(names).and_then(|paths| paths.iter().find(|path| path.0 == arity));
        if let Some((_, path)) = known {
            return Some(path.clone());
        }
        let (module, function) = std::str::from_utf8(names).ok()?.split_once('\0')?;
        let path = RequestPath::new(module, function, arity);
        if built.len() >= CAPACITY {
            built.clear();
        }
        built.entry(names.into()).or_default().push((arity, path.clone()));
        Some(path)
    }
}
