//! Options of a client, and addresses of servers.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use backwater_protocol::client::Settings;
use http::HeaderValue;

use crate::OwnedDecodeOptions;
use crate::tls::ClientTls;

/// The address of a server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EndpointAddress {
    /// A name or an address; IPv6 without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The IP address to connect to; `None` to look up the host for each connection.
    pub ip: Option<IpAddr>,
    /// Whether to use TLS, which requires [`ClientOptions::tls`] and a server certificate for
    /// `host`.
    pub tls: bool,
}

impl EndpointAddress {
    /// A server by name or IP address, without TLS.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        let host = host.into();
        Self { ip: host.parse().ok(), host, port, tls: false }
    }

    pub(super) fn destination(&self) -> String {
        match self.ip {
            Some(ip) => SocketAddr::new(ip, self.port).to_string(),
            None => self.to_string(),
        }
    }

    /// The name, and the IP address if it differs.
    pub(super) fn description(&self) -> String {
        let (name, destination) = (self.to_string(), self.destination());
        if name == destination { name } else { format!("{name} ({destination})") }
    }
}

/// An address with weight and priority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedEndpoint {
    /// The address.
    pub address: EndpointAddress,
    /// Its relative share of the calls; 0 counts as 1.
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
    /// As in a URL and in the `host` header (RFC 3986, 3.2.2).
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
    /// The servers, unless they are resolved.
    pub endpoints: Vec<ListedEndpoint>,
    /// TLS trust and certificate.
    pub tls: Option<ClientTls>,
    /// Secrets and limits of the protocol.
    pub settings: Settings,
    /// Whether requests carry a signed timestamp, so that servers can refuse replays.
    pub replay_protection: bool,
    /// The server's name, signed in every request.
    pub audience: Option<HeaderValue>,
    /// The caller's name, signed in every request; it selects the secrets to try.
    pub caller: Option<HeaderValue>,
    /// How to decode results.
    pub decode: OwnedDecodeOptions,
    /// Limit to get a connection: the queue, name lookup, and TCP and TLS handshakes.
    pub connect_timeout: Duration,
    /// Limit from sending the request to the end of its response.
    pub recv_timeout: Duration,
    /// Limit of the whole call, which is also sent to the server. `None`: only the other two apply.
    pub timeout: Option<Duration>,
    /// Limit of open connections, and so of calls in flight. Other calls wait.
    pub max_connections: usize,
    /// Limit of streams, which have separate connections. Other streams wait.
    pub max_streams: usize,
    /// Connections to keep open even when idle. Expired ones are replaced.
    pub min_connections: usize,
    /// Maximum age for reuse, reduced by up to a quarter at random, so that connections do not
    /// expire together. `None` for any age.
    pub max_connection_age: Option<Duration>,
    /// When to close the connection of a peer that does not answer the system's probes, in whole
    /// seconds. `None` for the system's default, hours.
    pub dead_peer_timeout: Option<Duration>,
    /// Limit of memory for responses that are decoded or not yet taken. Others wait on the wire.
    /// Responses of at most 16 KiB are not counted.
    pub max_bytes_in_flight: usize,
    /// Limit of calls that wait for a connection. Other calls fail at once.
    pub max_waiting: usize,
    /// Limit of a connection's idle time. A server's `keep-alive: timeout=N` lowers it to N − 1 s.
    /// `None`: as long as the server says, or 4 s, because Cowboy closes after 5 s.
    pub idle_timeout: Option<Duration>,
    /// Limit of a response's head.
    pub max_header_bytes: usize,
}

impl ClientOptions {
    /// The protocol's defaults: 8 s to connect, 5 s to receive.
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
