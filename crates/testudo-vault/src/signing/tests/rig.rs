//! A model in a folder of its own, and keys that are made on the spot.

use std::fs;
use std::path::Path;

use aws_lc_rs::encoding::{AsDer, EcPrivateKeyRfc5915Der};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1_SIGNING, EcdsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tempfile::TempDir;
use testudo_types::UnixMillis;

use crate::signing::keys::Curve;
use crate::signing::*;

pub(super) struct Rig(TempDir);

/// A private key as people have it.
pub(super) struct Key(pub(super) String);

impl Rig {
    pub(super) fn empty() -> Self {
        Self(TempDir::new().unwrap())
    }

    pub(super) fn new() -> Self {
        let rig = Self::empty();
        rig.write("README.md", b"about it");
        rig.write("config.json", b"{}");
        rig.write("weights/a.bin", b"0123456789");
        rig.write(".git/HEAD", b"not signed");
        rig
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(super) fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    pub(super) fn model(&self) -> Model {
        Model::open(self.path(), Links::Refuse).unwrap()
    }

    pub(super) fn signed(&self, key: &Key) -> Vec<u8> {
        sign(&self.model(), &Signer::Key(key.signing()), &options(), &unwatched)
            .unwrap()
            .bundle
    }

    pub(super) fn compare(&self, verified: &Verified) -> Result<Comparison, CompareError> {
        verified.compare(&self.model(), &lookup(), &unwatched)
    }
}

impl Key {
    pub(super) fn signing(&self) -> SigningKey {
        SigningKey::from_pem(self.0.as_bytes()).unwrap()
    }

    pub(super) fn trust(&self) -> Trust {
        Trust::Key(self.signing().public().clone())
    }

    pub(super) fn verify(&self, bundle: &[u8]) -> Result<Verified, String> {
        Bundle::parse(bundle)
            .map_err(|error| error.to_string())?
            .verify(&self.trust(), Legacy::Refuse)
            .map_err(|error| format!("{error:?}"))
    }
}

pub(super) fn unwatched(_: Measured) {}

pub(super) fn options() -> SignOptions<'static> {
    SignOptions {
        scope: Scope::without_git(),
        method: Method::Files,
        hash: HashKind::Sha256,
        links: Links::Refuse,
        reference_names: false,
        earlier: None,
        now: UnixMillis(0),
    }
}

pub(super) fn lookup() -> Lookup {
    Lookup {
        scope: Scope::without_git(),
        unlisted: Unlisted::Refuse,
        links: Links::Refuse,
    }
}

pub(super) fn key(curve: Curve) -> Key {
    let algorithm = match curve {
        Curve::P256 => &ECDSA_P256_SHA256_ASN1_SIGNING,
        Curve::P384 => &ECDSA_P384_SHA384_ASN1_SIGNING,
        Curve::P521 => &ECDSA_P521_SHA512_ASN1_SIGNING,
    };
    let pair = EcdsaKeyPair::generate(algorithm).unwrap();
    let private = pair.private_key();
    let der = AsDer::<EcPrivateKeyRfc5915Der<'_>>::as_der(&private).unwrap();
    Key(format!(
        "-----BEGIN EC PRIVATE KEY-----\n{}\n-----END EC PRIVATE KEY-----\n",
        STANDARD.encode(der.as_ref())
    ))
}
