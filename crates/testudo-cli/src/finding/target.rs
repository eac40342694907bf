//! Which finding of which exchange is meant.

use anyhow::{Context as _, bail};
use testudo_ledger::entry::{Body, Direction as EntryDirection, Entry, Exchange, FindingCount};
use testudo_recorder::LogFolder;
use testudo_types::{Direction, ThreatKind};

use crate::config::suggest::did_you_mean;
use crate::ledger::require;

/// One finding as the ledger has it: counted, without place or text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// The place of the exchange's entry.
    pub(super) index: u64,
    pub(super) exchange: String,
    pub(super) operation: String,
    /// What the caller got.
    pub(super) status: u16,
    pub(super) rule: String,
    pub(super) kind: ThreatKind,
    pub(super) direction: Direction,
    /// The exchange's content is sealed beside its entry.
    pub(super) has_content: bool,
}

/// Finds what `EXCHANGE/FINDING` stands for.
pub(super) async fn find(target: &str, log: &LogFolder) -> anyhow::Result<Target> {
    let Some((id, finding)) = target
        .rsplit_once('/')
        .filter(|(id, finding)| !id.is_empty() && !finding.is_empty())
    else {
        bail!("`{target}` names no finding; write EXCHANGE/RULE, for example ex_01ab/injection.ignore-previous");
    };
    let index = require(log, id).await?;
    let entry = Entry::decode(&log.entry(index)?).context("the entry is of a newer version")?;
    let has_content = entry.payload.is_some();
    let Body::Exchange(exchange) = entry.body else {
        bail!(
            "entry {index} is a {} and has no findings; name an exchange",
            entry.body.kind()
        );
    };
    let count = chosen(&exchange, finding)?;
    let kind = ThreatKind::from_name(&count.kind);
    Ok(Target {
        index,
        rule: count.rule.clone(),
        kind: kind.with_context(|| {
            format!(
                "the finding is of the kind `{}`, which this version does not know",
                count.kind
            )
        })?,
        direction: match count.direction {
            EntryDirection::Request => Direction::Request,
            EntryDirection::Response => Direction::Response,
        },
        exchange: exchange.id,
        operation: exchange.operation,
        status: exchange.status,
        has_content,
    })
}

/// By its rule, or by its place in the list, counted from 1.
fn chosen<'e>(exchange: &'e Exchange, finding: &str) -> anyhow::Result<&'e FindingCount> {
    let all = &exchange.findings;
    if all.is_empty() {
        bail!("nothing was found in the exchange `{}`", exchange.id);
    }
    let found = match finding.parse::<usize>() {
        Ok(number) => number.checked_sub(1).and_then(|at| all.get(at)),
        Err(_) => all.iter().find(|it| it.rule == finding),
    };
    match found {
        Some(found) => Ok(found),
        None => bail!(
            "the exchange `{}` has no finding `{finding}`; {}",
            exchange.id,
            did_you_mean(finding, all.iter().map(|it| it.rule.as_str()))
        ),
    }
}
