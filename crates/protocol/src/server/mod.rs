//! The server's side: the checks of a request, in this order, and the response.
//!
//! | # | check | stage that has passed it |
//! |---|---|---|
//! | 1, 2 | path starts with `/backwater/1/`, signature | [`Authenticated`] |
//! | | if required: recent, for this server, not a replay | [`Authenticated::refuse_replay`] |
//! | 3 to 7 | method, path, arity, exposure; after the module: whether the caller may call it | [`Routed`] |
//! | 8 to 12 | content-type, content-encoding, accept, accept-encoding; metadata | [`Negotiated`] |
//! | 13 | content-length | [`ExpectedBody`] |
//! | 14 | digest of the body | [`VerifiedBody`] |
//! | 15, 16 | gunzip, size | [`Arguments`] |
//! | 17, 18 | a list as long as the arity | [`Call`] |

mod callers;
mod refusal;
mod replay;
mod request;
mod response;
mod stream;
mod target;

pub use self::callers::{Callers, CallersError, Hint, NamedCaller};
pub use self::refusal::Refusal;
pub use self::replay::{ReplayGuard, ReplayPolicy};
pub use self::request::{
    Arguments, Authenticated, Call, ExpectedBody, Inflated, Negotiated, Routed, VerifiedBody,
    authenticate,
};
pub use self::response::{RespondError, ResponseContext, ResponseTerm, respond};
pub use self::stream::{ListCollector, begin_stream};
#[derive(Clone, Debug)]
pub struct Settings {
    pub callers: Callers,
    /// In bytes before and after decompression. Default 8 MiB.
    pub max_encoded_args_size: usize,
    /// In bytes before compression. Default 8 MiB.
    pub max_encoded_result_size: usize,
    /// In bytes. Default 300.
    pub compression_threshold: usize,
    /// 1 (fast) to 9 (small). Default 1.
    pub gzip_level: u32,
}

impl Settings {
    pub fn new(callers: impl Into<Callers>) -> Self {
        Self {
            callers: callers.into(),
            max_encoded_args_size: 8 * 1024 * 1024,
            max_encoded_result_size: 8 * 1024 * 1024,
            compression_threshold: 300,
            gzip_level: 1,
        }
    }
}

pub trait Exposure {
    type Function: Copy;

    fn lookup(&self, module: &str, function: &str, arity: u8) -> Lookup<Self::Function>;

    /// `caller` is `None` without a name.
    fn allows(&self, _caller: Option<&str>, _module: &str) -> bool {
        true
    }

    /// The exposed arities of a function, which a refusal lists.
    fn arities(&self, _module: &str, _function: &str) -> Vec<u8> {
        Vec::new()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup<Function> {
    ModuleNotExposed,
    FunctionNotFound,
    Found(Function),
}
