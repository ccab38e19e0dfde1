//! Encryption: from what the web configuration file says to what rustls is told.

use std::sync::Arc;

use tokio_rustls::rustls::client::danger::HandshakeSignatureValid;
use tokio_rustls::rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature,
};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use tokio_rustls::rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, NamedGroup, RootCertStore,
    ServerConfig, SignatureScheme, version,
};

use super::san;
use crate::config::{Pem, ServerTls, TlsVersion};
use crate::export::files::{Unusable, bytes, parse_certificates, unusable};

/// What handshakes are made with; reads the files.
pub(super) fn server_config(said: &ServerTls) -> Result<ServerConfig, Unusable> {
    let provider = Arc::new(provider(said));
    let versions: Vec<_> = [(TlsVersion::Tls13, &version::TLS13), (TlsVersion::Tls12, &version::TLS12)]
        .into_iter()
        .filter(|(version, _)| (said.min..=said.max).contains(version))
        .map(|(_, version)| version)
        .collect();
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&versions)
        .map_err(|why| unusable(&"tls_server_config", &why))?;
    let builder = match clients(said, &provider)? {
        Some(clients) => builder.with_client_cert_verifier(Arc::new(clients)),
        None => builder.with_no_client_auth(),
    };
    let (cert_name, cert) = read("cert", &said.cert)?;
    let (key_name, key) = read("key", &said.key)?;
    let certificates = parse_certificates(&cert_name, &cert)?;
    let key = PrivateKeyDer::from_pem_slice(&key).map_err(|why| unusable(&key_name, &why))?;
    let mut config = builder
        .with_single_cert(certificates, key)
        .map_err(|why| unusable(&format!("{cert_name} with {key_name}"), &why))?;
    config.ignore_client_order = said.prefer_server_cipher_suites;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Where a text in PEM is, for people, and the text.
fn read(key: &str, pem: &Pem) -> Result<(String, Vec<u8>), Unusable> {
    Ok(match pem {
        Pem::File(path) => (path.display().to_string(), bytes(path)?),
        Pem::Inline(text) => (format!("tls_server_config.{key}"), text.expose().as_bytes().to_vec()),
    })
}

/// The suites and curves that are wanted. Those of TLS 1.3 are always all there.
fn provider(said: &ServerTls) -> CryptoProvider {
    let mut provider = ring::default_provider();
    if let Some(names) = &said.cipher_suites {
        let all = std::mem::take(&mut provider.cipher_suites);
        let of_tls13 = all.iter().filter(|suite| suite.tls13().is_some());
        let wanted = names.iter().flat_map(|name| {
            all.iter()
                .filter(move |suite| suite.tls13().is_none() && suite.suite().as_str() == Some(name.as_str()))
        });
        provider.cipher_suites = of_tls13.chain(wanted).copied().collect();
    }
    if let Some(names) = &said.curves {
        let all = std::mem::take(&mut provider.kx_groups);
        let wanted = names.iter().filter_map(|name| match name.as_str() {
            "X25519" => Some(NamedGroup::X25519),
            "CurveP256" => Some(NamedGroup::secp256r1),
            "CurveP384" => Some(NamedGroup::secp384r1),
            _ => None,
        });
        provider.kx_groups =
            wanted.filter_map(|name| all.iter().find(|group| group.name() == name).copied()).collect();
    }
    provider
}

/// What is asked of clients; none: nothing.
fn clients(said: &ServerTls, provider: &Arc<CryptoProvider>) -> Result<Option<Clients>, Unusable> {
    let asked = said.client_auth;
    if asked == crate::config::ClientAuth::NoClientCert {
        return Ok(None);
    }
    let verified = match said.client_ca.as_ref().filter(|_| asked.is_verified()) {
        None => None,
        Some(pem) => {
            let (name, text) = read("client_ca", pem)?;
            let mut roots = RootCertStore::empty();
            for certificate in parse_certificates(&name, &text)? {
                roots.add(certificate).map_err(|why| unusable(&name, &why))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
            Some(verifier.build().map_err(|why| unusable(&name, &why))?)
        }
    };
    Ok(Some(Clients {
        verified,
        required: asked.is_required(),
        allowed: said.client_allowed_sans.clone(),
        algorithms: provider.signature_verification_algorithms,
    }))
}

/// Looks at the certificates of clients.
#[derive(Debug)]
struct Clients {
    /// Says whether one is good; none: whatever it says, it is.
    verified: Option<Arc<dyn ClientCertVerifier>>,
    required: bool,
    allowed: Option<Vec<String>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ClientCertVerifier for Clients {
    fn client_auth_mandatory(&self) -> bool {
        self.required
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.verified.as_ref().map_or(&[], |verified| verified.root_hint_subjects())
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if let Some(verified) = &self.verified {
            verified.verify_client_cert(certificate, intermediates, now)?;
        }
        match &self.allowed {
            Some(allowed) if !san::names(certificate).iter().any(|name| allowed.contains(name)) => {
                Err(CertificateError::ApplicationVerificationFailure.into())
            }
            _ => Ok(ClientCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
