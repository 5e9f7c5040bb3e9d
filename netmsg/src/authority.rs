//! The authority of a cluster: who may be a node of it.
//!
//! One key signs the certificates of all nodes. It lives in a folder of its own on the machine where the cluster was
//! made; the node that runs there with it answers joiners. Join tokens are proofs under a key derived from it, so that
//! no list of tokens has to be kept. The names it has issued are kept in the file `issued`, since a second node under
//! an old name would take that node's place.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use proto::NodeName;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_ED25519, PublicKeyData, SanType,
};
use ring::hmac;
use rustls::pki_types::CertificateDer;
use tokio::sync::Semaphore;

use crate::identity::{self, Identity, IdentityError};
use crate::token::{JoinToken, PROOF_BYTES};

const CA_FILE: &str = "ca.pem";
const KEY_FILE: &str = "ca-key.pem";
const ISSUED_FILE: &str = "issued";
/// Certificates are valid from a little before they are made, since clocks differ.
const CLOCK_SKEW: Duration = Duration::from_secs(3600);
const VALID_FOR: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// The key that says who is a node of the cluster, and what it has said so far.
pub struct Authority {
    ca_pem: String,
    ca_der: CertificateDer<'static>,
    key_pem: String,
    issuer: Issuer<'static, KeyPair>,
    token_key: hmac::Key,
    issued: RefCell<BTreeSet<NodeName>>,
    writing: Semaphore,
    dir: Option<PathBuf>,
}

impl Authority {
    /// Makes a new authority in memory.
    ///
    /// Errors: `Certificate` when the random source fails.
    pub fn generate() -> Result<Authority, IdentityError> {
        let key = KeyPair::generate_for(&PKCS_ED25519)?;
        let mut params = CertificateParams::default();
        let mut name = DistinguishedName::new();
        let id = ring::digest::digest(&ring::digest::SHA256, key.public_key_raw());
        name.push(DnType::CommonName, format!("mach cluster {}", hex::encode(&id.as_ref()[..4])));
        params.distinguished_name = name;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        set_validity(&mut params);
        let ca_pem = params.self_signed(&key)?.pem();
        Authority::from_pem(ca_pem, key.serialize_pem())
    }

    /// Makes a new authority and keeps it in `dir`.
    ///
    /// Errors: `File`, also when there is one already: a second authority would cut every node of the first off.
    pub fn create(dir: &Path) -> Result<Authority, IdentityError> {
        let key_path = dir.join(KEY_FILE);
        if key_path.exists() {
            return Err(IdentityError::file(&key_path, std::io::ErrorKind::AlreadyExists.into()));
        }
        std::fs::create_dir_all(dir).map_err(|e| IdentityError::file(dir, e))?;
        let authority = Authority::generate()?;
        identity::write(&key_path, &authority.key_pem, 0o600)?;
        identity::write(&dir.join(CA_FILE), &authority.ca_pem, 0o644)?;
        Ok(Authority { dir: Some(dir.to_owned()), ..authority })
    }

    /// Reads the authority that [`Authority::create`] put into `dir`.
    ///
    /// Errors: `File`, `Certificate`; a malformed line of `issued` is an error, not a name that may be issued again.
    pub fn load(dir: &Path) -> Result<Authority, IdentityError> {
        let ca_pem = identity::read(&dir.join(CA_FILE))?;
        let authority = Authority::from_pem(ca_pem, identity::read(&dir.join(KEY_FILE))?)?;
        let issued_path = dir.join(ISSUED_FILE);
        if issued_path.exists() {
            for line in identity::read(&issued_path)?.lines().filter(|l| !l.is_empty()) {
                let name = NodeName::new(line).ok_or_else(|| {
                    IdentityError::Certificate(format!("{}: `{line}` is no node name", issued_path.display()))
                })?;
                authority.issued.borrow_mut().insert(name);
            }
        }
        Ok(Authority { dir: Some(dir.to_owned()), ..authority })
    }

