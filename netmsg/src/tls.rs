//! TLS 1.3 between nodes: both sides show a certificate of the cluster's authority, or there is no connection.
//!
//! 1. No name is looked at while a certificate is verified: the name *in* it is what the peer is called afterwards
//!    ([`peer_name`]). Who dials a certain node compares that name itself.
//! 2. A node that holds the authority also answers connections without a client certificate, for joiners; the protocol
//!    negotiated ([`Alpn`]) then decides, and only [`Alpn::Join`] goes without.

use std::sync::Arc;

use proto::NodeName;
use quinn::crypto::rustls::{HandshakeData, QuicClientConfig, QuicServerConfig};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{CertificateError, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::authority::ca_hash;
use crate::identity::{Identity, IdentityError, node_name};

/// What both sides put into the name field of the handshake, where it means nothing.
pub(crate) const SERVER_NAME: &str = "mach";

/// What a connection is for, as negotiated in its handshake.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Alpn {
    /// A link between two nodes.
    Link,
    /// A machine that wants to become a node.
    Join,
    /// The bare transport, to be measured.
    Raw,
}

impl Alpn {
    const ALL: [Alpn; 3] = [Alpn::Link, Alpn::Join, Alpn::Raw];

    fn bytes(self) -> &'static [u8] {
        match self {
            Alpn::Link => b"mach/1",
            Alpn::Join => b"mach-join/1",
            Alpn::Raw => b"mach-raw/1",
        }
    }

    /// What was negotiated on an established connection.
    pub(crate) fn of(connection: &quinn::Connection) -> Option<Alpn> {
        let data = connection.handshake_data()?.downcast::<HandshakeData>().ok()?;
        let protocol = data.protocol?;
        Alpn::ALL.into_iter().find(|a| a.bytes() == protocol)
    }
}

/// The name in the certificate that the peer of an established connection has shown.
pub(crate) fn peer_name(connection: &quinn::Connection) -> Option<NodeName> {
    let chain = connection.peer_identity()?.downcast::<Vec<CertificateDer<'static>>>().ok()?;
    node_name(chain.first()?).ok()
}

/// The accepting side. With `alpns` containing [`Alpn::Join`], peers without a certificate come through as well.
pub(crate) fn server_config(identity: &Identity, alpns: &[Alpn]) -> Result<QuicServerConfig, IdentityError> {
    let provider = Arc::new(ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots(identity)?), provider.clone());
    let verifier = if alpns.contains(&Alpn::Join) { verifier.allow_unauthenticated() } else { verifier };
    let verifier = verifier.build().map_err(|e| IdentityError::Certificate(e.to_string()))?;
    let mut tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain(identity)?, identity.key()?)?;
    tls.alpn_protocols = alpns.iter().map(|a| a.bytes().to_vec()).collect();
    tls.send_tls13_tickets = 0;
    tls.max_early_data_size = 0;
    QuicServerConfig::try_from(tls).map_err(|e| IdentityError::Certificate(e.to_string()))
}

/// The dialing side of a node.
pub(crate) fn client_config(identity: &Identity, alpn: Alpn) -> Result<QuicClientConfig, IdentityError> {
    let verifier = ChainVerifier::new(Trust::Roots(roots(identity)?));
    let mut tls = builder(verifier)?.with_client_auth_cert(chain(identity)?, identity.key()?)?;
    tls.alpn_protocols = vec![alpn.bytes().to_vec()];
    tls.resumption = rustls::client::Resumption::disabled();
    QuicClientConfig::try_from(tls).map_err(|e| IdentityError::Certificate(e.to_string()))
}

/// The dialing side of a machine that has only a token: it trusts an authority by the hash of its certificate.
pub(crate) fn join_config(ca_hash: [u8; 32]) -> Result<QuicClientConfig, IdentityError> {
    QuicClientConfig::try_from(join_tls(ca_hash)?).map_err(|e| IdentityError::Certificate(e.to_string()))
}

pub(crate) fn join_tls(ca_hash: [u8; 32]) -> Result<rustls::ClientConfig, IdentityError> {
    let mut tls = builder(ChainVerifier::new(Trust::Hash(ca_hash)))?.with_no_client_auth();
    tls.alpn_protocols = vec![Alpn::Join.bytes().to_vec()];
    tls.resumption = rustls::client::Resumption::disabled();
    Ok(tls)
}

