//! A backwater server and client over HTTP/1.1, on hyper and tokio.
//!
//! This crate owns sockets, limits and shutdown. The protocol crate checks messages.

mod body;
mod client;
mod codec;
mod cooperative_budget;
mod guard;
mod io_thread;
pub mod locks;
mod mailbox;
mod memory;
mod server;
mod spin;
mod swap;
pub mod tape_pool;
mod terms;
mod tls;

pub use self::client::{
    Answer, CallError, CallFailure, CallOutcome, CallRequest, CallTimes, Client, ClientOptions,
    ClientStats, EndpointAddress, EndpointState, EndpointStats, FirstRequestId, ItemStream,
    ListedEndpoint, Phase, ResolveFailure, RetryStats, StreamEvent, StreamTerm, TimeLimit,
};
pub use self::io_thread::{IoThread, IoThreadStopped, Spawner};
pub use self::memory::Share;
pub use self::server::{
    BindError, CallerStats, ExceptionClass, ExceptionStats, Functions, IncomingCall, OnTaken,
    Outcome, Peer, Reply, Server, ServerOptions, ServerStats, Service,
};
pub use self::terms::{OwnedTape, TapeSource};
pub use self::tls::{
    CertificatePem, ClientCertificates, ClientTls, ClientTlsOptions, ServerTls, TlsFailure,
    TlsOptionError, TlsReason, Trust, TrustedRoots,
};
