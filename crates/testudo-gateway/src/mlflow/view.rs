//! One artifact as somebody may see it: its versions by number, its aliases, and what may be had.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};
use testudo_vault::vault::{Artifact, Numbered, Record, Standing, VaultName, VersionId};

use super::rights::{Asking, may_follow};
use crate::settings::MlflowSettings;

/// An artifact whose statements were verified.
pub(super) struct View {
    pub(super) artifact: Artifact,
    pub(super) standing: Arc<Standing>,
    /// The versions that are in the vault.
    pub(super) kept: BTreeSet<VersionId>,
}

/// A version, as clients are told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) name: String,
    pub(super) number: u64,
    pub(super) version: VersionId,
    pub(super) created: u64,
    pub(super) updated: u64,
    user: String,
    reason: String,
    statement: u64,
    aliases: Vec<String>,
    /// What its record says, where that was opened.
    tags: Vec<(&'static str, String)>,
}

impl View {
    pub(super) fn name(&self) -> &VaultName {
        self.artifact.name()
    }

    /// The version that a number means.
    pub(super) fn numbered(&self, number: u64) -> Option<VersionId> {
        let versions = self.standing.numbered();
        versions.iter().find(|it| it.number == number).map(|it| it.version)
    }

    /// Every version that somebody may have, by number.
    pub(super) fn readable(&self, asking: &Asking, settings: &MlflowSettings) -> Vec<Told> {
        let versions = self.standing.numbered().into_iter().filter(|it| {
            self.kept.contains(&it.version)
                && !self.standing.is_revoked(it.version)
                && asking.may_read(settings, self.name(), &self.standing.stages(it.version))
        });
        versions.map(|it| self.told(&it, settings)).collect()
    }

    /// One version, as clients are told of it; `None` when no statement names it.
    pub(super) fn tell(&self, version: VersionId, settings: &MlflowSettings) -> Option<Told> {
        let versions = self.standing.numbered();
        let found = versions.iter().find(|it| it.version == version)?;
        Some(self.told(found, settings))
    }

    fn told(&self, it: &Numbered<'_>, settings: &MlflowSettings) -> Told {
        let approvers = &settings.vault.approvers;
        let user = approvers.name(&it.first.key).unwrap_or(&it.first.approver);
        let aliases = self.standing.stages(it.version);
        let followed = |alias: &String| self.is_followed(alias, settings);
        Told {
            name: self.name().to_string(),
            number: it.number,
            version: it.version,
            created: it.first.at.0,
            updated: it.last.at.0,
            user: user.to_owned(),
            reason: it.first.reason.clone(),
            statement: it.first.sequence,
            aliases: aliases.into_iter().filter(followed).collect(),
            tags: Vec::new(),
        }
    }

    fn is_followed(&self, alias: &str, settings: &MlflowSettings) -> bool {
        let alias = VaultName::parse(alias);
        alias.is_ok_and(|alias| may_follow(settings, self.name(), &alias, &self.standing))
    }

    /// When the first and the last statement was made.
    pub(super) fn times(&self) -> (u64, u64) {
        let at = |statement: Option<&testudo_vault::vault::Statement>| statement.map_or(0, |it| it.at.0);
        let statements = self.standing.statements();
        (at(statements.first()), at(statements.last()))
    }

    /// The artifact as MLflow's registered model.
    pub(super) fn model(&self, readable: &[Told]) -> Value {
        let (created, updated) = self.times();
        let aliases = readable.iter().flat_map(|version| {
            let number = version.number.to_string();
            version
                .aliases
                .iter()
                .map(move |alias| json!({"alias": alias, "version": number}))
        });
        let latest: Vec<Value> = readable.last().map(Told::json).into_iter().collect();
        json!({
            "name": self.name().as_str(),
            "creation_timestamp": created,
            "last_updated_timestamp": updated,
            "latest_versions": latest,
            "aliases": aliases.collect::<Vec<_>>(),
        })
    }
}

impl Told {
    /// With what the record of the version says.
    pub(super) fn with(mut self, record: &Record) -> Self {
        self.tags = vec![
            ("testudo.root", record.root().to_owned()),
            ("testudo.bytes", record.bytes().to_string()),
        ];
        self.tags
            .extend(record.signer().map(|it| ("testudo.signer", it.to_owned())));
        self
    }

    /// Whether an alias that may be followed means it.
    pub(super) fn has_alias(&self, alias: &str) -> bool {
        self.aliases.iter().any(|it| it == alias)
    }

    /// The value of a tag.
    pub(super) fn tag(&self, key: &str) -> Option<String> {
        let (_, value) = self.all_tags().into_iter().find(|(found, _)| *found == key)?;
        Some(value)
    }

    fn all_tags(&self) -> Vec<(&'static str, String)> {
        let mut tags = vec![
            ("testudo.version", self.version.to_string()),
            ("testudo.statement", self.statement.to_string()),
        ];
        tags.extend(self.tags.iter().cloned());
        tags
    }

    /// Where the version is, in the vault's own words.
    pub(super) fn source(&self) -> String {
        format!("testudo-vault:{}@{}", self.name, self.version)
    }

    /// As MLflow's model version.
    pub(super) fn json(&self) -> Value {
        let tags = self
            .all_tags()
            .into_iter()
            .map(|(key, value)| json!({"key": key, "value": value}));
        json!({
            "name": self.name,
            "version": self.number.to_string(),
            "creation_timestamp": self.created,
            "last_updated_timestamp": self.updated,
            "current_stage": "None",
            "description": self.reason,
            "user_id": self.user,
            "source": self.source(),
            "status": "READY",
            "tags": tags.collect::<Vec<_>>(),
            "aliases": self.aliases,
        })
    }
}