type ClientBuilder = rustls::ConfigBuilder<rustls::ClientConfig, rustls::client::WantsClientCert>;

fn builder(verifier: ChainVerifier) -> Result<ClientBuilder, IdentityError> {
    Ok(rustls::ClientConfig::builder_with_provider(verifier.provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier)))
}

/// The node's certificate, then the authority's: a joiner has to see the latter to compare it with its token.
fn chain(identity: &Identity) -> Result<Vec<CertificateDer<'static>>, IdentityError> {
    Ok(vec![identity.certificate()?, identity.authority()?])
}

fn roots(identity: &Identity) -> Result<RootCertStore, IdentityError> {
    root(identity.authority()?).map_err(|e| IdentityError::Certificate(format!("the authority's certificate: {e}")))
}

fn root(ca: CertificateDer<'static>) -> Result<RootCertStore, rustls::Error> {
    let mut store = RootCertStore::empty();
    store.add(ca)?;
    Ok(store)
}

/// Verifies that a server's certificate was issued by the one authority we trust, whatever name it carries.
#[derive(Debug)]
struct ChainVerifier {
    trust: Trust,
    provider: Arc<CryptoProvider>,
}

#[derive(Debug)]
enum Trust {
    Roots(RootCertStore),
    Hash([u8; 32]),
}

impl ChainVerifier {
    fn new(trust: Trust) -> ChainVerifier {
        ChainVerifier { trust, provider: Arc::new(ring::default_provider()) }
    }

    fn verify(&self, leaf: &CertificateDer<'_>, roots: &RootCertStore, now: UnixTime) -> Result<(), rustls::Error> {
        let algorithms = self.provider.signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&ParsedCertificate::try_from(leaf)?, roots, &[], now, algorithms)
    }
}

impl ServerCertVerifier for ChainVerifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match &self.trust {
            Trust::Roots(roots) => self.verify(leaf, roots, now)?,
            Trust::Hash(hash) => {
                let ca = others.iter().find(|c| ca_hash(c) == *hash).ok_or(CertificateError::UnknownIssuer)?;
                self.verify(leaf, &root(ca.clone().into_owned())?, now)?;
            }
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authority::Authority;

    fn verified(trust: Trust, identity: &Identity, others: &[CertificateDer<'static>]) -> bool {
        let name = ServerName::try_from(SERVER_NAME).unwrap();
        let leaf = identity.certificate().unwrap();
        ChainVerifier::new(trust).verify_server_cert(&leaf, others, &name, &[], UnixTime::now()).is_ok()
    }

    #[test]
    fn only_certificates_of_the_trusted_authority_are_verified() {
        let (ours, other) = (Authority::generate().unwrap(), Authority::generate().unwrap());
        let name = NodeName::new("alpha").unwrap();
        let (good, foreign) = (ours.issue(&name).unwrap(), other.issue(&name).unwrap());
        let trust = || Trust::Roots(roots(&good).unwrap());
        assert!(verified(trust(), &good, &[]));
        assert!(!verified(trust(), &foreign, &[]));
        assert!(!verified(trust(), &foreign, &[good.authority().unwrap()]));
    }

    #[test]
    fn a_token_s_hash_picks_the_authority_and_the_leaf_must_be_its_own() {
        let (ours, other) = (Authority::generate().unwrap(), Authority::generate().unwrap());
        let name = NodeName::new("alpha").unwrap();
        let (good, foreign) = (ours.issue(&name).unwrap(), other.issue(&name).unwrap());
        let ca = good.authority().unwrap();
        let trust = || Trust::Hash(ca_hash(&ca));
        assert!(verified(trust(), &good, std::slice::from_ref(&ca)));
        assert!(!verified(trust(), &good, &[]), "the authority's certificate has to be shown");
        assert!(!verified(trust(), &foreign, std::slice::from_ref(&ca)));
        assert!(!verified(trust(), &foreign, &[foreign.authority().unwrap()]));
    }
}
