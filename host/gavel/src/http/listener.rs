//! A socket that is listened on, from its binding to its end.

use std::{io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::{Semaphore, mpsc, watch},
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

use super::{
    connection::{self, Busy, Handler, Shared},
    first_byte::{Watched, within},
    limits,
    problem::{Code, Problem},
};

/// How one of the two APIs is offered.
pub(crate) struct Offer<H> {
    /// Where to listen; port 0 picks a free one.
    pub(crate) listen: SocketAddr,
    /// With TLS, if at all.
    pub(crate) tls: Option<Arc<rustls::ServerConfig>>,
    /// Connections at a time.
    pub(crate) max_connections: usize,
    /// What answers.
    pub(crate) handler: H,
}

/// A listener at work.
pub(crate) struct Listener {
    address: SocketAddr,
    tls: bool,
    stop: watch::Sender<bool>,
    accepting: JoinHandle<()>,
    /// Ends once every handler and connection has.
    idle: mpsc::Receiver<std::convert::Infallible>,
}

impl Listener {
    /// Binds and begins to serve, as a task of the runtime that this is called in.
    pub(crate) fn start<H: Handler>(offer: Offer<H>) -> io::Result<Self> {
        let socket = bind(offer.listen)?;
        let address = socket.local_addr()?;
        let (stop, stopping) = watch::channel(false);
        let (busy, idle) = mpsc::channel(1);
        let accept = Accept {
            tls: offer.tls.map(TlsAcceptor::from),
            slots: Arc::new(Semaphore::new(offer.max_connections)),
            refusals: Arc::new(Semaphore::new(limits::REFUSALS_MAX)),
            shared: Shared {
                handler: Arc::new(offer.handler),
                busy,
                stopping,
            },
        };
        let tls = accept.tls.is_some();
        Ok(Self {
            address,
            tls,
            stop,
            accepting: tokio::spawn(accept.run(socket)),
            idle,
        })
    }

    /// Its URL, with the port that was picked.
    pub(crate) fn url(&self) -> String {
        format!(
            "{}://{}",
            if self.tls { "https" } else { "http" },
            self.address
        )
    }

    /// Its address, with the port that was picked.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts no further connection and no further request on the ones there are.
    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Stops, and waits until what is in flight is answered; whether that was within `grace`.
    pub(crate) async fn finish(mut self, grace: Duration) -> bool {
        self.stop();
        let finished = within(grace, async {
            let _ = self.accepting.await;
            // Nothing is ever sent: this ends when the last sender is dropped.
            let _ = self.idle.recv().await;
        });
        finished.await.is_some()
    }
}

/// A socket that listens, with a queue that takes a crowd.
fn bind(listen: SocketAddr) -> io::Result<TcpListener> {
    let socket = match listen {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // A host that starts again takes the port of the one before, whose connections are still
    // being forgotten.
    socket.set_reuseaddr(true)?;
    socket.bind(listen)?;
    socket.listen(limits::QUEUED_CONNECTIONS)
}

/// The loop that accepts.
struct Accept<H> {
    tls: Option<TlsAcceptor>,
    /// One for each connection that may be there.
    slots: Arc<Semaphore>,
    /// One for each connection over those that is being told so.
    refusals: Arc<Semaphore>,
    shared: Shared<H>,
}

impl<H: Handler> Accept<H> {
    /// Accepts until told to stop; the socket closes at its end.
    async fn run(self, socket: TcpListener) {
        let mut stopped = pin!(connection::stopped(self.shared.stopping.clone()));
        loop {
            let accepted = tokio::select! {
                biased;
                () = stopped.as_mut() => return,
                accepted = socket.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => self.admit(stream),
                Err(error) => {
                    tracing::warn!(%error, api = H::API, "no connection could be accepted; trying again");
                    tokio::time::sleep(limits::ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Gives a connection a slot, or tells it at once that there is none. Left in the
    /// kernel's queue instead, it would wait for an answer that no deadline covers.
    fn admit(&self, stream: TcpStream) {
        // Answers are small and whole; waiting to send more at once only adds delay.
        let _ = stream.set_nodelay(true);
        if let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() {
            let (tls, shared) = (self.tls.clone(), self.shared.clone());
            tokio::spawn(async move {
                match tls {
                    None => connection::serve(stream, shared).await,
                    Some(tls) => {
                        match within(limits::HANDSHAKE_TIMEOUT, tls.accept(stream)).await {
                            Some(Ok(stream)) => connection::serve(stream, shared).await,
                            Some(Err(error)) => tracing::debug!(%error, "no TLS with a client"),
                            None => tracing::debug!("a client did not finish its TLS handshake"),
                        }
                    }
                }
                drop(slot);
            });
            return;
        }
        metrics::counter!("gavel_http_connections_refused_total", "api" => H::API).increment(1);
        // Over TLS it would take a handshake to say so: the work that there is no room for.
        if let (None, Ok(slot)) = (&self.tls, Arc::clone(&self.refusals).try_acquire_owned()) {
            let busy = self.shared.busy.clone();
            tokio::spawn(async move {
                refuse(stream, busy).await;
                drop(slot);
            });
        }
    }
}

/// Answers 503 without reading the request, and closes.
async fn refuse(stream: TcpStream, busy: Busy) {
    use tokio::io::AsyncWriteExt as _;

    let answer = Problem::new(Code::Overloaded)
        .detail("too many connections; try again in a moment")
        .to_http1();
    let (mut stream, requests) = Watched::new(stream);
    requests.end();
    let _ = within(limits::LINGER_TIMEOUT, async {
        stream.write_all(&answer).await?;
        stream.shutdown().await
    })
    .await;
    drop(busy);
}

/// The TLS side of a listener, from PEM files.
pub(crate) fn tls_config(
    cert: &std::path::Path,
    key: &std::path::Path,
) -> Result<Arc<rustls::ServerConfig>, String> {
    use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};

    let chain = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| {
            format!(
                "the certificate {} is not readable as PEM: {error}",
                cert.display()
            )
        })?;
    let key_der = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| format!("the key {} is not readable as PEM: {error}", key.display()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("no TLS: {error}"))?
        .with_no_client_auth()
        .with_single_cert(chain, key_der)
        .map_err(|error| {
            format!(
                "the certificate {} does not go with the key {}: {error}",
                cert.display(),
                key.display()
            )
        })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
