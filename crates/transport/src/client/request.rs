//! What a caller asks for, and what it gets.

use std::sync::Arc;
use std::time::Duration;

use backwater_etf::Tape;
use backwater_protocol::client::{Outcome, RequestPath};
use backwater_protocol::{CallHeaders, Secrets};
use bytes::Bytes;

use super::request_ids::FirstRequestId;
use crate::memory::Share;
use crate::terms::{OwnedDecodeOptions, TapeSource};

/// A call to make. Fields that are `None` take the client's options.
pub struct CallRequest {
    /// Module, function and arity.
    pub path: RequestPath,
    /// The arguments: a list with as many terms as the arity says.
    pub arguments: Box<dyn TapeSource>,
    /// The first secret signs the request; the response may be signed with any of them.
    pub secrets: Option<Secrets>,
    /// Metadata and trace.
    pub carried: Option<CallHeaders>,
    /// The identifier of the first request, if the caller has chosen it.
    pub request_id: Option<Arc<FirstRequestId>>,
    /// See [`ClientOptions::connect_timeout`](super::ClientOptions::connect_timeout).
    pub connect_timeout: Option<Duration>,
    /// See [`ClientOptions::recv_timeout`](super::ClientOptions::recv_timeout).
    pub recv_timeout: Option<Duration>,
    /// See [`ClientOptions::timeout`](super::ClientOptions::timeout).
    pub timeout: Option<Duration>,
    /// The most bytes that the encoded arguments may have.
    pub max_encoded_args_size: Option<usize>,
    /// Arguments of at least this many bytes are compressed.
    pub compression_threshold: Option<usize>,
    /// The most bytes that the result may have, before and after decompression.
    pub max_encoded_result_size: Option<usize>,
    /// How the result is decoded.
    pub decode: Option<OwnedDecodeOptions>,
    /// Whether the function may safely run twice. If so, the call is retried when its connection is
    /// lost or the server answers 503, within the retry budget (a tenth of all calls).
    pub idempotent: bool,
    /// How many times an idempotent call may be retried.
    pub max_retries: u32,
    /// Whether the answer may be a stream; see [`Client::stream`](super::Client::stream).
    pub stream: bool,
    /// How long a stream may wait for its next bytes, while it is read.
    pub idle_timeout: Duration,
    /// After this long without an answer, an idempotent call is sent to a second endpoint as well, and
    /// the first answer wins. `None` disables hedging. A hedge takes one retry from the budget.
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

/// A function's answer.
#[derive(Debug)]
pub struct CallOutcome {
    /// Whether the function returned or raised, and where in the tape the value or the
    /// `{Class, Reason, Stacktrace}` begins.
    pub outcome: Outcome,
    /// The identifier of the request that it answers.
    pub request_id: Option<[u8; 16]>,
    /// The whole response. Return it to the pool with [`give_back`](crate::tape_pool::give_back).
    pub tape: Box<Tape>,
    /// The bytes that the tape was decoded from and refers to.
    pub source: Bytes,
    /// The memory that tape and source take of the client's. Drop it together with them.
    pub memory: Share,
}
