//! `testudo model sign` and `testudo model digest`.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde_json::json;
use testudo_gateway::system_clock::SystemClock;
use testudo_types::Clock as _;
use testudo_vault::signing::{
    Bundle, Legacy, MethodKind, Model, Remembered, SignOptions, Signed, Signer, Trust, Verified, digest as measure,
    sign,
};

use super::measured::{scope, told, watching};
use super::{SIGNATURE_BYTES_MAX, complain, trusted};
use crate::arguments::Format;
use crate::arguments::model::{Digest, Sign};
use crate::exit::Exit;
use crate::output::{counted, printable, size};

pub(super) fn run(arguments: &Sign, out: &mut impl Write) -> anyhow::Result<Exit> {
    let signer = match trusted::signer(&arguments.by) {
        Ok(signer) => signer,
        Err(error) => return complain(&error, Exit::BadInput),
    };
    let earlier = match &arguments.reuse {
        Some(path) => Some(earlier(path, &signer)?),
        None => None,
    };
    let links = arguments.measured.links();
    let model = Model::open(&arguments.model, links)?;
    let seen = seen_beside(&arguments.signature);
    let mut own = vec![arguments.signature.as_path(), seen.as_path()];
    let earlier_seen = arguments.reuse.as_deref().map(seen_beside);
    own.extend(arguments.reuse.as_deref());
    own.extend(earlier_seen.as_deref());
    let options = SignOptions {
        scope: scope(
            &model,
            arguments.measured.no_ignore_git_paths,
            &arguments.measured.ignore_paths,
            &own,
        )?,
        method: arguments.measured.method(),
        hash: arguments.measured.hash(),
        links,
        reference_names: arguments.reference_names,
        earlier: earlier.as_ref().map(|(verified, remembered)| (verified, remembered)),
        now: SystemClock::new().wall(),
    };
    let signed = watching(|watch| sign(&model, &signer, &options, watch))?;
    if arguments.remember {
        replace(&seen, &signed.remembered.to_bytes()?)?;
    }
    replace(&arguments.signature, &signed.bundle)?;
    for warning in &signed.warnings {
        writeln!(io::stderr(), "testudo: {}", told(warning))?;
    }
    tell(&signed, Some(&arguments.signature), arguments.format, out)?;
    Ok(Exit::Done)
}

pub(super) fn digest(arguments: &Digest, out: &mut impl Write) -> anyhow::Result<Exit> {
    let links = arguments.measured.links();
    let model = Model::open(&arguments.model, links)?;
    let options = SignOptions {
        scope: scope(
            &model,
            arguments.measured.no_ignore_git_paths,
            &arguments.measured.ignore_paths,
            &[],
        )?,
        method: arguments.measured.method(),
        hash: arguments.measured.hash(),
        links,
        reference_names: false,
        earlier: None,
        now: SystemClock::new().wall(),
    };
    let measured = watching(|watch| measure(&model, &options, watch))?;
    tell(&measured, None, arguments.format, out)?;
    Ok(Exit::Done)
}

/// An earlier signature by the same key, and how the files looked then.
fn earlier(path: &Path, signer: &Signer) -> anyhow::Result<(Verified, Remembered)> {
    let bundle = Bundle::parse(&testudo_bounded::read_file(path, SIGNATURE_BYTES_MAX)?)
        .with_context(|| format!("`{}` is not an earlier signature", path.display()))?;
    if bundle.method() != MethodKind::Key {
        bail!("only an earlier signature by key can be used again; sign without --reuse");
    }
    let (Signer::Key(key) | Signer::Certificate(key, _)) = signer;
    let verified = bundle
        .verify(&Trust::Key(key.public().clone()), Legacy::Refuse)
        .with_context(|| format!("`{}` was not signed with this key", path.display()))?;
    let seen = seen_beside(path);
    let remembered = Remembered::parse(&testudo_bounded::read_file(&seen, SIGNATURE_BYTES_MAX)?)
        .with_context(|| format!("`{}` cannot be used; sign once with --remember", seen.display()))?;
    Ok((verified, remembered))
}

pub(super) fn seen_beside(signature: &Path) -> PathBuf {
    let mut name: OsString = signature.as_os_str().to_owned();
    name.push(".seen");
    name.into()
}

/// Puts a file in place whole or not at all.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let mut name: OsString = path.as_os_str().to_owned();
    name.push(".new");
    let fresh = PathBuf::from(name);
    let written = fs::write(&fresh, bytes).and_then(|()| fs::rename(&fresh, path));
    written.with_context(|| format!("cannot write `{}`", path.display()))
}

fn tell(signed: &Signed, signature: Option<&Path>, format: Format, out: &mut impl Write) -> anyhow::Result<()> {
    let manifest = &signed.manifest;
    let files = files(signed);
    if format == Format::Json {
        let value = json!({
            "root": manifest.root_hex(),
            "name": manifest.name,
            "hash": manifest.hash.as_str(),
            "files": files,
            "resources": manifest.resources.len(),
            "bytes": signed.bytes,
            "bytes_reused": signed.bytes_reused,
            "ignored": manifest.ignored,
            "signature": signature.map(|path| path.display().to_string()),
            "warnings": signed.warnings.iter().map(told).collect::<Vec<_>>(),
        });
        writeln!(out, "{value}")?;
        return Ok(());
    }
    writeln!(out, "sha256:{}", manifest.root_hex())?;
    if let Some(signature) = signature {
        let reused = match signed.bytes_reused {
            0 => String::new(),
            bytes => format!(", {} of them not read again", size(bytes)),
        };
        writeln!(
            out,
            "signed {} ({}{reused}) into {}",
            counted(files, "file"),
            size(signed.bytes),
            printable(&signature.display().to_string())
        )?;
    }
    Ok(())
}

fn files(signed: &Signed) -> usize {
    let mut names: Vec<_> = signed.manifest.resources.iter().map(|it| it.place.file()).collect();
    names.sort();
    names.dedup();
    names.len()
}