    fn from_pem(ca_pem: String, key_pem: String) -> Result<Authority, IdentityError> {
        let key = KeyPair::from_pem(&key_pem)?;
        let seed = key.serialize_der();
        let issuer = Issuer::from_ca_cert_pem(&ca_pem, key)?;
        let derived = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &seed), b"mach join token 1");
        let token_key = hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref());
        let ca_der = identity::parse_certificate(&ca_pem)?;
        Ok(Authority {
            ca_pem,
            ca_der,
            key_pem,
            issuer,
            token_key,
            issued: RefCell::default(),
            writing: Semaphore::new(1),
            dir: None,
        })
    }

    /// The certificate that all nodes trust.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// A token with which any number of machines may join until `valid_for` has passed.
    ///
    /// Units: whole seconds of wall-clock time.
    pub fn token(&self, valid_for: Duration) -> JoinToken {
        let expires = unix_now().saturating_add(valid_for.as_secs());
        let mut proof = [0; PROOF_BYTES];
        proof.copy_from_slice(&self.proof(expires).as_ref()[..PROOF_BYTES]);
        JoinToken { ca_hash: ca_hash(&self.ca_der), expires, proof }
    }

    /// Whether a joiner holds a token of this authority, and in time.
    ///
    /// Errors: `Forged` before `Expired`, so that a guess learns nothing from its expiry.
    pub fn check_token(&self, expires: u64, proof: &[u8]) -> Result<(), TokenRefused> {
        // The comparison takes the same time wherever the first difference is.
        let mut difference = (proof.len() != PROOF_BYTES) as u8;
        let right = self.proof(expires);
        right.as_ref()[..PROOF_BYTES].iter().zip(proof).for_each(|(a, b)| difference |= a ^ b);
        match difference {
            0 if unix_now() < expires => Ok(()),
            0 => Err(TokenRefused::Expired),
            _ => Err(TokenRefused::Forged),
        }
    }

    fn proof(&self, expires: u64) -> hmac::Tag {
        hmac::sign(&self.token_key, &expires.to_le_bytes())
    }

    /// Whether `name` has been given to a node.
    pub fn has_issued(&self, name: &NodeName) -> bool {
        self.issued.borrow().contains(name)
    }

    /// Makes a key and a certificate for `name`, for a node that is set up where the authority is.
    ///
    /// Conditions: issuing a name again is allowed here: who holds the authority's key decides.
    pub fn issue(&self, name: &NodeName) -> Result<Identity, IdentityError> {
        let key = KeyPair::generate_for(&PKCS_ED25519)?;
        let cert_pem = self.certify(name, &key)?;
        if self.issued.borrow_mut().insert(name.clone()) {
            self.note().inspect_err(|_| {
                self.issued.borrow_mut().remove(name);
            })?;
        }
        Ok(Identity { ca_pem: self.ca_pem.clone(), cert_pem, key_pem: key.serialize_pem() })
    }

    /// A certificate in PEM for the key of a certification request, under `name` whatever the request says.
    ///
    /// The name is noted on a thread that may block, before the certificate is given out.
    ///
    /// Conditions: the caller has checked the token and that the name is free; runs inside a tokio runtime.
    /// Errors: `Certificate` for a malformed request or one not signed by its own key; `File` when the name could not be
    /// noted. The name is then free as before.
    pub async fn sign_request(&self, name: &NodeName, csr: &[u8]) -> Result<String, IdentityError> {
        let request = CertificateSigningRequestParams::from_der(&csr.to_vec().into())?;
        let certificate = self.certify(name, &request.public_key)?;
        let new = self.issued.borrow_mut().insert(name.clone());
        let Some(dir) = self.dir.clone().filter(|_| new) else { return Ok(certificate) };
        // One writer at a time, and each writes what holds when its turn comes.
        let _turn = self.writing.acquire().await;
        let text = self.issued_text();
        let written = tokio::task::spawn_blocking(move || write_issued(&dir, &text)).await;
        match written.unwrap_or_else(|e| Err(IdentityError::Certificate(e.to_string()))) {
            Ok(()) => Ok(certificate),
            Err(e) => {
                self.issued.borrow_mut().remove(name);
                Err(e)
            }
        }
    }

    fn certify(&self, name: &NodeName, key: &impl PublicKeyData) -> Result<String, IdentityError> {
        let mut params = CertificateParams::default();
        let mut subject = DistinguishedName::new();
        subject.push(DnType::CommonName, name.as_str());
        params.distinguished_name = subject;
        params.subject_alt_names = vec![SanType::DnsName(name.as_str().try_into()?)];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        set_validity(&mut params);
        Ok(params.signed_by(key, &self.issuer)?.pem())
    }

    /// Lets `name` be given to another machine. The old certificate stays valid: there is no revocation.
    ///
    /// Errors: `File`; the name then stays taken.
    pub fn forget(&self, name: &NodeName) -> Result<(), IdentityError> {
        if !self.issued.borrow_mut().remove(name) {
            return Ok(());
        }
        self.note().inspect_err(|_| {
            self.issued.borrow_mut().insert(name.clone());
        })
    }

    fn note(&self) -> Result<(), IdentityError> {
        self.dir.as_ref().map_or(Ok(()), |dir| write_issued(dir, &self.issued_text()))
    }

    fn issued_text(&self) -> String {
        self.issued.borrow().iter().map(|n| format!("{n}\n")).collect()
    }
}

