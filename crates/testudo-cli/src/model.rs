//! `testudo model`: scans, signs, verifies, compares and keeps models.

mod adapter;
mod attest;
mod attested;
mod bill;
mod bom;
mod files;
mod measured;
mod sarif;
mod scan;
mod sign;
mod trusted;
mod vault;
mod verify;
mod weights;

use std::io::{self, Write};
use std::path::Path;

use crate::arguments::model::Model;
use crate::environment::Variables;
use crate::exit::Exit;

/// The largest key or certificate file that is read.
const KEY_BYTES_MAX: usize = 16 << 20;
/// The largest signature that is read.
const SIGNATURE_BYTES_MAX: usize = 1 << 30;

pub(crate) async fn run(command: &Model, variables: &dyn Variables, out: &mut impl Write) -> anyhow::Result<Exit> {
    match command {
        Model::Scan(arguments) => scan::run(arguments, out),
        Model::Sign(arguments) => sign::run(arguments, out),
        Model::Verify(arguments) => verify::run(arguments, out),
        Model::Digest(arguments) => sign::digest(arguments, out),
        Model::Attest(arguments) => attest::run(arguments, variables, out).await,
        Model::VerifyAttestation(arguments) => attested::run(arguments, out),
        Model::Export(arguments) => vault::export(arguments, variables, out).await,
        Model::Import(arguments) => vault::import(arguments, variables, out).await,
        Model::Bom(arguments) => bom::run(arguments, variables, out).await,
        Model::Weights(arguments) => weights::run(arguments, out),
        Model::Push(arguments) => vault::push(arguments, variables, out).await,
        Model::Pull(arguments) => vault::pull(arguments, variables, out).await,
        Model::Open(arguments) => vault::open(arguments, variables).await,
        Model::List(arguments) => vault::list(arguments, variables, out).await,
        Model::Show(arguments) => vault::show(arguments, variables, out).await,
        Model::Diff(arguments) => vault::diff(arguments, variables, out).await,
        Model::Promote(arguments) => vault::state(&**arguments, variables, out).await,
        Model::Rollback(arguments) => vault::state(&**arguments, variables, out).await,
        Model::Approve(arguments) => vault::state(&**arguments, variables, out).await,
        Model::Hold(arguments) => vault::state(&**arguments, variables, out).await,
        Model::Release(arguments) => vault::state(&**arguments, variables, out).await,
        Model::Revoke(arguments) => vault::state(&**arguments, variables, out).await,
        Model::Gc(arguments) => vault::gc(arguments, variables, out).await,
        Model::SignAsAdapter(arguments) => adapter::sign(arguments, out),
        Model::VerifyAsAdapter(arguments) => adapter::verify(arguments, out),
        Model::VerifyFileAsAdapter(arguments) => adapter::verify_file(arguments),
    }
}

fn key_file(path: &Path) -> anyhow::Result<Vec<u8>> {
    Ok(testudo_bounded::read_file(path, KEY_BYTES_MAX)?)
}

fn complain(error: &anyhow::Error, exit: Exit) -> anyhow::Result<Exit> {
    writeln!(io::stderr(), "testudo: {error:#}")?;
    Ok(exit)
}
