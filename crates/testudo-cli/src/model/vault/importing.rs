//! `testudo model import`: takes a model out of an OCI layout, verifies it, and pushes it like any other.

use std::fs::{self, DirBuilder};
use std::io::Write;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use testudo_gateway::system_clock::SystemClock;
use testudo_types::Clock as _;
use testudo_vault::bill::Bill;
use testudo_vault::oci::{BILL_TYPE, BUNDLE_TYPE, Budget, Layout, Referrer};
use testudo_vault::signing::{Bundle, Legacy};

use crate::arguments::model::exchange::Import;
use crate::arguments::vault::Push;
use crate::environment::Variables;
use crate::exit::Exit;
use crate::model::attest::measure;
use crate::model::trusted::Trusted;

pub(crate) async fn import(
    arguments: &Import,
    variables: &dyn Variables,
    out: &mut impl Write,
) -> anyhow::Result<Exit> {
    if !arguments.unsigned && !arguments.trusting.anybody() {
        bail!("say whom you trust: --public-key, --certificate-chain or --sigstore; or take it --unsigned");
    }
    let work = Work::make(&crate::key::data_dir(&arguments.asked.place.store)?)?;
    let model = work.0.join("model");
    let (signature, bill) = take_out(arguments, &work.0, &model)?;
    if let Some(path) = &bill {
        let bill = Bill::parse(&testudo_bounded::read_file(path, BILL_BYTES_MAX)?)?;
        bill.covers(&measure(&model, &[], &[])?)
            .context("the bill of materials beside the model is of something else")?;
    }
    let push = pushing(arguments, model, signature, bill);
    super::moving::push(&push, variables, out).await
}

const BILL_BYTES_MAX: usize = 256 << 20;

fn pushing(arguments: &Import, model: PathBuf, signature: Option<PathBuf>, bom: Option<PathBuf>) -> Push {
    Push {
        model,
        artifact: arguments.artifact.clone(),
        signature,
        trusting: arguments.trusting.clone(),
        bom,
        report: arguments.report.clone(),
        unsigned: arguments.unsigned,
        ignore_paths: Vec::new(),
        asked: arguments.asked.clone(),
    }
}

/// Every file, each blob of it verified; the signature that is by whom is trusted; the bill.
fn take_out(arguments: &Import, work: &Path, model: &Path) -> anyhow::Result<(Option<PathBuf>, Option<PathBuf>)> {
    let layout = Layout::open(&arguments.oci_layout)?;
    let packed = layout.model(arguments.tag.as_deref())?;
    // Before anything is unpacked: what nobody trusted signed is not.
    let referrers = packed.referrers()?;
    let of = |kind: &'static str| referrers.iter().filter(move |it| it.artifact_type == kind);
    let signature = if arguments.unsigned {
        None
    } else {
        let trusted = Trusted::of(&arguments.trusting)?;
        let found = of(BUNDLE_TYPE).find(|it| is_by(it, &trusted));
        let Some(found) = found else {
            bail!(
                "none of the {} signatures beside the model is by whom you trust; --unsigned takes it without",
                of(BUNDLE_TYPE).count()
            );
        };
        Some(put(work, "model.sig", &found.content)?)
    };
    let mut bills = of(BILL_TYPE);
    let bill = match (bills.next(), bills.next()) {
        (None, _) => None,
        (Some(bill), None) => Some(put(work, "model.cdx.json", &bill.content)?),
        (Some(_), Some(_)) => bail!("there are two bills of materials beside the model"),
    };
    fs::create_dir(model).with_context(|| format!("cannot make `{}`", model.display()))?;
    let budget = Budget {
        bytes_max: arguments.bytes_max,
        ..Budget::default()
    };
    packed.unpack(model, budget)?;
    Ok((signature, bill))
}

fn is_by(referrer: &Referrer, trusted: &Trusted) -> bool {
    Bundle::parse(&referrer.content).is_ok_and(|bundle| trusted.verify(&bundle, Legacy::Refuse).is_ok())
}

fn put(work: &Path, name: &str, content: &[u8]) -> anyhow::Result<PathBuf> {
    let path = work.join(name);
    fs::write(&path, content).with_context(|| format!("cannot write `{}`", path.display()))?;
    Ok(path)
}

/// A folder that only this user can read, gone when dropped.
struct Work(PathBuf);

impl Work {
    fn make(data_dir: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(data_dir).with_context(|| format!("cannot make `{}`", data_dir.display()))?;
        let name = format!(".import-{}-{}", std::process::id(), SystemClock::new().wall().0);
        let path = data_dir.join(name);
        let made = DirBuilder::new().mode(0o700).create(&path);
        made.with_context(|| format!("cannot make `{}`", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        // What is left is the user's own, and the next import has another folder.
        let _gone = fs::remove_dir_all(&self.0);
    }
}
