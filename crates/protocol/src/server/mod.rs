//! The server's side: what a request has to pass, in this order, and the answer.
//!
//! | # | check | stage that has passed it |
//! |---|---|---|
//! | 1, 2 | path begins with `/backwater/1/`, signature | [`Authenticated`] |
//! | | where wanted: made lately, for this server, never seen before | [`Authenticated::refuse_replay`] |
//! | 3 to 7 | method, path, arity, exposure; between modules and functions: whether the caller may | [`Routed`] |
//! | 8 to 12 | content-type, content-encoding, accept, accept-encoding; metadata, where there is some | [`Negotiated`] |
//! | 13 | content-length | [`ExpectedBody`] |
//! | 14 | digest of the body | [`VerifiedBody`] |
//! | 15, 16 | gunzip, size | [`Arguments`] |
//! | 17, 18 | a list of the arity | [`Call`] |

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
/// What a server is told. Sizes are in bytes.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Who may call, and with which secrets.
    pub callers: Callers,
    /// How long arguments may be, before and after decompression. Default 8 MiB.
    pub max_encoded_args_size: usize,
    /// How long a result may be before compression. Default 8 MiB.
    pub max_encoded_result_size: usize,
    /// From which size on a result is compressed. Default 300.
    pub compression_threshold: usize,
    /// 1 (quick) to 9 (small). Default 1.
    pub gzip_level: u32,
}

impl Settings {
    /// Settings with the protocol's defaults.
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

/// What a server lets its callers call.
pub trait Exposure {
    /// What the server knows a function by.
    type Function: Copy;

    /// The function of that name and arity.
    fn lookup(&self, module: &str, function: &str, arity: u8) -> Lookup<Self::Function>;

    /// Whether a caller may call the functions of that module. `None` is a caller without a name.
    fn allows(&self, _caller: Option<&str>, _module: &str) -> bool {
        true
    }

    /// The arities of the exposed functions of that name, for the refusal of others.
    fn arities(&self, _module: &str, _function: &str) -> Vec<u8> {
        Vec::new()
    }
}

/// What an [`Exposure`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup<Function> {
    /// Nothing of that module is exposed.
    ModuleNotExposed,
    /// The module has no such function, or does not expose it.
    FunctionNotFound,
    /// This one.
    Found(Function),
}
