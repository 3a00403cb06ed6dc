use std::sync::Arc;
use std::time::Duration;

use backwater_etf::{DecodeOptions, Tape};
use backwater_protocol::client::{Outcome, RequestPath};
use backwater_protocol::{CallHeaders, Secrets};
use bytes::Bytes;

use super::request_ids::FirstRequestId;
use crate::memory::Share;
use crate::terms::TapeSource;

pub struct CallRequest {
    pub path: RequestPath,
    /// A list as long as the arity.
    pub arguments: Box<dyn TapeSource>,
    pub secrets: Option<Secrets>,
    pub carried: Option<CallHeaders>,
    pub request_id: Option<Arc<FirstRequestId>>,
    pub connect_timeout: Option<Duration>,
    pub recv_timeout: Option<Duration>,
    pub timeout: Option<Duration>,
    pub max_encoded_args_size: Option<usize>,
    pub compression_threshold: Option<usize>,
    pub max_encoded_result_size: Option<usize>,
    pub decode: Option<DecodeOptions<'static>>,
    /// Whether the function may run twice, which allows retries.
    pub idempotent: bool,
    pub max_retries: u32,
    pub stream: bool,
    pub idle_timeout: Duration,
    /// The delay before an idempotent call also goes to a second endpoint. `None` disables hedging.
    pub hedge_delay: Option<Duration>,
}

impl CallRequest {
    pub fn new(path: RequestPath, arguments: Box<dyn TapeSource>) -> Self {
        Self {
            path,
            arguments,
            secrets: None,
            carried: None,
            request_id: None,
            connect_timeout: None,
            recv_timeout: None,
            timeout: None,
            max_encoded_args_size: None,
            compression_threshold: None,
            max_encoded_result_size: None,
            decode: None,
            idempotent: false,
            max_retries: 2,
            stream: false,
            idle_timeout: Duration::from_secs(30),
            hedge_delay: None,
        }
    }
}

#[derive(Debug)]
pub struct CallOutcome {
    pub outcome: Outcome,
    pub request_id: Option<[u8; 16]>,
    /// Return it to the pool with [`give_back`](crate::tape_pool::give_back).
    pub tape: Box<Tape>,
    /// The bytes that the tape refers to.
    pub source: Bytes,
    /// Counts the tape and source. Drop it together with them.
    pub memory: Share,
}
