//! Measures a model and signs what was measured.

use testudo_types::UnixMillis;

use super::bundle::{Bundle, BundleError, Material};
use super::certificates::Chain;
use super::compare::place;
use super::envelope::{PAYLOAD_TYPE, pae};
use super::hashing::HashKind;
use super::keys::{KeyError, SigningKey};
use super::manifest::{Manifest, Method, Resource};
use super::measure::{How, MeasureError, Measured, Piece, measure, pieces};
use super::scope::Scope;
use super::stamps::{Remembered, RememberedError};
use super::statement::{self, Names};
use super::tree::{Links, Model, TreeError, Warning};
use super::verify::Verified;

/// What signs.
#[derive(Debug)]
pub enum Signer {
    Key(SigningKey),
    /// A key with a certificate for it.
    Certificate(SigningKey, Chain),
}

impl Signer {
    fn key(&self) -> &SigningKey {
        match self {
            Self::Key(key) | Self::Certificate(key, _) => key,
        }
    }
}

/// How a model is measured and written down.
#[derive(Debug)]
pub struct SignOptions<'o> {
    pub scope: Scope,
    pub method: Method,
    pub hash: HashKind,
    pub links: Links,
    /// Pieces and single files are named as version 1.1 of the reference implementation names them, which it then
    /// verifies.
    pub reference_names: bool,
    /// A verified earlier signature and how the files looked then.
    pub earlier: Option<(&'o Verified, &'o Remembered)>,
    /// When this began.
    pub now: UnixMillis,
}

/// Why a model was not signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    #[error("the model cannot be read")]
    Tree(#[from] TreeError),
    #[error("the model cannot be measured")]
    Measure(#[from] MeasureError),
    #[error("the memory of the earlier signature cannot be used")]
    Remembered(#[from] RememberedError),
    #[error("the signed statement cannot be written")]
    Write(#[from] serde_json::Error),
    #[error("the bundle cannot be written")]
    Bundle(#[from] BundleError),
    #[error("the key cannot be used")]
    Key(#[from] KeyError),
}

/// What came of it.
#[derive(Debug)]
pub struct Signed {
    pub manifest: Manifest,
    /// Empty when nothing was signed.
    pub bundle: Vec<u8>,
    pub remembered: Remembered,
    pub warnings: Vec<Warning>,
    pub bytes: u64,
    /// Of these, how many were not read again.
    pub bytes_reused: u64,
}

/// Measures and signs.
///
/// # Errors
/// When a file cannot be read, changes meanwhile, or cannot be signed under its name.
pub fn sign(
    model: &Model,
    signer: &Signer,
    options: &SignOptions<'_>,
    watch: &(dyn Fn(Measured) + Sync),
) -> Result<Signed, SignError> {
    let mut signed = digest(model, options, watch)?;
    let names = if options.reference_names {
        Names::Reference
    } else {
        Names::Specification
    };
    signed.manifest.is_nameless = options.reference_names && model.is_single();
    let payload = statement::write(&signed.manifest, names)?;
    let signature = signer.key().sign(&pae(PAYLOAD_TYPE, &payload))?;
    let material = match signer {
        Signer::Key(key) => Material::Key {
            hint: Some(key.public().hint()),
        },
        Signer::Certificate(_, chain) => Material::Chain(chain.clone()),
    };
    signed.bundle = Bundle {
        material,
        payload,
        signature,
        stamps: Vec::new(),
    }
    .write()?;
    Ok(signed)
}

/// Measures alone.
///
/// # Errors
/// As [`sign`].
pub fn digest(
    model: &Model,
    options: &SignOptions<'_>,
    watch: &(dyn Fn(Measured) + Sync),
) -> Result<Signed, SignError> {
    let walked = model.walk(&options.scope, options.links)?;
    let all = pieces(&walked.files, options.method)?;
    if all.is_empty() {
        return Err(TreeError::Empty {
            path: model.path().to_owned(),
        }
        .into());
    }
    let mut known = match options.earlier {
        Some((earlier, remembered)) if earlier.manifest().hash == options.hash => {
            remembered.known(earlier, &walked.files, &all, options.method)?
        }
        _ => vec![None; all.len()],
    };
    let unread: Vec<Piece> = all
        .iter()
        .zip(&known)
        .filter_map(|(piece, digest)| digest.is_none().then_some(*piece))
        .collect();
    let how = How {
        hash: options.hash,
        links: options.links,
        watch,
    };
    let fresh = measure(model, &walked.files, &unread, how)?;
    for (slot, digest) in known.iter_mut().filter(|it| it.is_none()).zip(fresh) {
        *slot = Some(digest);
    }
    let resources = all.iter().zip(known).filter_map(|(piece, digest)| {
        Some(Resource {
            place: place(&walked.files, piece, options.method)?,
            digest: digest?,
        })
    });
    let mut manifest = Manifest {
        name: model.name().to_owned(),
        method: options.method,
        hash: options.hash,
        follows_links: options.links == Links::Follow,
        ignored: options.scope.written(),
        is_nameless: false,
        resources: resources.collect(),
    };
    manifest.sort();
    let bytes = sum(&all);
    Ok(Signed {
        remembered: Remembered::new(&manifest, &walked.files, options.now),
        manifest,
        bundle: Vec::new(),
        warnings: walked.warnings,
        bytes,
        bytes_reused: bytes.saturating_sub(sum(&unread)),
    })
}

fn sum(pieces: &[Piece]) -> u64 {
    pieces.iter().map(|it| it.end.saturating_sub(it.start)).sum()
}
