//! `testudo model verify`.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::Context as _;
use serde_json::{Value, json};
use testudo_gateway::system_clock::SystemClock;
use testudo_types::Clock as _;
use testudo_vault::signing::{
    Bundle, CompareError, Comparison, Expiry, Legacy, Lookup, Model, Roots, SignedBy, SigstoreTrust, StampAuthorities,
    Trust, TrustedRoot, Unlisted, Verified, VerifyError, VerifyingKey,
};

use super::measured::{links, scope, told, watching};
use super::{SIGNATURE_BYTES_MAX, complain, key_file};
use crate::arguments::Format;
use crate::arguments::model::Verify;
use crate::exit::{Exit, SignatureFault};
use crate::output::{counted, day_and_time, printable, size};

/// Names of one kind that are shown to people; the JSON has all.
const SHOWN_MAX: usize = 20;

pub(super) fn run(arguments: &Verify, out: &mut impl Write) -> anyhow::Result<Exit> {
    let (trust, stamps) = match trust(arguments).and_then(|trust| Ok((trust, stamps(arguments)?))) {
        Ok(both) => both,
        Err(error) => return complain(&error, Exit::BadInput),
    };
    let path = &arguments.signature;
    let bytes = testudo_bounded::read_file(path, SIGNATURE_BYTES_MAX)?;
    let bundle = match Bundle::parse(&bytes) {
        Ok(bundle) => bundle,
        Err(error) => {
            let error = anyhow::Error::new(error).context(format!("`{}` is not a signature", path.display()));
            return refuse(arguments, SignatureFault::Malformed, &error, out);
        }
    };
    let legacy = if arguments.allow_legacy_v02 {
        Legacy::AcceptV02
    } else {
        Legacy::Refuse
    };
    let judged = match &stamps {
        None => bundle.verify(&trust, legacy),
        Some(authorities) => bundle.verify_stamped(&trust, legacy, authorities),
    };
    let verified = match judged {
        Ok(verified) => verified,
        Err(error) => {
            let fault = match error {
                VerifyError::Statement(_) => SignatureFault::Malformed,
                _ => SignatureFault::Untrusted,
            };
            return refuse(arguments, fault, &anyhow::Error::new(error), out);
        }
    };
    let links = links(arguments.allow_symlinks);
    let model = Model::open(&arguments.model, links)?;
    let lookup = Lookup {
        scope: scope(
            &model,
            arguments.no_ignore_git_paths,
            &arguments.ignore_paths,
            &[path.as_path(), &super::sign::seen_beside(path)],
        )?,
        unlisted: if arguments.ignore_unsigned_files {
            Unlisted::Ignore
        } else {
            Unlisted::Refuse
        },
        links,
    };
    let comparison = match watching(|watch| verified.compare(&model, &lookup, watch)) {
        Ok(comparison) => comparison,
        Err(
            error @ (CompareError::FollowsLinks
            | CompareError::ExcusedLoadable(_)
            | CompareError::Ignored(_)
            | CompareError::Single),
        ) => {
            return refuse(arguments, SignatureFault::Refused, &anyhow::Error::new(error), out);
        }
        Err(error) => return Err(error.into()),
    };
    tell(&verified, &comparison, arguments.format, out)?;
    if comparison.is_same() {
        Ok(Exit::Done)
    } else {
        Ok(Exit::NotSigned(SignatureFault::Differs))
    }
}

fn trust(arguments: &Verify) -> anyhow::Result<Trust> {
    if let Some(path) = &arguments.public_key {
        let key = VerifyingKey::from_pem(&key_file(path)?)
            .with_context(|| format!("the public key in `{}` cannot be used", path.display()))?;
        return Ok(Trust::Key(key));
    }
    if let (Some(path), Some(identity), Some(provider)) =
        (&arguments.trust_root, &arguments.identity, &arguments.identity_provider)
    {
        let root = TrustedRoot::parse(&key_file(path)?)
            .with_context(|| format!("the trusted root in `{}` cannot be used", path.display()))?;
        return Ok(Trust::Sigstore(Box::new(SigstoreTrust {
            root,
            identity: identity.clone(),
            provider: provider.clone(),
        })));
    }
    let pems = pems(&arguments.certificate_chain)?;
    let expiry = if arguments.accept_expired_certificate {
        Expiry::Ignored
    } else {
        Expiry::Now(SystemClock::new().wall())
    };
    let roots = Roots::from_pems(&pems).context("the given certificates cannot be used as roots")?;
    Ok(Trust::Roots(roots, expiry))
}

