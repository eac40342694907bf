//! Deletes what nothing needs any more: revoked versions, and content of no version.

use std::collections::BTreeSet;

use testudo_types::UnixMillis;

use super::VaultError;
use super::artifact::Artifact;
use super::names::VersionId;
use super::record::StoredFile;
use super::statement::Standing;

/// What a sweep deletes.
#[derive(Debug, Clone, Copy)]
pub struct Sweep<'s> {
    pub standing: &'s Standing,
    /// Content that was written later stays: a push may be under way, whose version is not visible yet.
    pub before: UnixMillis,
    /// Whether revoked versions that no alias means are deleted too.
    pub revoked: bool,
    /// Of these, versions that were pushed later stay.
    pub versions_before: UnixMillis,
    /// Of these, only this one is deleted.
    pub only: Option<VersionId>,
    /// Nothing is deleted, only told.
    pub dry_run: bool,
}

/// What a sweep deleted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Swept {
    pub versions: Vec<VersionId>,
    pub objects: usize,
    pub bytes: u64,
    /// Content of no version that is too young to be deleted.
    pub young: usize,
    /// Revoked versions that stay because they are held, or too young.
    pub kept: usize,
}

impl Artifact {
    /// Deletes what nothing needs.
    ///
    /// # Errors
    /// When a record cannot be read: then nothing is known to be unneeded. Or when the store fails.
    pub async fn sweep(&self, sweep: Sweep<'_>) -> Result<Swept, VaultError> {
        let mut swept = Swept::default();
        let meant: BTreeSet<VersionId> = sweep.standing.aliases().map(|(_, version)| version).collect();
        let mut needed = BTreeSet::new();
        for (version, pushed) in self.dated_versions().await? {
            let record = self.record(version).await?;
            let due = sweep.revoked
                && sweep.standing.is_revoked(version)
                && !meant.contains(&version)
                && sweep.only.is_none_or(|only| only == version);
            let stays = sweep.standing.is_held(version) || pushed >= millis(sweep.versions_before);
            if due && !stays {
                swept.versions.push(version);
            } else {
                swept.kept = swept.kept.saturating_add(usize::from(due));
                needed.extend(record.everything().map(StoredFile::object).map(ToOwned::to_owned));
            }
        }
        // Records first: a version that is visible is whole.
        for version in swept.versions.iter().filter(|_| !sweep.dry_run) {
            self.remove_record(*version).await?;
        }
        for object in self.objects.list(&self.path("objects")).await? {
            let id = object.name.rsplit('/').next().unwrap_or_default();
            if needed.contains(id) {
                continue;
            }
            if object.modified_ms >= millis(sweep.before) {
                swept.young = swept.young.saturating_add(1);
                continue;
            }
            if !sweep.dry_run {
                self.objects
                    .remove(&self.path(&format!("objects/{}", object.name)))
                    .await?;
            }
            swept.objects = swept.objects.saturating_add(1);
            swept.bytes = swept.bytes.saturating_add(object.bytes);
        }
        if !sweep.dry_run {
            self.objects.remove_unfinished(&self.path(""), millis(sweep.before))?;
        }
        Ok(swept)
    }
}

fn millis(at: UnixMillis) -> i64 {
    i64::try_from(at.0).unwrap_or(i64::MAX)
}
