//! Calls and their outcomes.

use std::sync::Arc;
use std::time::Duration;

use backwater_etf::Tape;
use backwater_protocol::client::{Outcome, RequestPath};
use backwater_protocol::{CallHeaders, Secrets};
use bytes::Bytes;

use super::request_ids::FirstRequestId;
use crate::memory::Share;
use crate::terms::{OwnedDecodeOptions, TapeSource};

/// A call. `None` takes the client's option.
pub struct CallRequest {
    /// Module, function and arity.
    pub path: RequestPath,
    /// A list as long as the arity.
    pub arguments: Box<dyn TapeSource>,
    /// The first signs the request; the response may be signed with any.
    pub secrets: Option<Secrets>,
    /// Metadata and trace.
    pub carried: Option<CallHeaders>,
    /// The first request's identifier, if the caller has chosen it.
    pub request_id: Option<Arc<FirstRequestId>>,
    /// See [`ClientOptions::connect_timeout`](super::ClientOptions::connect_timeout).
    pub connect_timeout: Option<Duration>,
    /// See [`ClientOptions::recv_timeout`](super::ClientOptions::recv_timeout).
    pub recv_timeout: Option<Duration>,
    /// See [`ClientOptions::timeout`](super::ClientOptions::timeout).
    pub timeout: Option<Duration>,
    /// Limit of the encoded arguments in bytes.
    pub max_encoded_args_size: Option<usize>,
    /// Arguments of this many bytes or more are compressed.
    pub compression_threshold: Option<usize>,
    /// Limit of the result in bytes, before and after decompression.
    pub max_encoded_result_size: Option<usize>,
    /// How to decode the result.
    pub decode: Option<OwnedDecodeOptions>,
    /// Whether the function may run twice. If so, the call is retried after a lost connection or a
    /// 503, within the retry budget (a tenth of all calls).
    pub idempotent: bool,
    /// Limit of retries of an idempotent call.
    pub max_retries: u32,
    /// Whether the answer may be a stream; see [`Client::stream`](super::Client::stream).
    pub stream: bool,
    /// How long a stream may wait for its next bytes, while it is read.
    pub idle_timeout: Duration,
    /// When an idempotent call without an answer is sent to a second endpoint as well; the first
    /// answer wins. A hedge costs one retry of the budget. `None` disables hedging.
    pub hedge_delay: Option<Duration>,
}

impl CallRequest {
    /// A call with the client's options.
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

/// The outcome of a function.
#[derive(Debug)]
pub struct CallOutcome {
    /// Whether the function returned or raised, and where in the tape.
    pub outcome: Outcome,
    /// The request's identifier.
    pub request_id: Option<[u8; 16]>,
    /// Return it to the pool with [`give_back`](crate::tape_pool::give_back).
    pub tape: Box<Tape>,
    /// The bytes that the tape refers to.
    pub source: Bytes,
    /// Counts tape and source. Drop it together with them.
    pub memory: Share,
}