fn write_issued(dir: &Path, text: &str) -> Result<(), IdentityError> {
    identity::write(&dir.join(ISSUED_FILE), text, 0o644)
}

/// Why a joiner's token is not accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TokenRefused {
    /// It is not a token of this authority.
    Forged,
    /// It was one, and its time is over.
    Expired,
}

/// What a token says of the authority: the SHA-256 of its certificate.
pub(crate) fn ca_hash(ca: &CertificateDer<'_>) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(ring::digest::digest(&ring::digest::SHA256, ca).as_ref());
    hash
}

fn set_validity(params: &mut CertificateParams) {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let now = Duration::from_secs(unix_now());
    params.not_before = epoch + now.saturating_sub(CLOCK_SKEW);
    params.not_after = epoch + (now + VALID_FOR);
}

pub(crate) fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(s: &str) -> NodeName {
        NodeName::new(s).unwrap()
    }

    #[test]
    fn a_token_is_accepted_by_its_authority_only_and_only_in_time() {
        let (ours, other) = (Authority::generate().unwrap(), Authority::generate().unwrap());
        let token = ours.token(Duration::from_secs(60));
        assert_eq!(ours.check_token(token.expires, &token.proof), Ok(()));
        assert_eq!(other.check_token(token.expires, &token.proof), Err(TokenRefused::Forged));
        assert_eq!(ours.check_token(token.expires + 1, &token.proof), Err(TokenRefused::Forged));
        assert_eq!(ours.check_token(token.expires, &token.proof[..15]), Err(TokenRefused::Forged));
        assert_eq!(ours.check_token(token.expires, &[]), Err(TokenRefused::Forged));
        let over = ours.token(Duration::ZERO);
        assert_eq!(ours.check_token(over.expires, &over.proof), Err(TokenRefused::Expired));
    }

    #[test]
    fn an_authority_on_disk_keeps_its_key_and_its_names() {
        let dir = tempfile::tempdir().unwrap();
        let first = Authority::create(dir.path()).unwrap();
        first.issue(&name("alpha")).unwrap();
        first.issue(&name("beta")).unwrap();
        let token = first.token(Duration::from_secs(60));
        assert!(Authority::create(dir.path()).is_err(), "a second authority must not replace the first");
        let again = Authority::load(dir.path()).unwrap();
        assert_eq!(again.ca_pem(), first.ca_pem());
        assert!(again.has_issued(&name("alpha")) && again.has_issued(&name("beta")));
        assert!(!again.has_issued(&name("gamma")));
        assert_eq!(again.check_token(token.expires, &token.proof), Ok(()));
        std::fs::write(dir.path().join(ISSUED_FILE), "Not A Name\n").unwrap();
        assert!(Authority::load(dir.path()).is_err());
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_request_gets_the_name_that_was_agreed_not_the_one_it_asks_for() {
        let authority = Authority::generate().unwrap();
        let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let asks = CertificateParams::new(vec!["victim".to_owned()]).unwrap();
        let csr = asks.serialize_request(&key).unwrap();
        let pem = authority.sign_request(&name("agreed"), csr.der()).await.unwrap();
        let certificate = identity::parse_certificate(&pem).unwrap();
        assert_eq!(identity::node_name(&certificate).unwrap(), name("agreed"));
        assert!(authority.sign_request(&name("other"), &csr.der()[1..]).await.is_err());
        let mut forged = csr.der().to_vec();
        *forged.last_mut().unwrap() ^= 1;
        assert!(authority.sign_request(&name("other"), &forged).await.is_err());
        assert!(!authority.has_issued(&name("other")));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_name_that_cannot_be_noted_is_not_given() {
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::create(&dir.path().join("a")).unwrap();
        let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let csr = CertificateParams::default().serialize_request(&key).unwrap();
        authority.sign_request(&name("beta"), csr.der()).await.unwrap();
        std::fs::remove_dir_all(dir.path().join("a")).unwrap();
        let error = authority.sign_request(&name("gamma"), csr.der()).await.unwrap_err();
        assert!(matches!(error, IdentityError::File { .. }), "{error}");
        assert!(authority.has_issued(&name("beta")) && !authority.has_issued(&name("gamma")));
        assert!(authority.issue(&name("gamma")).is_err());
        assert!(!authority.has_issued(&name("gamma")));
    }
}
