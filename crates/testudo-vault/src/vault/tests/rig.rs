//! A vault in memory, models in folders, and an approver.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use object_store::path::Path as ObjectPath;
use tempfile::TempDir;
use testudo_recorder::FileKeyring;
use testudo_recorder::ship::Store;
use testudo_types::UnixMillis;

use super::faulty::Faulty;
use crate::signing::{
    Bundle, HashKind, Legacy, Links, Method, Model, Scope, SignOptions, Signed, Signer, SigningKey, Trust, Verified,
    digest, sign,
};
use crate::vault::*;

pub(super) struct Rig {
    pub(super) folder: TempDir,
    pub(super) store: Faulty,
}

pub(super) fn unwatched(_: crate::signing::Measured) {}

pub(super) fn name(text: &str) -> VaultName {
    VaultName::parse(text).unwrap()
}

pub(in crate::vault) fn key() -> SigningKey {
    let pair =
        aws_lc_rs::signature::EcdsaKeyPair::generate(&aws_lc_rs::signature::ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
    let document = pair.to_pkcs8v1().unwrap();
    let body = base64::engine::general_purpose::STANDARD.encode(document.as_ref());
    SigningKey::from_pem(format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n").as_bytes())
        .unwrap()
}

impl Rig {
    pub(super) fn new() -> Self {
        Self {
            folder: TempDir::new().unwrap(),
            store: Faulty::new(),
        }
    }

    /// The vault as a process sees it that works through `store`.
    pub(super) async fn vault_in(&self, store: &Faulty) -> Result<Vault, VaultError> {
        let keys = Arc::new(FileKeyring::open(self.folder.path().join("keys")).unwrap());
        let store = Store::other(Arc::new(store.clone()), ObjectPath::from("vault"), "memory");
        Vault::open_or_make(&store, keys).await
    }

    pub(super) async fn vault(&self) -> Vault {
        self.vault_in(&self.store).await.unwrap()
    }

    /// A model with these files.
    pub(super) fn model(&self, called: &str, files: &[(&str, &[u8])]) -> Model {
        let root = self.folder.path().join(called);
        for (name, content) in files {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        Model::open(&root, Links::Refuse).unwrap()
    }

    pub(super) fn to(&self, called: &str) -> PathBuf {
        self.folder.path().join(called)
    }

    pub(super) async fn push(&self, store: &Faulty, model: &Model) -> Result<Pushed, VaultError> {
        let vault = self.vault_in(store).await?;
        let artifact = vault.artifact_or_make(&name("m")).await?;
        let measured = measured(model);
        let push = Push {
            model,
            manifest: &measured.manifest,
            signature: None,
            evidence: None,
        };
        artifact.push(&push, &unwatched).await
    }

    pub(super) async fn pull(&self, store: &Faulty, version: VersionId, to: &Path) -> Result<Pulled, VaultError> {
        let vault = self.vault_in(store).await?;
        let artifact = vault.artifact(&name("m")).await?;
        let record = artifact.record(version).await?;
        artifact.pull(&record, to, &unwatched).await
    }
}

fn options() -> SignOptions<'static> {
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

pub(super) fn measured(model: &Model) -> Signed {
    digest(model, &options(), &unwatched).unwrap()
}

/// A model signed by a fresh key, and verified.
pub(super) fn signed(model: &Model) -> (Signed, Verified) {
    let key = key();
    let trust = Trust::Key(key.public().clone());
    let signed = sign(model, &Signer::Key(key), &options(), &unwatched).unwrap();
    let verified = Bundle::parse(&signed.bundle)
        .unwrap()
        .verify(&trust, Legacy::Refuse)
        .unwrap();
    (signed, verified)
}

/// Everything below a folder, by name.
pub(super) fn files(root: &Path) -> Vec<(String, Vec<u8>)> {
    let model = Model::open(root, Links::Refuse).unwrap();
    let walked = model.walk(&Scope::whole(), Links::Refuse).unwrap();
    let names = walked.files.iter().map(|it| &it.name);
    names
        .map(|it| (it.to_string(), fs::read(model.at(it)).unwrap()))
        .collect()
}
