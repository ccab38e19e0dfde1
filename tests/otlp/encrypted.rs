//! A true OTLP server behind TLS.

use std::sync::{Arc, Mutex};

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::MetricsServiceServer;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tonic::codec::CompressionEncoding;

use super::authority::{Authority, Pair};
use super::server::{Server, listen};

/// A server's side of TLS; with an authority for clients, it wants a certificate from each.
pub(crate) fn config(pair: &Pair, clients: Option<&Authority>) -> Arc<ServerConfig> {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(authority.roots(), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let cert = CertificateDer::from_pem_slice(pair.cert.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
    let mut config = builder.with_single_cert(vec![cert], key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Arc::new(config)
}

/// A true OTLP server behind TLS.
pub(crate) struct TlsServer {
    pub(crate) server: Server,
    pub(crate) endpoint: String,
    pub(crate) config: Arc<Mutex<Arc<ServerConfig>>>,
    /// How many handshakes were finished, and how many were not.
    pub(crate) handshakes: Arc<Mutex<(usize, usize)>>,
}

impl TlsServer {
    pub(crate) async fn serve(config: Arc<ServerConfig>, server: Server) -> Self {
        let (listener, endpoint) = listen().await;
        let port = endpoint.parse::<http::Uri>().unwrap().port_u16().unwrap();
        let config = Arc::new(Mutex::new(config));
        let handshakes = Arc::new(Mutex::new((0, 0)));
        let (now, counted, service) = (Arc::clone(&config), Arc::clone(&handshakes), server.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = TlsAcceptor::from(Arc::clone(&now.lock().unwrap()));
                let (counted, service) = (Arc::clone(&counted), service.clone());
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else {
                        counted.lock().unwrap().1 += 1;
                        return;
                    };
                    counted.lock().unwrap().0 += 1;
                    let service =
                        MetricsServiceServer::new(service).accept_compressed(CompressionEncoding::Gzip);
                    let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                    let service = TowerToHyperService::new(service);
                    let _ = server.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { server, endpoint: format!("https://localhost:{port}"), config, handshakes }
    }
}
