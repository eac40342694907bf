//! `testudo model verify-attestation`.

use std::io::Write;

use serde_json::json;
use testudo_vault::attest::{Attested, AttestedError, Differences, Expected};

use super::attest::measure;
use super::complain;
use super::trusted::{Trusted, by};
use crate::arguments::Format;
use crate::arguments::model::attest::VerifyAttestation;
use crate::exit::{Exit, SignatureFault};
use crate::output::{counted, printable};

/// The largest attestation that is read.
const BYTES_MAX: usize = 96 << 20;

pub(super) fn run(arguments: &VerifyAttestation, out: &mut impl Write) -> anyhow::Result<Exit> {
    let trusted = match Trusted::of(&arguments.trusting) {
        Ok(trusted) => trusted,
        Err(error) => return complain(&error, Exit::BadInput),
    };
    let bytes = testudo_bounded::read_file(&arguments.attestation, BYTES_MAX)?;
    let attested = match trusted.attestation(&bytes) {
        Ok(attested) => attested,
        Err(error) => {
            let fault = match error {
                AttestedError::Signature(_) => SignatureFault::Untrusted,
                _ => SignatureFault::Malformed,
            };
            return refuse(arguments, fault, anyhow::Error::new(error), out);
        }
    };
    let manifest = measure(&arguments.model, &arguments.ignore_paths, &[&arguments.attestation])?;
    let differences = match attested.compare(&manifest) {
        Ok(differences) => differences,
        Err(error) => return refuse(arguments, SignatureFault::Malformed, anyhow::Error::new(error), out),
    };
    let expected = Expected {
        builder: arguments.builder.clone(),
        build_type: arguments.build_type.clone(),
        parameters: arguments.parameter.clone(),
        dependencies: arguments.dependencies.clone(),
    };
    let unexpected: Vec<String> = attested.expects(&expected).iter().map(ToString::to_string).collect();
    let fault = if !differences.is_empty() {
        Some(SignatureFault::Differs)
    } else if !unexpected.is_empty() {
        Some(SignatureFault::Refused)
    } else {
        None
    };
    tell(arguments, &attested, &differences, &unexpected, fault, out)?;
    Ok(fault.map_or(Exit::Done, Exit::NotSigned))
}

fn tell(
    arguments: &VerifyAttestation,
    attested: &Attested,
    differences: &Differences,
    unexpected: &[String],
    fault: Option<SignatureFault>,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let provenance = attested.provenance();
    if arguments.format == Format::Json {
        let value = json!({
            "verified": fault.is_none(),
            "fault": fault.map(SignatureFault::as_str),
            "signer": by(attested.by()),
            "builder": provenance.builder,
            "build_type": provenance.build_type,
            "external_parameters": provenance.external_parameters,
            "dependencies": provenance.dependencies,
            "started": provenance.started,
            "finished": provenance.finished,
            "files": provenance.subjects.len(),
            "missing": differences.missing,
            "changed": differences.changed,
            "unattested": differences.unattested,
            "unexpected": unexpected,
        });
        writeln!(out, "{value}")?;
    } else {
        let lists = [
            ("missing", differences.missing.as_slice()),
            ("changed", differences.changed.as_slice()),
            ("not attested", differences.unattested.as_slice()),
            ("not as expected", unexpected),
        ];
        let verdict = if fault.is_none() { "verified" } else { "refused" };
        writeln!(
            out,
            "{verdict}: {} from {}, by {}, attested by {}",
            counted(provenance.subjects.len(), "file"),
            counted(provenance.dependencies.len(), "input"),
            printable(&provenance.builder),
            printable(&by(attested.by()))
        )?;
        for (what, list) in lists {
            for name in list {
                writeln!(out, "  {what}: {}", printable(name))?;
            }
        }
    }
    Ok(())
}

fn refuse(
    arguments: &VerifyAttestation,
    fault: SignatureFault,
    error: anyhow::Error,
    out: &mut impl Write,
) -> anyhow::Result<Exit> {
    if arguments.format == Format::Json {
        let value = json!({ "verified": false, "fault": fault.as_str(), "error": format!("{error:#}") });
        writeln!(out, "{value}")?;
        return Ok(Exit::NotSigned(fault));
    }
    let error = error.context(format!("`{}` is refused", arguments.attestation.display()));
    complain(&error, Exit::NotSigned(fault))
}
