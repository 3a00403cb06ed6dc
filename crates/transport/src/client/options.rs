use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use backwater_etf::DecodeOptions;
use backwater_protocol::client::Settings;
use http::HeaderValue;

use crate::tls::ClientTls;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EndpointAddress {
    /// A name or an address; IPv6 without brackets.
    pub host: String,
    pub port: u16,
    /// The IP address to connect to; `None` to look up the host for each connection.
    pub ip: Option<IpAddr>,
    /// Whether to use TLS, which requires [`ClientOptions::tls`] and a server certificate for
    /// `host`.
    pub tls: bool,
}

impl EndpointAddress {
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

    pub(super) fn description(&self) -> String {
        let (name, destination) = (self.to_string(), self.destination());
        if name == destination { name } else { format!("{name} ({destination})") }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedEndpoint {
    pub address: EndpointAddress,
    /// The relative share of the calls; 0 counts as 1.
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
    /// Formats as in a URL (RFC 3986, 3.2.2).
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, .. } = self;
        if host.contains(':') {
            write!(formatter, "[{host}]:{port}")
        } else {
            write!(formatter, "{host}:{port}")
        }
    }
}

#[derive(Clone, Debug)]
pub struct ClientOptions {
    pub endpoints: Vec<ListedEndpoint>,
    pub tls: Option<ClientTls>,
    pub settings: Settings,
    pub replay_protection: bool,
    pub audience: Option<HeaderValue>,
    pub caller: Option<HeaderValue>,
    pub decode: DecodeOptions<'static>,
    pub connect_timeout: Duration,
    pub recv_timeout: Duration,
    pub timeout: Option<Duration>,
    pub max_connections: usize,
    pub max_streams: usize,
    pub min_connections: usize,
    pub max_connection_age: Option<Duration>,
    pub dead_peer_timeout: Option<Duration>,
    pub max_bytes_in_flight: usize,
    pub max_waiting: usize,
    pub idle_timeout: Option<Duration>,
    pub max_header_bytes: usize,
}

impl ClientOptions {
    /// The protocol's defaults: 8 s to connect, 5 s to receive.
    pub fn new(address: EndpointAddress, settings: Settings) -> Self {
        Self::of(vec![address.into()], settings)
    }

    pub fn of(endpoints: Vec<ListedEndpoint>, settings: Settings) -> Self {
        Self {
            endpoints,
            tls: None,
            settings,
            replay_protection: false,
            audience: None,
            caller: None,
            decode: DecodeOptions::default(),
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
