pub mod cost;
pub mod decode;
pub mod encode;
pub mod gzip;
pub mod headers;
pub mod notation;
pub mod request;
pub mod response;
pub mod roundtrip;
pub mod signature;
pub mod stream;

/// A name, and a function that takes an input.
pub type Target = (&'static str, fn(&[u8]));

pub const ALL: [Target; 11] = [
    ("decode", decode::run),
    ("roundtrip", roundtrip::run),
    ("encode", encode::run),
    ("gzip", gzip::run),
    ("headers", headers::run),
    ("signature", signature::run),
    ("request", request::run),
    ("response", response::run),
    ("stream", stream::run),
    ("notation", notation::run),
    ("cost", cost::run),
];
