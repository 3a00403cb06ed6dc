pub mod cost;
pub mod decode;
pub mod encode;
pub mod gzip;
pub mod notation;
pub mod request;
pub mod response;
pub mod signature;
pub mod stream;

/// A name, and a function that takes an input.
pub type Target = (&'static str, fn(&[u8]));

pub const ALL: [Target; 9] = [
    ("decode", decode::run),
    ("encode", encode::run),
    ("gzip", gzip::run),
    ("signature", signature::run),
    ("request", request::run),
    ("response", response::run),
    ("stream", stream::run),
    ("notation", notation::run),
    ("cost", cost::run),
];
