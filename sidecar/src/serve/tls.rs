//! Connections, encrypted where certificates were given: TLS 1.2 and 1.3 by rustls.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, RwLock};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::server::TlsStream;

use crate::failure::Failure;

/// Where certificates are.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Certificates {
    /// Certificate chain (PEM): both ports take TLS connections only
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Private key of the certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// The gRPC port takes clients with a certificate of this authority only (PEM); they need no filter token
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) client_ca: Option<PathBuf>,
}

/// The certificates in use.
pub(crate) struct Tls {
    certificates: Certificates,
    grpc: RwLock<Arc<ServerConfig>>,
    http: RwLock<Arc<ServerConfig>>,
}

/// Which port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Port {
    Grpc,
    Http,
}

/// Connections of a port, ready to be used.
pub(crate) struct Connections {
    ready: mpsc::Receiver<(Connection, SocketAddr)>,
    local: SocketAddr,
}

/// One connection.
pub(crate) enum Connection {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// What is known of a gRPC client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client {
    /// It has proved to have a certificate of the authority that was named.
    pub(crate) is_certified: bool,
}

impl Tls {
    /// `None`: no certificate was given.
    pub(crate) fn load(args: &Certificates) -> Result<Option<Self>, Failure> {
        let (Some(cert), Some(key)) = (&args.tls_cert, &args.tls_key) else { return Ok(None) };
        let grpc = RwLock::new(Arc::new(config(cert, key, args.client_ca.as_deref(), b"h2")?));
        let http = RwLock::new(Arc::new(config(cert, key, None, b"http/1.1")?));
        Ok(Some(Self { certificates: args.clone(), grpc, http }))
    }

    /// Reads the files again. Connections that there are go on with what they have.
    pub(crate) fn reload(&self) -> Result<(), Failure> {
        let Some(new) = Self::load(&self.certificates)? else { return Ok(()) };
        for (old, new) in [(&self.grpc, new.grpc), (&self.http, new.http)] {
            if let (Ok(mut old), Ok(new)) = (old.write(), new.into_inner()) {
                *old = new;
            }
        }
        Ok(())
    }

    fn acceptor(&self, port: Port) -> Option<TlsAcceptor> {
        let config = if port == Port::Grpc { &self.grpc } else { &self.http };
        config.read().ok().map(|config| TlsAcceptor::from(Arc::clone(&config)))
    }
}

fn config(cert: &Path, key: &Path, client_ca: Option<&Path>, protocol: &[u8]) -> Result<ServerConfig, Failure> {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::new(format!("TLS: {error}")))?;
    let builder = match client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(authorities(path)?), provider);
            builder.with_client_cert_verifier(verifier.build().map_err(|error| Failure::file(path, error))?)
        }
    };
    let key_der = PrivateKeyDer::from_pem_file(key).map_err(|_| Failure::file(key, "holds no private key in PEM"))?;
    let mut config =
        builder.with_single_cert(certificates(cert)?, key_der).map_err(|error| Failure::file(cert, error))?;
    config.alpn_protocols = vec![protocol.to_vec()];
    Ok(config)
}

/// How somebody is spoken to who has a certificate of these authorities; in HTTP/1.1, where `http`.
pub(crate) fn trusting(roots: RootCertStore, http: bool) -> Result<Arc<ClientConfig>, Failure> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::new(format!("TLS: {error}")))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    if http {
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
    }
    Ok(Arc::new(config))
}

/// The authorities of a PEM file.
pub(crate) fn authorities(path: &Path) -> Result<RootCertStore, Failure> {
    let mut roots = RootCertStore::empty();
    for root in certificates(path)? {
        roots.add(root).map_err(|error| Failure::file(path, error))?;
    }
    Ok(roots)
}

/// The authorities that the system trusts.
pub(crate) fn system_authorities() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    // One that cannot be read is one that is not trusted.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

/// The certificates of a PEM file, at least one.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let wrong = || Failure::file(path, "holds no certificate in PEM");
    let all = CertificateDer::pem_file_iter(path).map_err(|_| wrong())?;
    let all = all.collect::<Result<Vec<_>, _>>().map_err(|_| wrong())?;
    if all.is_empty() { Err(wrong()) } else { Ok(all) }
}

impl Connections {
    /// Accepts from now on. A handshake that is slow holds up nobody else.
    pub(crate) fn accept(listener: TcpListener, tls: Option<Arc<Tls>>, port: Port) -> io::Result<Self> {
        let local = listener.local_addr()?;
        let (send, ready) = mpsc::channel(64);
        tokio::spawn(accept(listener, tls, port, send));
        Ok(Self { ready, local })
    }
}

async fn accept(
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    port: Port,
    ready: mpsc::Sender<(Connection, SocketAddr)>,
) {
    let handshakes = Arc::new(Semaphore::new(MAX_HANDSHAKES));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = ready.closed() => return,
        };
        let Ok((stream, peer)) = accepted else {
            // Too many open files, for example: some of them may be closed soon.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        let Some(tls) = &tls else {
            if ready.send((Connection::Plain(stream), peer)).await.is_err() {
                return;
            }
            continue;
        };
        let Some(acceptor) = tls.acceptor(port) else { return };
        let Ok(permit) = Arc::clone(&handshakes).acquire_owned().await else { return };
        let ready = ready.clone();
        tokio::spawn(async move {
            let _permit = permit;
            if let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
                let _ = ready.send((Connection::Tls(Box::new(stream)), peer)).await;
            }
        });
    }
}

impl axum::serve::Listener for Connections {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.ready.recv().await {
            Some(connection) => connection,
            // The runtime is ending.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Ok(self.local)
    }
}

impl tokio_stream::Stream for Connections {
    type Item = io::Result<Connection>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.ready.poll_recv(context).map(|ready| ready.map(|(connection, _)| Ok(connection)))
    }
}

impl tonic::transport::server::Connected for Connection {
    type ConnectInfo = Client;

    fn connect_info(&self) -> Client {
        let certified = |stream: &TlsStream<TcpStream>| stream.get_ref().1.peer_certificates().is_some();
        Client { is_certified: matches!(self, Self::Tls(stream) if certified(stream)) }
    }
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(context),
        }
    }
}

/// How long a client may take for a handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Handshakes at a time.
const MAX_HANDSHAKES: usize = 512;
