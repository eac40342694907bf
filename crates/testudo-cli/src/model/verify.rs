//! `testudo model verify`.

use std::io::{self, Write};

use serde_json::{Value, json};
use testudo_vault::signing::{
    Bundle, CompareError, Comparison, Legacy, Lookup, Model, SignedBy, Unlisted, Verified, VerifyError,
};

use super::measured::{links, scope, told, watching};
use super::trusted::Trusted;
use super::{SIGNATURE_BYTES_MAX, complain};
use crate::arguments::Format;
use crate::arguments::model::Verify;
use crate::exit::{Exit, SignatureFault};
use crate::output::{counted, day_and_time, printable, size};

/// Names of one kind that are shown to people; the JSON has all.
const SHOWN_MAX: usize = 20;

pub(super) fn run(arguments: &Verify, out: &mut impl Write) -> anyhow::Result<Exit> {
    let trusted = match Trusted::of(&arguments.trusting) {
        Ok(trusted) => trusted,
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
    let verified = match trusted.verify(&bundle, legacy) {
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

/// Names of one kind, as far as people read them.
pub(super) fn list(out: &mut impl Write, what: &str, names: &[String]) -> io::Result<()> {
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
