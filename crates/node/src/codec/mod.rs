//! `encode()` and `decode()` on the JavaScript thread.

mod bare_functions;
pub(crate) mod decoder;
mod encoder;
pub(crate) mod encoder_functions;
