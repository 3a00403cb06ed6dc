//! The client's side. A response passes [`authenticate`] (request id, signature),
//! [`AuthenticatedResponse::verify`] (digest), [`VerifiedResponse::accept`] (status, type,
//! encoding), [`AcceptedResponse::inflate`] and [`Payload::decode`].

mod failure;
mod request;
mod response;
mod stream;

pub use self::failure::{AuthenticationFailure, EncodeFailure, RemoteFailure, ResponseFailure};
pub use self::request::{Extensions, PreparedRequest, RequestPath, prepare_request};
pub use self::response::{
    AcceptedResponse, AuthenticatedResponse, Inflated, Outcome, Payload, VerifiedResponse,
    authenticate,
};
pub use self::stream::{Answer, AuthenticatedStream, StreamOffer, authenticate_offered};
use crate::Secrets;

#[derive(Clone, Debug)]
pub struct Settings {
    /// The first secret signs requests; any may sign responses.
    pub secrets: Secrets,
    /// In bytes before compression. Default 8 MiB.
    pub max_encoded_args_size: usize,
    /// In bytes before compression. Default 8 MiB.
    pub max_encoded_result_size: usize,
    /// In bytes. Default 300.
    pub compression_threshold: usize,
    /// 1 (fast) to 9 (small). Default 1.
    pub gzip_level: u32,
    /// Default true.
    pub accept_gzip: bool,
}

impl Settings {
    pub fn new(secrets: Secrets) -> Self {
        Self {
            secrets,
            max_encoded_args_size: 8 * 1024 * 1024,
            max_encoded_result_size: 8 * 1024 * 1024,
            compression_threshold: 300,
            gzip_level: 1,
            accept_gzip: true,
        }
    }
}
