//! Bundles around other in-toto statements than those about a model's files.

use super::bundle::{Bundle, BundleError, Material};
use super::envelope::{PAYLOAD_TYPE, pae};
use super::keys::SignatureHash;
use super::sign::Signer;
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
        let signature = key
            .sign(&pae(PAYLOAD_TYPE, &statement))
            .map_err(|_| BundleError::Field("dsseEnvelope.signatures[0].sig"))?;
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
    /// When the signature is not by whom `trust` names.
    pub(crate) fn verified_statement(&self, trust: &Trust) -> Result<(&[u8], SignedBy), VerifyError> {
        let (key, by) = self.signer(trust)?;
        let message = pae(PAYLOAD_TYPE, &self.payload);
        if key.verifies(&message, &self.signature, SignatureHash::OfTheCurve) {
            Ok((&self.payload, by))
        } else {
            Err(VerifyError::Signature)
        }
    }
}
