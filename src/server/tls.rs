//! TLS towards visitors: certificates, chosen by the name that a visitor asks for.
//!
//! TLS 1.2 and 1.3 only. Session tickets are encrypted with keys that change by themselves; early data, which could be
//! sent again by a stranger, is not taken.

use crate::clock::Time;
use rustls::client::verify_server_name;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem};
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{InconsistentKeys, ServerConfig};
use std::path::Path;
use std::sync::Arc;
use x509_parser::parse_x509_certificate;

/// What is offered for HTTP, the best first (RFC 7301).
const PROTOCOLS: [&[u8]; 2] = [HTTP2, b"http/1.1"];
/// HTTP/2 over TLS (RFC 9113 §3.2).
pub(super) const HTTP2: &[u8] = b"h2";

/// What is wrong with a certificate or its key, and what helps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unusable {
    /// Whether it is the key's file, and not the certificate's.
    pub is_key: bool,
    /// Whether the file is not there, or cannot be read by this user: on another machine it may.
    pub is_absent: bool,
    /// What was found.
    pub message: String,
    /// What is allowed.
    pub help: &'static str,
}

const CERTIFICATE_HELP: &str = "name a PEM file with the site's certificate first, and then those of its issuers";
const KEY_HELP: &str = "name the PEM file with the private key that the certificate was made for";

/// Reads a certificate, those of its issuers, and its key.
///
/// # Errors
/// See [`Unusable`].
pub fn load(certificate: &Path, key: &Path, now: Time) -> Result<CertifiedKey, Unusable> {
    let of_certificate =
        |message: String, is_absent| Unusable { is_key: false, is_absent, message, help: CERTIFICATE_HELP };
    let of_key = |message: String, is_absent| Unusable { is_key: true, is_absent, message, help: KEY_HELP };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| of_certificate(said(certificate, &error), is_absent(&error)))?;
    let Some(own) = chain.first() else {
        return Err(of_certificate(format!("{} holds no certificate", certificate.display()), false));
    };
    if let Err(message) = is_valid(own, now) {
        return Err(of_certificate(format!("{} {message}", certificate.display()), false));
    }
    let der = PrivateKeyDer::from_pem_file(key).map_err(|error| of_key(said(key, &error), is_absent(&error)))?;
    let signing = aws_lc_rs::sign::any_supported_type(&der)
        .map_err(|_| of_key(format!("{}: this kind of key cannot be used", key.display()), false))?;
    let certified = CertifiedKey::new(chain, signing);
    match certified.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(certified),
        Err(_) => Err(of_key(format!("{} is not the key of {}", key.display(), certificate.display()), false)),
    }
}

fn said(path: &Path, error: &pem::Error) -> String {
    match error {
        pem::Error::Io(error) => format!("{} cannot be read: {error}", path.display()),
        pem::Error::NoItemsFound => format!("{} holds nothing of the kind", path.display()),
        _ => format!("{} is no PEM file", path.display()),
    }
}

fn is_absent(error: &pem::Error) -> bool {
    matches!(error, pem::Error::Io(_))
}

fn is_valid(certificate: &CertificateDer<'_>, now: Time) -> Result<(), String> {
    let (_, read) = parse_x509_certificate(certificate).map_err(|_| "holds a broken certificate".to_owned())?;
    let validity = read.validity();
    let date = |time: x509_parser::time::ASN1Time| Time::from_seconds(time.timestamp()).iso8601();
    match now.seconds() {
        now if now > validity.not_after.timestamp() => Err(format!("expired at {}", date(validity.not_after))),
        now if now < validity.not_before.timestamp() => Err(format!("begins at {}", date(validity.not_before))),
        _ => Ok(()),
    }
}

/// What a listener needs to speak TLS with these certificates; visitors who ask for no name that one of them covers get
/// the first.
///
/// # Errors
/// When the system gives no random numbers, or there is no certificate.
pub fn server(keys: Vec<Arc<CertifiedKey>>) -> Result<ServerConfig, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(ByName(keys)));
    config.ticketer = aws_lc_rs::Ticketer::new()?;
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    config.max_early_data_size = 0;
    Ok(config)
}

#[derive(Debug)]
struct ByName(Vec<Arc<CertifiedKey>>);

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let named = hello.server_name().and_then(|name| self.0.iter().find(|key| covers(key, name)));
        named.or(self.0.first()).cloned()
    }
}

/// Whether a certificate is for this name (RFC 9525).
fn covers(key: &CertifiedKey, name: &str) -> bool {
    let certificate = key.cert.first().and_then(|own| ParsedCertificate::try_from(own).ok());
    certificate
        .zip(ServerName::try_from(name).ok())
        .is_some_and(|(certificate, name)| verify_server_name(&certificate, &name).is_ok())
}
