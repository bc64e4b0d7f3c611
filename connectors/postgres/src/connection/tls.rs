//! TLS by rustls: what each mode verifies.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rowtide_api::{Error, ResultExt};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_rustls::TlsConnector;

use super::config::{Host, SslMode, Tls};

/// A connector for these settings.
pub(crate) async fn connector(settings: &Tls) -> Result<TlsConnector, Error> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .fatal("preparing TLS")?;
    let verifier = verifier(settings, provider).await?;
    let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
    let config = match (&settings.certificate, &settings.key) {
        (Some(certificate), Some(key)) => {
            let chain = certificates(certificate, "database.sslcert").await?;
            builder
                .with_client_auth_cert(chain, private_key(key).await?)
                .map_err(|cause| {
                    Error::fatal(format!("using the client certificate {}", certificate.display()))
                        .hint("database.sslkey has to be the key of database.sslcert")
                        .because(cause)
                })?
        }
        _ => builder.with_no_client_auth(),
    };
    Ok(TlsConnector::from(Arc::new(config)))
}

/// The name a certificate has to carry.
pub(crate) fn server_name(host: &Host) -> Result<ServerName<'static>, Error> {
    ServerName::try_from(host.name.clone()).fatal(format!("{} is no name a certificate can carry", host.name))
}

/// PG-199: a certificate that does not verify is permanent; a connection that broke is not.
pub(crate) fn failure(host: &Host, cause: io::Error) -> Error {
    let context = format!("TLS handshake with {host}");
    if cause.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()) {
        Error::fatal(context)
            .hint("check database.sslmode, database.sslrootcert and the server's certificate")
            .because(cause)
    } else {
        Error::retriable(context).because(cause)
    }
}

async fn verifier(
    settings: &Tls,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, Error> {
    let checks_name = match settings.mode {
        SslMode::VerifyFull => true,
        SslMode::VerifyCa => false,
        _ => return Ok(Arc::new(Checks::Signature(provider))),
    };
    let mut roots = RootCertStore::empty();
    let mut pinned = Vec::new();
    match &settings.root_certificates {
        Some(path) => {
            pinned = certificates(path, "database.sslrootcert").await?;
            for certificate in &pinned {
                roots.add(certificate.clone()).fatal(format!(
                    "{} holds a certificate that cannot be an authority",
                    path.display()
                ))?;
            }
        }
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
    }
    let chain = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .fatal("preparing the verification of server certificates")?;
    Ok(Arc::new(Checks::Chain {
        chain,
        pinned,
        checks_name,
    }))
}

async fn certificates(path: &Path, key: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    let pem = tokio::fs::read(path)
        .await
        .fatal(format!("reading {key} {}", path.display()))?;
    let found: Vec<_> = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .fatal(format!("{key} {} is no PEM file", path.display()))?;
    if found.is_empty() {
        return Err(
            Error::fatal(format!("{key} {} holds no certificate", path.display())).hint("use a PEM file"),
        );
    }
    Ok(found)
}

async fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, Error> {
    let bytes = tokio::fs::read(path)
        .await
        .fatal(format!("reading database.sslkey {}", path.display()))?;
    if bytes.starts_with(b"-----") {
        PrivateKeyDer::from_pem_slice(&bytes).map_err(|cause| {
            Error::fatal(format!("database.sslkey {} holds no plain key", path.display()))
                .hint("use an unencrypted PEM or PKCS#8 key")
                .because(cause)
        })
    } else {
        Ok(PrivateKeyDer::Pkcs8(bytes.into()))
    }
}

/// What a mode checks.
#[derive(Debug)]
enum Checks {
    /// verify-ca and verify-full.
    Chain {
        /// The chain up to an authority.
        chain: Arc<WebPkiServerVerifier>,
        /// The certificates of `sslrootcert` themselves: a self-signed server certificate, which stands there as its own
        /// authority, has no chain that webpki would accept.
        pinned: Vec<CertificateDer<'static>>,
        /// verify-full: the name as well.
        checks_name: bool,
    },
    /// allow, prefer, require: that the peer holds the key of the certificate it shows, whichever that is.
    Signature(Arc<CryptoProvider>),
}

impl ServerCertVerifier for Checks {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Self::Chain {
            chain,
            pinned,
            checks_name,
        } = self
        else {
            return Ok(ServerCertVerified::assertion());
        };
        if pinned.iter().any(|pinned| pinned == end_entity) {
            if *checks_name {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
            }
            return Ok(ServerCertVerified::assertion());
        }
        match chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if !checks_name => Ok(ServerCertVerified::assertion()),
            result => result,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        match self {
            Self::Chain { chain, .. } => chain.verify_tls12_signature(message, cert, dss),
            Self::Signature(provider) => {
                verify_tls12_signature(message, cert, dss, &provider.signature_verification_algorithms)
            }
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        match self {
            Self::Chain { chain, .. } => chain.verify_tls13_signature(message, cert, dss),
            Self::Signature(provider) => {
                verify_tls13_signature(message, cert, dss, &provider.signature_verification_algorithms)
            }
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        match self {
            Self::Chain { chain, .. } => chain.supported_verify_schemes(),
            Self::Signature(provider) => provider.signature_verification_algorithms.supported_schemes(),
        }
    }
}
