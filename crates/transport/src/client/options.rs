//! Options of a client, and the addresses of servers.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use backwater_protocol::client::Settings;
use http::HeaderValue;

use crate::OwnedDecodeOptions;
use crate::tls::ClientTls;

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EndpointAddress {
    /// A name or an address; IPv6 addresses without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The IP address to connect to; `None` to look the host up for each connection.
    pub ip: Option<IpAddr>,
    /// Whether the server speaks TLS. This requires [`ClientOptions::tls`], and the server's certificate
    /// must be for `host`.
    pub tls: bool,
}

impl EndpointAddress {
    /// A server by its name or IP address, without TLS.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        let host = host.into();
        Self { ip: host.parse().ok(), host, port, tls: false }
    }

    /// Where connections go.
    pub(super) fn destination(&self) -> String {
        match self.ip {
            Some(ip) => SocketAddr::new(ip, self.port).to_string(),
            None => self.to_string(),
        }
    }

    /// The name, followed by the IP address unless both are the same.
    pub(super) fn description(&self) -> String {
        let (name, destination) = (self.to_string(), self.destination());
        if name == destination { name } else { format!("{name} ({destination})") }
    }
}

/// An address with its weight and priority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedEndpoint {
    /// Where it is.
    pub address: EndpointAddress,
    /// Its share of the calls, relative to those of the others; 0 counts as 1.
    pub weight: u32,
    /// Endpoints with a higher number are called only if none with a lower one is up.
    pub priority: u16,
}

impl From<EndpointAddress> for ListedEndpoint {
    fn from(address: EndpointAddress) -> Self {
        Self { address, weight: 1, priority: 0 }
    }
}

impl fmt::Display for EndpointAddress {
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
    /// Who calls; requests say so, signed, and the server knows which secrets to try.
    pub caller: Option<HeaderValue>,
    /// How results are decoded.
    pub decode: OwnedDecodeOptions,
    /// How long a call may take to get a connection: waiting for its turn, name lookup and the
    /// handshakes of TCP and TLS.
    pub connect_timeout: Duration,
    /// How long a call may take from when its request begins to be sent until its response is there
    /// as a whole.
    pub recv_timeout: Duration,
    /// How long a call may take as a whole; `None` for as long as the other two allow. Calls with this
    /// limit tell the server how much of it is left.
    pub timeout: Option<Duration>,
    /// How many connections may be open, and so how many calls under way. The next ones wait.
    pub max_connections: usize,
    /// How many streams may be under way, on connections that are counted apart. The next ones wait.
    pub max_streams: usize,
    /// How many connections to keep open, even if no call needs them. Expired ones are replaced.
    pub min_connections: usize,
    /// How old a connection may become: it is not used again after that, or up to a quarter earlier, so
    /// that those made at the same time do not end at the same time. `None` for any age.
    pub max_connection_age: Option<Duration>,
    /// After how long without a sign of life, although the system looks for one, a peer counts as dead
    /// and its connection is closed. Seconds count. `None` for as long as the system takes by itself,
    /// which is hours.
    pub dead_peer_timeout: Option<Duration>,
    /// How much memory answers may take until they are taken, and while they are decoded. Further ones
    /// wait on the wire. Answers of at most 16 KiB are not counted.
    pub max_bytes_in_flight: usize,
    /// How many calls may wait for a connection. The next one fails at once.
    pub max_waiting: usize,
    /// The most that a connection may be idle before it is closed. A server's `keep-alive: timeout=N`
    /// lowers it to one second less than that. `None`: as long as the server says, or 4 s if it says
    /// nothing, because Cowboy closes after 5 s.
    pub idle_timeout: Option<Duration>,
    /// How long the head of a response may be.
    pub max_header_bytes: usize,
}

impl ClientOptions {
    /// Options with the defaults of the protocol: 8 s to connect, 5 s to receive.
    pub fn new(address: EndpointAddress, settings: Settings) -> Self {
        Self::of(vec![address.into()], settings)
    }

    /// The same for several endpoints.
    pub fn of(endpoints: Vec<ListedEndpoint>, settings: Settings) -> Self {
        Self {
            endpoints,
            tls: None,
            settings,
            replay_protection: false,
            audience: None,
            caller: None,
            decode: OwnedDecodeOptions::default(),
            connect_timeout: Duration::from_secs(8),
            recv_timeout: Duration::from_secs(5),
            timeout: None,
            max_connections: 256,
            max_streams: 64,
            min_connections: 0,
            max_connection_age: None,
            dead_peer_timeout: Some(Duration::from_secs(30)),
            max_bytes_in_flight: 256 << 20,
            max_waiting: 65_536,
            idle_timeout: None,
            max_header_bytes: 64 * 1024,
        }
    }
}
