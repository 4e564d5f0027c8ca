//! A connection to a buyer: name, address, TCP, TLS.
//!
//! The address that was checked is the one connected to: names are resolved here and nowhere
//! else, and a socket is opened to an address, never to a name.

use std::{fmt, net::IpAddr, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, ServerName},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::{Instant, timeout_at},
};
use tokio_rustls::TlsConnector;

use super::{address::is_public, limits::ADDRESSES_MAX, outgoing::Endpoint, resolve::Resolver};

/// Bytes to and from a buyer, in the clear or through TLS.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Why there is no connection, for the operator's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoConnection {
    NoAddress,
    PrivateAddress,
    Refused,
    Tls,
    NoTime,
}

impl fmt::Display for NoConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoAddress => "the name has no address",
            Self::PrivateAddress => "the address is not public and private buyers are not allowed",
            Self::Refused => "the connection was refused or lost",
            Self::Tls => "no TLS connection: certificate, name or protocol",
            Self::NoTime => "no connection in time",
        })
    }
}

/// TLS could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("TLS to buyers cannot be set up")]
pub struct SetupError(#[from] rustls::Error);

pub(super) struct Connector {
    tls: TlsConnector,
    resolver: Resolver,
    allow_private: bool,
}

impl Connector {
    pub(super) fn new(
        extra_roots: Vec<CertificateDer<'static>>,
        allow_private: bool,
    ) -> Result<Self, SetupError> {
        let mut roots = RootCertStore {
            roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
        };
        for root in extra_roots {
            roots.add(root)?;
        }
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            tls: Arc::new(config).into(),
            resolver: Resolver::new(),
            allow_private,
        })
    }

    /// A new connection, ready for a first byte of HTTP.
    pub(super) async fn open(
        &self,
        endpoint: &Endpoint,
        until: Instant,
    ) -> Result<Box<dyn Stream>, NoConnection> {
        let found = timeout_at(until, self.addresses(endpoint)).await;
        let addresses = found.unwrap_or(Err(NoConnection::NoTime))?;
        let mut failure = NoConnection::NoAddress;
        for (tried, address) in addresses.iter().enumerate() {
            // Each gets an even part of what is left, so that a dead one does not use it all.
            let parts = u32::try_from(addresses.len() - tried)
                .unwrap_or(u32::MAX)
                .max(1);
            let now = Instant::now();
            let part = now + until.saturating_duration_since(now) / parts;
            match timeout_at(part, self.open_at(*address, endpoint)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(why)) => failure = why,
                Err(_elapsed) => failure = NoConnection::NoTime,
            }
        }
        Err(failure)
    }

    /// Those of the endpoint's addresses that may be connected to.
    async fn addresses(&self, endpoint: &Endpoint) -> Result<Vec<IpAddr>, NoConnection> {
        let mut addresses = match &endpoint.host {
            url::Host::Domain(name) => self.resolver.addresses(name).await.to_vec(),
            url::Host::Ipv4(address) => vec![IpAddr::V4(*address)],
            url::Host::Ipv6(address) => vec![IpAddr::V6(*address)],
        };
        if addresses.is_empty() {
            return Err(NoConnection::NoAddress);
        }
        addresses.retain(|address| self.allow_private || is_public(*address));
        if addresses.is_empty() {
            return Err(NoConnection::PrivateAddress);
        }
        addresses.truncate(ADDRESSES_MAX);
        Ok(addresses)
    }

    async fn open_at(
        &self,
        address: IpAddr,
        endpoint: &Endpoint,
    ) -> Result<Box<dyn Stream>, NoConnection> {
        let tcp = TcpStream::connect((address, endpoint.port))
            .await
            .map_err(|_| NoConnection::Refused)?;
        // A request is written whole; waiting for more of it would only cost time.
        tcp.set_nodelay(true).map_err(|_| NoConnection::Refused)?;
        if !endpoint.tls {
            return Ok(Box::new(tcp));
        }
        let name = server_name(&endpoint.host).ok_or(NoConnection::Tls)?;
        let tls = self
            .tls
            .connect(name, tcp)
            .await
            .map_err(|_| NoConnection::Tls)?;
        Ok(Box::new(tls))
    }
}

/// The name that the certificate must be for: the URL's.
fn server_name(host: &url::Host<String>) -> Option<ServerName<'static>> {
    match host {
        url::Host::Domain(name) => ServerName::try_from(name.clone()).ok(),
        url::Host::Ipv4(address) => Some(ServerName::from(IpAddr::V4(*address))),
        url::Host::Ipv6(address) => Some(ServerName::from(IpAddr::V6(*address))),
    }
}
