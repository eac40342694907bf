//! Which entries a command line asks for.

use anyhow::{Context as _, bail};
use testudo_ledger::entry::{Body, PrincipalPseudonym, SubjectPseudonym};
use testudo_recorder::query::Filter as Wanted;
use testudo_recorder::{FileKeyring, LogFolder, SubjectKind, Vault};
use testudo_types::{Clock, TenantId, UnixMillis, Verdict};

use crate::arguments::ledger::Filter;
use crate::config::quantity::duration_ms;
use crate::config::suggest::did_you_mean;

/// The command line's filter as the index understands it; `None` when nothing can fit.
pub(super) async fn wanted(filter: &Filter, log: &LogFolder, clock: &dyn Clock) -> anyhow::Result<Option<Wanted>> {
    let now = clock.wall();
    let mut wanted = Wanted {
        since: filter.since.as_deref().map(|text| time(text, now)).transpose()?,
        until: filter.until.as_deref().map(|text| time(text, now)).transpose()?,
        route: filter.route.clone(),
        rule: filter.rule.clone(),
        outcome: filter.outcome.clone(),
        ..Wanted::default()
    };
    if let Some(kind) = &filter.kind {
        if !Body::KINDS.contains(&kind.as_str()) {
            bail!(
                "there is no type `{kind}`; {}",
                did_you_mean(kind, Body::KINDS.iter().copied())
            );
        }
        wanted.kind = Some(kind.clone());
    }
    if let Some(verdict) = &filter.verdict {
        let known = [
            Verdict::Allow,
            Verdict::Warn,
            Verdict::Modify,
            Verdict::Escalate,
            Verdict::Deny,
        ];
        if !known.iter().any(|it| it.as_str() == verdict) {
            let remedy = did_you_mean(verdict, known.map(Verdict::as_str));
            bail!("there is no verdict `{verdict}`; {remedy}");
        }
        wanted.verdict = Some(verdict.clone());
    }
    if let Some(key) = &filter.key {
        let Some(principal) = principal(key, &filter.tenant, log).await? else {
            return Ok(None);
        };
        wanted.principal = Some(principal.to_string());
    }
    Ok(Some(wanted))
}

/// The pseudonym of a virtual key or of somebody who acted; `None` when no entry is about it.
async fn principal(key: &str, tenant: &str, log: &LogFolder) -> anyhow::Result<Option<PrincipalPseudonym>> {
    if key.starts_with(PrincipalPseudonym::PREFIX) {
        return Ok(Some(PrincipalPseudonym::parse(key)?));
    }
    let vault = vault(log).await?;
    let tenant = TenantId::parse(tenant)?;
    let of_tenant = vault.find_subject(Some(&tenant), SubjectKind::Principal, key).await?;
    // Those who work with the vault or administer the ledger are of no tenant.
    let of_none = vault.find_subject(None, SubjectKind::Principal, key).await?;
    let principal = |it: SubjectPseudonym| PrincipalPseudonym::from_bytes(*it.as_bytes());
    match (of_tenant.map(principal), of_none.map(principal)) {
        (Some(a), Some(b)) => bail!(
            "`{key}` is somebody of the tenant `{}` ({a}) and somebody of none ({b}); give the pseudonym",
            tenant.as_str()
        ),
        (found, other) => Ok(found.or(other)),
    }
}

/// The key store, to look names up in.
pub(super) async fn vault(log: &LogFolder) -> anyhow::Result<Vault> {
    let keyring = FileKeyring::open(log.root().join(testudo_gateway::server::KEK_FOLDER))?;
    let clock = testudo_gateway::system_clock::SystemClock::new();
    Ok(Vault::open(log.root(), std::sync::Arc::new(keyring), std::sync::Arc::new(clock)).await?)
}

/// A duration before now, or a moment in RFC 3339.
fn time(text: &str, now: UnixMillis) -> anyhow::Result<UnixMillis> {
    if let Ok(before) = duration_ms(text) {
        return Ok(UnixMillis(now.0.saturating_sub(before)));
    }
    let moment: jiff::Timestamp = text.parse().with_context(|| {
        format!("`{text}` is no time; write 1h, 30m or 7d for a time before now, or 2026-11-26T12:00:00Z")
    })?;
    Ok(UnixMillis(u64::try_from(moment.as_millisecond()).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_before_now_or_moments() {
        let now = UnixMillis(10_000_000);
        assert_eq!(time("1h", now).unwrap(), UnixMillis(6_400_000));
        assert_eq!(time("99999d", now).unwrap(), UnixMillis(0));
        assert_eq!(time("1970-01-01T00:00:01Z", now).unwrap(), UnixMillis(1_000));
        assert_eq!(time("1970-01-01T01:00:01+01:00", now).unwrap(), UnixMillis(1_000));
        assert_eq!(time("1960-01-01T00:00:00Z", now).unwrap(), UnixMillis(0));
        for bad in ["", "yesterday", "1", "1970-01-01", "12:00", "-1h"] {
            assert!(time(bad, now).unwrap_err().to_string().contains("is no time"), "{bad}");
        }
    }
}
