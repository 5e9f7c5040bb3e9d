//! What a node shows to others and trusts in others: its certificate, its key, the cluster's authority.
//!
//! The name of a node is the one DNS name in its certificate. It is read out of certificates here and nowhere else.

use std::fmt;
use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use proto::NodeName;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;
use x509_parser::extensions::GeneralName;

const CA_FILE: &str = "ca.pem";
const CERT_FILE: &str = "node.pem";
const KEY_FILE: &str = "node-key.pem";

/// A node's certificate and key, and the certificate of the authority that every peer must chain to.
#[derive(Clone)]
pub struct Identity {
    /// The authority's certificate.
    pub ca_pem: String,
    /// The node's certificate.
    pub cert_pem: String,
    /// The node's private key (PKCS #8). Never leaves the machine.
    pub key_pem: String,
}

impl Identity {
    /// Reads `ca.pem`, `node.pem` and `node-key.pem` of a folder.
    ///
    /// Errors: `File` when one cannot be read; the content is judged when it is used.
    pub fn load(dir: &Path) -> Result<Identity, IdentityError> {
        let read = |name| read(&dir.join(name));
        Ok(Identity { ca_pem: read(CA_FILE)?, cert_pem: read(CERT_FILE)?, key_pem: read(KEY_FILE)? })
    }

    /// Writes the three files, the key readable by its owner only. The folder is made if it is missing.
    ///
    /// Errors: `File`; files already written stay.
    pub fn save(&self, dir: &Path) -> Result<(), IdentityError> {
        fs::create_dir_all(dir).map_err(|e| IdentityError::file(dir, e))?;
        write(&dir.join(CA_FILE), &self.ca_pem, 0o644)?;
        write(&dir.join(CERT_FILE), &self.cert_pem, 0o644)?;
        write(&dir.join(KEY_FILE), &self.key_pem, 0o600)
    }

    /// The name in the certificate.
    ///
    /// Errors: `Certificate` when there is no certificate or no single valid node name in it.
    pub fn name(&self) -> Result<NodeName, IdentityError> {
        node_name(&self.certificate()?)
    }

    pub(crate) fn certificate(&self) -> Result<CertificateDer<'static>, IdentityError> {
        parse_certificate(&self.cert_pem)
    }

    pub(crate) fn authority(&self) -> Result<CertificateDer<'static>, IdentityError> {
        parse_certificate(&self.ca_pem)
    }

    pub(crate) fn key(&self) -> Result<PrivateKeyDer<'static>, IdentityError> {
        PrivateKeyDer::from_pem_slice(self.key_pem.as_bytes())
            .map_err(|e| IdentityError::Certificate(format!("no private key: {e}")))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("name", &self.name().ok()).finish_non_exhaustive()
    }
}

/// Why certificates could not be read, made or used.
#[derive(Debug, Error)]
pub enum IdentityError {
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A certificate, key or request is not what it should be.
    #[error("{0}")]
    Certificate(String),
}

impl IdentityError {
    pub(crate) fn file(path: &Path, source: std::io::Error) -> IdentityError {
        IdentityError::File { path: path.to_owned(), source }
    }
}

impl From<rcgen::Error> for IdentityError {
    fn from(e: rcgen::Error) -> IdentityError {
        IdentityError::Certificate(e.to_string())
    }
}

impl From<rustls::Error> for IdentityError {
    fn from(e: rustls::Error) -> IdentityError {
        IdentityError::Certificate(e.to_string())
    }
}

/// The name of the node that a certificate was issued to: its only subject alternative name, of DNS kind.
///
/// Conditions: the certificate has been verified; this only reads it.
pub(crate) fn node_name(certificate: &CertificateDer<'_>) -> Result<NodeName, IdentityError> {
    let bad = |why: &str| IdentityError::Certificate(format!("not a node's certificate: {why}"));
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).map_err(|e| bad(&e.to_string()))?;
    let names = parsed.subject_alternative_name().map_err(|e| bad(&e.to_string()))?.ok_or_else(|| bad("no name"))?;
    match &names.value.general_names[..] {
        [GeneralName::DNSName(name)] => NodeName::new(name).ok_or_else(|| bad("its name is no node name")),
        _ => Err(bad("it has not exactly one name")),
    }
}

pub(crate) fn parse_certificate(pem: &str) -> Result<CertificateDer<'static>, IdentityError> {
    CertificateDer::from_pem_slice(pem.as_bytes())
        .map_err(|e| IdentityError::Certificate(format!("no certificate: {e}")))
}

pub(crate) fn read(path: &Path) -> Result<String, IdentityError> {
    fs::read_to_string(path).map_err(|e| IdentityError::file(path, e))
}

/// Writes a whole file by way of a temporary one beside it, so that a reader sees the old or the new content.
pub(crate) fn write(path: &Path, text: &str, mode: u32) -> Result<(), IdentityError> {
    let part = path.with_extension("part");
    let _ = fs::remove_file(&part);
    let done = (|| {
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&part)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&part, path)
    })();
    done.map_err(|e| IdentityError::file(path, e))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authority::Authority;

    #[test]
    fn a_saved_identity_is_read_back_and_its_key_is_private() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::generate().unwrap();
        let identity = authority.issue(&NodeName::new("alpha").unwrap()).unwrap();
        identity.save(&dir.path().join("id")).unwrap();
        let again = Identity::load(&dir.path().join("id")).unwrap();
        assert_eq!(again.name().unwrap().as_str(), "alpha");
        assert_eq!(again.key_pem, identity.key_pem);
        let mode = fs::metadata(dir.path().join("id").join(KEY_FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_missing_file_is_named_in_the_error() {
        let dir = tempfile::tempdir().unwrap();
        let error = Identity::load(dir.path()).unwrap_err().to_string();
        assert!(error.contains("ca.pem"), "{error}");
    }

    #[test]
    fn a_certificate_without_a_node_name_has_no_name() {
        let authority = Authority::generate().unwrap();
        let ca = parse_certificate(authority.ca_pem()).unwrap();
        assert!(node_name(&ca).is_err());
        assert!(node_name(&CertificateDer::from(vec![0x30, 0x80, 1, 2, 3])).is_err());
    }
}
