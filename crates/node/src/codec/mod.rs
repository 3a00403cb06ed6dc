//! `encode()` and `decode()` on the JavaScript thread.

mod bare_functions;
pub(crate) mod decoder;
pub(crate) mod encoder;
