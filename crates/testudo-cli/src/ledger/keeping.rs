//! `testudo ledger erase`, `hold`, `release`, `retain` and `rotate`.

use std::io::Write;

use testudo_recorder::control::{Erasure, LegalHold, Retention, Rotation};
use testudo_types::TenantId;

use super::Keeper;
use crate::arguments::ledger::{Erase, Hold, Retain, Rotate};
use crate::environment::Variables;
use crate::exit::Exit;

pub(super) async fn erase(arguments: &Erase, variables: &dyn Variables, out: &mut impl Write) -> anyhow::Result<Exit> {
    let erasure = Erasure {
        tenant: TenantId::parse(&arguments.tenant)?,
        subject: arguments.subject.clone(),
        basis: arguments.basis.clone(),
        request: arguments.request.clone(),
        approver: arguments.by.clone(),
    };
    let keeper = Keeper::find(&arguments.store, variables).await?;
    let done = keeper.custodian()?.erase(erasure).await;
    keeper.close().await;
    let erased = done?;
    writeln!(
        out,
        "the content of {} exchanges is erased, says entry {}; copies in backups are not",
        erased.payloads, erased.index
    )?;
    Ok(Exit::Done)
}

pub(super) async fn hold(arguments: &Hold, variables: &dyn Variables, out: &mut impl Write) -> anyhow::Result<Exit> {
    let hold = legal_hold(arguments)?;
    let keeper = Keeper::find(&arguments.store, variables).await?;
    let done = keeper.custodian()?.hold(hold).await;
    keeper.close().await;
    let index = done?.index;
    writeln!(
        out,
        "nothing of this person is deleted until the hold `{}` is released, says entry {index}",
        arguments.reason
    )?;
    Ok(Exit::Done)
}

pub(super) async fn release(arguments: &Hold, variables: &dyn Variables, out: &mut impl Write) -> anyhow::Result<Exit> {
    let hold = legal_hold(arguments)?;
    let keeper = Keeper::find(&arguments.store, variables).await?;
    let done = keeper.custodian()?.release(hold).await;
    keeper.close().await;
    let index = done?.index;
    writeln!(out, "the hold `{}` is released, says entry {index}", arguments.reason)?;
    Ok(Exit::Done)
}

fn legal_hold(arguments: &Hold) -> anyhow::Result<LegalHold> {
    Ok(LegalHold {
        tenant: TenantId::parse(&arguments.tenant)?,
        subject: arguments.subject.clone(),
        reason: arguments.reason.clone(),
        approver: arguments.by.clone(),
    })
}

pub(super) async fn retain(
    arguments: &Retain,
    variables: &dyn Variables,
    out: &mut impl Write,
) -> anyhow::Result<Exit> {
    let keeper = Keeper::find(&arguments.store, variables).await?;
    let retention = Retention {
        approver: arguments.by.clone(),
    };
    let done = keeper.custodian()?.retain(retention).await;
    keeper.close().await;
    let retained = done?;
    match retained.index {
        Some(index) => writeln!(
            out,
            "the content of {} exchanges is deleted, says entry {index}",
            retained.deleted
        )?,
        None => writeln!(out, "nothing was due")?,
    }
    if retained.held > 0 {
        writeln!(out, "{} were due and are kept because of legal holds", retained.held)?;
    }
    Ok(Exit::Done)
}

pub(super) async fn rotate(
    arguments: &Rotate,
    variables: &dyn Variables,
    out: &mut impl Write,
) -> anyhow::Result<Exit> {
    let rotation = Rotation {
        tenant: arguments.tenant.as_deref().map(TenantId::parse).transpose()?,
        approver: arguments.by.clone(),
    };
    let keeper = Keeper::find(&arguments.store, variables).await?;
    let done = keeper.custodian()?.rotate(rotation).await;
    keeper.close().await;
    let rotated = done?;
    writeln!(
        out,
        "{} keys are wrapped by the new key, says entry {}",
        rotated.wrapped, rotated.index
    )?;
    Ok(Exit::Done)
}
