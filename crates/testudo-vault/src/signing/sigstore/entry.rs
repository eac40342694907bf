//! Entries of a log: read from a bundle, and shown to be in the log.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use testudo_bounded::json::Node;
use testudo_ledger::Hash;
use testudo_ledger::checkpoint::SignedCheckpoint;
use testudo_ledger::tree::check_inclusion;
use testudo_types::UnixMillis;

use super::SigstoreError;
use super::root::{Log, TrustedRoot};
use crate::hex;
use crate::signing::bundle::{BYTES_MAX, BundleError, array, decoded, object, string};

/// Hashes of one proof: enough for every log.
const HASHES_MAX: usize = 64;

/// What a bundle says about one entry; nothing of it is believed.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    log: Vec<u8>,
    index: u64,
    pub(super) kind: String,
    pub(super) version: String,
    integrated: Option<u64>,
    promise: Option<Vec<u8>>,
    proof: Option<Proof>,
    pub(super) body: Vec<u8>,
}

#[derive(Debug, Clone)]
struct Proof {
    index: u64,
    size: u64,
    root: Hash,
    hashes: Vec<Hash>,
    checkpoint: String,
}

impl Entry {
    pub(crate) fn read(node: Node<'_>) -> Result<Self, BundleError> {
        let log = object(node, "logId", "tlogEntries[].logId")?;
        let kind = object(node, "kindVersion", "tlogEntries[].kindVersion")?;
        let promise = match node.get("inclusionPromise").filter(|it| !it.is_null()) {
            None => None,
            Some(it) => Some(decoded(
                it,
                "signedEntryTimestamp",
                "tlogEntries[].inclusionPromise",
                BYTES_MAX,
            )?),
        };
        let integrated = match node.get("integratedTime") {
            None => None,
            Some(it) => Some(number(it).ok_or(BundleError::Field("tlogEntries[].integratedTime"))?),
        };
        let proof = match node.get("inclusionProof").filter(|it| !it.is_null()) {
            None => None,
            Some(it) => Some(Proof::read(it)?),
        };
        Ok(Self {
            log: decoded(log, "keyId", "tlogEntries[].logId.keyId", BYTES_MAX)?,
            index: required(node, "logIndex", "tlogEntries[].logIndex")?,
            kind: string(kind, "kind", "tlogEntries[].kindVersion.kind")?,
            version: string(kind, "version", "tlogEntries[].kindVersion.version")?,
            integrated: integrated.filter(|time| *time != 0),
            promise,
            proof,
            body: decoded(node, "canonicalizedBody", "tlogEntries[].canonicalizedBody", 1 << 20)?,
        })
    }

    /// Shows that it is in a trusted log; returns the log, and when that promised to have taken it.
    pub(super) fn logged<'r>(
        &self,
        root: &'r TrustedRoot,
        needs_proof: bool,
    ) -> Result<(&'r Log, Option<UnixMillis>), SigstoreError> {
        let mut logs = root.entry_logs.iter();
        let log = logs.find(|log| log.id.as_slice() == self.log);
        let log = log.ok_or(SigstoreError::UnknownLog)?;
        let time = match &self.promise {
            Some(promise) => Some(self.promised(log, promise)?),
            None => None,
        };
        match &self.proof {
            Some(proof) => proof.check(log, &self.body)?,
            None if needs_proof || time.is_none() => return Err(SigstoreError::NoProof),
            None => {}
        }
        Ok((log, time))
    }

    /// When the log says that it took the entry; only its promise makes that more than a claim.
    fn promised(&self, log: &Log, promise: &[u8]) -> Result<UnixMillis, SigstoreError> {
        let seconds = self.integrated.ok_or(SigstoreError::Promise)?;
        let signed = format!(
            "{{\"body\":\"{}\",\"integratedTime\":{seconds},\"logID\":\"{}\",\"logIndex\":{}}}",
            STANDARD.encode(&self.body),
            hex::encode(&self.log),
            self.index
        );
        if !log.verifies(signed.as_bytes(), promise) {
            return Err(SigstoreError::Promise);
        }
        let time = UnixMillis(seconds.saturating_mul(1_000));
        if log.span.holds(time) {
            Ok(time)
        } else {
            Err(SigstoreError::LogSpan)
        }
    }
}

impl Proof {
    fn read(node: Node<'_>) -> Result<Self, BundleError> {
        let hash = |bytes: Vec<u8>, path| {
            <[u8; 32]>::try_from(bytes)
                .map(Hash::from_bytes)
                .map_err(|_| BundleError::Field(path))
        };
        let path = "tlogEntries[].inclusionProof.rootHash";
        let root = hash(decoded(node, "rootHash", path, BYTES_MAX)?, path)?;
        let path = "tlogEntries[].inclusionProof.hashes";
        // The proof of the only entry of a log has no hashes, and then the field may be missing.
        let mut hashes = Vec::new();
        if node.get("hashes").is_some() {
            for item in array(node, "hashes", path)?.items() {
                if hashes.len() >= HASHES_MAX {
                    return Err(BundleError::Field(path));
                }
                let text = item.as_str().ok_or(BundleError::Field(path))?;
                let bytes = STANDARD.decode(&*text).map_err(|_| BundleError::Field(path))?;
                hashes.push(hash(bytes, path)?);
            }
        }
        let path = "tlogEntries[].inclusionProof.checkpoint";
        let checkpoint = object(node, "checkpoint", path)?;
        Ok(Self {
            index: required(node, "logIndex", "tlogEntries[].inclusionProof.logIndex")?,
            size: required(node, "treeSize", "tlogEntries[].inclusionProof.treeSize")?,
            root,
            hashes,
            checkpoint: string(checkpoint, "envelope", path)?,
        })
    }

    /// That the body is a leaf of a tree whose root the log has signed.
    fn check(&self, log: &Log, body: &[u8]) -> Result<(), SigstoreError> {
        let signed = SignedCheckpoint::parse(self.checkpoint.as_bytes()).map_err(SigstoreError::CheckpointShape)?;
        let checkpoint = signed.checkpoint();
        let mine = signed.note().signatures().iter().any(|signature| {
            let named = signature.name().as_str() == log.host;
            let as_origin = !log.signs_as_origin() || signature.name().as_str() == checkpoint.origin();
            let by_key = log.id.starts_with(signature.hash().as_bytes());
            named && as_origin && by_key && log.verifies(signed.note().text().as_bytes(), signature.bytes())
        });
        if !mine {
            return Err(SigstoreError::Checkpoint);
        }
        if checkpoint.size() != self.size || *checkpoint.root() != self.root {
            return Err(SigstoreError::OtherCheckpoint);
        }
        check_inclusion(&Hash::leaf(body), self.index, self.size, &self.hashes, &self.root)
            .map_err(SigstoreError::Proof)
    }
}

fn required(node: Node<'_>, key: &str, path: &'static str) -> Result<u64, BundleError> {
    node.get(key).and_then(number).ok_or(BundleError::Field(path))
}

/// A whole number, which the JSON of protocol buffers writes as a text.
fn number(node: Node<'_>) -> Option<u64> {
    match node.as_str() {
        Some(text) => text.parse().ok().filter(|it: &u64| it.to_string() == text),
        None => node.as_u64(),
    }
}
