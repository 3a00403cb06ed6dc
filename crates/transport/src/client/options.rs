//! What a client can be told.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use backwater_protocol::client::Settings;
use http::HeaderValue;
use tokio::net::TcpStream;

use crate::OwnedDecodeOptions;
use crate::tls::ClientTls;

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// A name or an address; IPv6 addresses without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The address to connect to; `None` to look the host up each time.
    pub address: Option<IpAddr>,
    /// Whether to speak TLS there: then [`ClientOptions::tls`] is needed, and the host is the name that
    /// the server's certificate has to have.
    pub tls: bool,
}

impl Endpoint {
    /// An endpoint by its name or address, without TLS.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        let host = host.into();
        Self { address: host.parse().ok(), host, port, tls: false }
    }

    /// Where connections go to.
    pub(super) fn destination(&self) -> String {
        match self.address {
            Some(address) => SocketAddr::new(address, self.port).to_string(),
            None => self.to_string(),
        }
    }

    /// Its name, and its address unless that is the same.
    pub(super) fn description(&self) -> String {
        let (name, destination) = (self.to_string(), self.destination());
        if name == destination { name } else { format!("{name} ({destination})") }
    }
}

/// An endpoint among others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedEndpoint {
    /// Where it is.
    pub endpoint: Endpoint,
    /// Its share of the calls, relative to those of the others; 0 counts as 1.
    pub weight: u32,
    /// Those of a higher number are called only when none of a lower one is up.
    pub priority: u16,
}

impl From<Endpoint> for ListedEndpoint {
    fn from(endpoint: Endpoint) -> Self {
        Self { endpoint, weight: 1, priority: 0 }
    }
}

impl fmt::Display for Endpoint {
    /// As it stands in a URL and in the `host` header (RFC 3986, 3.2.2).
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, .. } = self;
        if host.contains(':') {
            write!(formatter, "[{host}]:{port}")
        } else {
            write!(formatter, "{host}:{port}")
        }
    }
}

/// Tells how many of the bytes that were written to a connection its peer has not acknowledged yet;
/// `None` when the system does not say.
pub type Unacknowledged = fn(&TcpStream) -> Option<u64>;

/// Options of a client. Sizes are in bytes.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// The servers; without effect on a client whose endpoints are resolved.
    pub endpoints: Vec<ListedEndpoint>,
    /// Whom to trust, and what to show, where TLS is spoken.
    pub tls: Option<ClientTls>,
    /// Secrets and limits of the protocol.
    pub settings: Settings,
    /// Whether requests say when they were made, signed, so that a server can refuse the same request
    /// when it comes again.
    pub replay_protection: bool,
    /// What the server is called; requests say that they are for it, signed.
    pub audience: Option<HeaderValue>,
    /// How results are decoded.
    pub decode: OwnedDecodeOptions,
    /// How long a call may take to get a connection: waiting for its turn, name lookup and the
    /// handshakes of TCP and TLS.
    pub connect_timeout: Duration,
    /// How long a call may take from when its request begins to be sent until its response is there
    /// as a whole.
    pub recv_timeout: Duration,
    /// How long a call may take from its begin to its end; `None` for as long as the other two allow.
    /// Calls that have this limit tell the server how long they still wait.
    pub timeout: Option<Duration>,
    /// How many connections may be open, and so how many calls under way. The next ones wait.
    pub max_connections: usize,
    /// How many connections are made ahead of calls, and kept however long they are idle.
    pub min_connections: usize,
    /// How old a connection may become: it is not used again after that, or up to a quarter earlier, so
    /// that those made at the same time do not end at the same time. `None` for any age.
    pub max_connection_age: Option<Duration>,
    /// After how long without a sign of life, although the system looks for one, a peer counts as dead
    /// and its connection is closed. Seconds count. `None` for as long as the system takes by itself,
    /// which is hours.
    pub dead_peer_timeout: Option<Duration>,
    /// How many calls may wait for a connection. The next one fails at once.
    pub max_waiting: usize,
    /// How long a connection may be idle before it is closed. It should be less than the server's own
    /// limit, or requests cross with the closing of their connection; Cowboy's limit is 5 s.
    pub pool_idle_timeout: Duration,
    /// How long the head of a response may be.
    pub max_header_bytes: usize,
    /// Finds out that a server has closed a connection before a request arrived: then the request is
    /// sent again. It needs what safe Rust does not offer, so it is left to others.
    pub unacknowledged: Option<Unacknowledged>,
}

impl ClientOptions {
    /// Options with the defaults of the protocol: 8 s to connect, 5 s to receive.
    pub fn new(endpoint: Endpoint, settings: Settings) -> Self {
        Self::of(vec![endpoint.into()], settings)
    }

    /// The same for several endpoints.
    pub fn of(endpoints: Vec<ListedEndpoint>, settings: Settings) -> Self {
        Self {
            endpoints,
            tls: None,
            settings,
            replay_protection: false,
            audience: None,
            decode: OwnedDecodeOptions::default(),
            connect_timeout: Duration::from_secs(8),
            recv_timeout: Duration::from_secs(5),
            timeout: None,
            max_connections: 256,
            min_connections: 0,
            max_connection_age: None,
            dead_peer_timeout: Some(Duration::from_secs(30)),
            max_waiting: 65_536,
            pool_idle_timeout: Duration::from_secs(4),
            max_header_bytes: 64 * 1024,
            unacknowledged: None,
        }
    }
}
