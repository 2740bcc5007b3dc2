//! Whose certificates are believed of other servers: the `[trust]` section.

use crate::fault::{Section, form};
use crate::secret::Secrets;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::Verifier;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Stands for the authorities that the machine trusts.
const SYSTEM: &str = "system";

/// `[trust]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    /// Whether the machine's own authorities are trusted.
    system: bool,
    /// Those of the files.
    roots: Vec<CertificateDer<'static>>,
}

impl Default for Trust {
    fn default() -> Self {
        Self { system: true, roots: Vec::new() }
    }
}

impl Trust {
    /// Reads the section.
    pub fn read(section: &mut Section<'_>, folder: &Path) -> Self {
        let Some(listed) = section.list("roots", &form::NAME) else { return Self::default() };
        let mut trust = Self { system: listed.iter().any(|root| root == SYSTEM), roots: Vec::new() };
        for (root, span) in section.places("roots").into_iter().filter(|(root, _)| *root != SYSTEM) {
            match certificates(&folder.join(root)) {
                Ok(roots) => trust.roots.extend(roots),
                // On another machine it may be there.
                Err((message, true)) if section.secrets() == Secrets::Optional => section.warn_at(span, message, HELP),
                Err((message, _)) => section.refuse_at(span, message, HELP),
            }
        }
        if listed.is_empty() {
            section.complain_of("roots", "`roots` of [trust] lists nobody: no server could be believed", HELP);
        }
        trust
    }

    /// The authorities that the machine trusts, and those of these files.
    ///
    /// # Errors
    /// What is wrong with a file, in a sentence.
    pub fn with(files: &[PathBuf]) -> Result<Self, String> {
        let mut trust = Self::default();
        for file in files {
            trust.roots.extend(certificates(file).map_err(|(message, _)| message)?);
        }
        Ok(trust)
    }

    /// TLS towards a server whose certificate one of these authorities must have issued.
    ///
    /// # Errors
    /// The machine has no usable authorities.
    pub fn client(&self) -> io::Result<ClientConfig> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = self.verifier(provider.clone())?;
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.map_err(io::Error::other)?.dangerous().with_custom_certificate_verifier(verifier);
        Ok(config.with_no_client_auth())
    }

    fn verifier(&self, provider: Arc<CryptoProvider>) -> io::Result<Arc<dyn ServerCertVerifier>> {
        if self.system {
            let verifier = Verifier::new_with_extra_roots(self.roots.iter().cloned(), provider);
            return Ok(Arc::new(verifier.map_err(io::Error::other)?));
        }
        let mut roots = RootCertStore::empty();
        for root in &self.roots {
            roots.add(root.clone()).map_err(io::Error::other)?;
        }
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
        verifier.map(|verifier| verifier as Arc<dyn ServerCertVerifier>).map_err(io::Error::other)
    }
}

const HELP: &str = "name PEM files with certificates of authorities, or \"system\"";

/// The certificates of a file; or what is wrong with it, and whether it is just not there.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, (String, bool)> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let found = read.map_err(|error| match error {
        rustls::pki_types::pem::Error::Io(error) => (format!("{} cannot be read: {error}", path.display()), true),
        _ => (format!("{} is no PEM file", path.display()), false),
    })?;
    let broken = |root: &CertificateDer<'static>| RootCertStore::empty().add(root.clone()).is_err();
    if found.is_empty() || found.iter().any(broken) {
        return Err((format!("{} holds no certificate of an authority", path.display()), false));
    }
    Ok(found)
}