/// Whose time stamps are trusted, when one is wanted.
fn stamps(arguments: &Verify) -> anyhow::Result<Option<StampAuthorities>> {
    if arguments.timestamp_chain.is_empty() {
        return Ok(None);
    }
    let authorities = StampAuthorities::from_pems(&pems(&arguments.timestamp_chain)?)
        .context("the given certificates cannot be used for time stamps")?;
    Ok(Some(authorities))
}

fn pems(paths: &[PathBuf]) -> anyhow::Result<Vec<Vec<u8>>> {
    paths.iter().map(|path| key_file(path)).collect()
}

/// Nothing could be compared.
fn refuse(
    arguments: &Verify,
    fault: SignatureFault,
    error: &anyhow::Error,
    out: &mut impl Write,
) -> anyhow::Result<Exit> {
    if arguments.format == Format::Json {
        let value = json!({ "verified": false, "fault": fault.as_str(), "error": format!("{error:#}") });
        writeln!(out, "{value}")?;
        return Ok(Exit::NotSigned(fault));
    }
    complain(error, Exit::NotSigned(fault))
}

fn tell(verified: &Verified, comparison: &Comparison, format: Format, out: &mut impl Write) -> anyhow::Result<()> {
    for warning in &comparison.warnings {
        writeln!(io::stderr(), "testudo: {}", told(warning))?;
    }
    let manifest = verified.manifest();
    let same = comparison.is_same();
    let texts =
        |names: &[testudo_vault::signing::ResourceName]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    let unsigned = texts(&comparison.unsigned);
    let excused = texts(&comparison.excused);
    if format == Format::Json {
        let value = json!({
            "verified": same,
            "fault": (!same).then(|| SignatureFault::Differs.as_str()),
            "root": manifest.root_hex(),
            "name": manifest.name,
            "signer": signer(verified.by()),
            "stamped_at": verified.stamped().map(day_and_time),
            "files": comparison.files,
            "bytes": comparison.bytes,
            "missing": comparison.missing,
            "changed": comparison.changed,
            "unsigned": unsigned,
            "excused_by_signer": excused,
            "warnings": comparison.warnings.iter().map(told).collect::<Vec<_>>(),
        });
        writeln!(out, "{value}")?;
        return Ok(());
    }
    let by = match verified.by() {
        SignedBy::Sigstore {
            identity,
            provider,
            time,
            curve,
        } => format!(
            "by `{}` as `{}` knows it, at {} ({curve})",
            printable(identity),
            printable(provider),
            day_and_time(*time)
        ),
        SignedBy::Key { hint, curve } => format!("by key {hint} ({curve})"),
        SignedBy::Certificate { subject, curve } => format!("by certificate `{}` ({curve})", printable(subject)),
    };
    if same {
        let files = counted(comparison.files, "file");
        writeln!(out, "verified: {files} ({}), signed {by}", size(comparison.bytes))?;
        if let Some(time) = verified.stamped() {
            writeln!(out, "stamped: {}", day_and_time(time))?;
        }
        writeln!(out, "sha256:{}", manifest.root_hex())?;
    } else {
        writeln!(out, "not what was signed {by}")?;
    }
    list(out, "missing", &comparison.missing)?;
    list(out, "changed", &comparison.changed)?;
    list(out, "never signed", &unsigned)?;
    list(out, "excused by the signer, not verified", &excused)?;
    Ok(())
}

fn list(out: &mut impl Write, what: &str, names: &[String]) -> io::Result<()> {
    for name in names.iter().take(SHOWN_MAX) {
        writeln!(out, "  {what}: {}", printable(name))?;
    }
    match names.len().checked_sub(SHOWN_MAX) {
        None | Some(0) => Ok(()),
        Some(more) => writeln!(out, "  {what}: {more} more; --format json lists all"),
    }
}

fn signer(by: &SignedBy) -> Value {
    match by {
        SignedBy::Key { hint, curve } => json!({ "method": "key", "hint": hint, "curve": curve }),
        SignedBy::Certificate { subject, curve } => {
            json!({ "method": "certificate", "subject": subject, "curve": curve })
        }
        SignedBy::Sigstore {
            identity,
            provider,
            time,
            curve,
        } => json!({
            "method": "sigstore",
            "identity": identity,
            "identity_provider": provider,
            "signed_at": day_and_time(*time),
            "curve": curve,
        }),
    }
}
