//! Bundles around other in-toto statements than those about a model's files.

use super::bundle::{Bundle, BundleError, Material};
use super::envelope::{PAYLOAD_TYPE, pae};
use super::keys::SignatureHash;
use super::sign::Signer;
use super::stamped::StampAuthorities;
use super::verify::{SignedBy, Trust, VerifyError};

impl Bundle {
    /// A bundle around a statement, in JSON.
    ///
    /// # Errors
    /// When the key does not sign.
    pub(crate) fn around(statement: Vec<u8>, signer: &Signer) -> Result<Vec<u8>, BundleError> {
        let (key, material) = match signer {
            Signer::Key(key) => {
                let hint = Some(key.public().hint());
                (key, Material::Key { hint })
            }
            Signer::Certificate(key, chain) => (key, Material::Chain(chain.clone())),
        };
        let signature = key.sign(&pae(PAYLOAD_TYPE, &statement))?;
        Self {
            material,
            payload: statement,
            signature,
            stamps: Vec::new(),
        }
        .write()
    }

    /// The statement, whatever it is about, once it is known who signed it.
    ///
    /// # Errors
    /// When the signature is not by whom `trust` names, or no authority in `stamped` stamped it.
    pub(crate) fn verified_statement(
        &self,
        trust: &Trust,
        stamped: Option<&StampAuthorities>,
    ) -> Result<(&[u8], SignedBy), VerifyError> {
        let (key, by) = match stamped {
            None => self.signer(trust)?,
            Some(authorities) => self.signer(&self.at_its_stamp(trust, authorities)?.0)?,
        };
        let message = pae(PAYLOAD_TYPE, &self.payload);
        if key.verifies(&message, &self.signature, SignatureHash::OfTheCurve) {
            Ok((&self.payload, by))
        } else {
            Err(VerifyError::Signature)
        }
    }
}
