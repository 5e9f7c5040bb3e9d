//! The text with which a new machine is let into a cluster.
//!
//! It holds the hash of the authority's certificate, by which the joiner knows the cluster, and a proof with an expiry,
//! by which the cluster knows the joiner. Whoever has the text may join until it expires: it is a secret.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Bytes of the proof in a token.
pub const PROOF_BYTES: usize = 16;
const PREFIX: &str = "mach1";

/// Lets a machine join: `mach1-<hash of the authority>-<expiry>-<proof>`, all in hexadecimal.
#[derive(Clone, PartialEq, Eq)]
pub struct JoinToken {
    /// SHA-256 of the authority's certificate in DER.
    pub ca_hash: [u8; 32],
    /// Seconds since 1970.
    pub expires: u64,
    /// The authority's proof over the expiry.
    pub proof: [u8; PROOF_BYTES],
}

impl fmt::Display for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}-{}-{:x}-{}", hex::encode(self.ca_hash), self.expires, hex::encode(self.proof))
    }
}

impl fmt::Debug for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}-{}-{:x}-…", hex::encode(self.ca_hash), self.expires)
    }
}

/// A text that is no join token.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("not a join token: it must be `mach1-` and three hexadecimal fields, as `mach cluster init` printed it")]
pub struct BadToken;

impl FromStr for JoinToken {
    type Err = BadToken;

    fn from_str(text: &str) -> Result<JoinToken, BadToken> {
        let mut fields = text.trim().split('-');
        let mut next = || fields.next().ok_or(BadToken);
        if next()? != PREFIX {
            return Err(BadToken);
        }
        let mut token = JoinToken { ca_hash: [0; 32], expires: 0, proof: [0; PROOF_BYTES] };
        hex::decode_to_slice(next()?, &mut token.ca_hash).map_err(|_| BadToken)?;
        let expires = next()?;
        if !expires.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(BadToken);
        }
        token.expires = u64::from_str_radix(expires, 16).map_err(|_| BadToken)?;
        hex::decode_to_slice(next()?, &mut token.proof).map_err(|_| BadToken)?;
        if fields.next().is_some() { Err(BadToken) } else { Ok(token) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_printed_token_is_read_back(ca_hash: [u8; 32], expires: u64, proof: [u8; PROOF_BYTES]) {
            let token = JoinToken { ca_hash, expires, proof };
            prop_assert_eq!(token.to_string().parse::<JoinToken>(), Ok(token));
        }

        #[test]
        fn no_text_breaks_the_reader(text in "\\PC*") {
            let _ = text.parse::<JoinToken>();
            let _ = format!("mach1-{text}").parse::<JoinToken>();
        }
    }

    #[test]
    fn a_token_that_was_cut_or_lengthened_is_refused() {
        let token = JoinToken { ca_hash: [7; 32], expires: 0x1234, proof: [9; PROOF_BYTES] }.to_string();
        assert!(token.parse::<JoinToken>().is_ok());
        assert_eq!(token[..token.len() - 1].parse::<JoinToken>(), Err(BadToken));
        assert_eq!(format!("{token}-00").parse::<JoinToken>(), Err(BadToken));
        assert_eq!(token.replace("1234", "+1234").parse::<JoinToken>(), Err(BadToken));
        assert_eq!(token.replace("mach1", "mach2").parse::<JoinToken>(), Err(BadToken));
    }

    #[test]
    fn a_token_in_a_log_does_not_show_its_proof() {
        let token = JoinToken { ca_hash: [7; 32], expires: 1, proof: [0xab; PROOF_BYTES] };
        assert!(!format!("{token:?}").contains("abab"));
    }
}
