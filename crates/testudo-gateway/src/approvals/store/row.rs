//! One row of the `approvals` table as SQLite has it.

use std::collections::BTreeSet;

use sqlx::FromRow;
use sqlx::sqlite::SqliteRow;

use crate::approvals::seal::framed;

/// An approval; nothing of it is trusted before its texts open.
#[derive(Clone)]
pub(in crate::approvals) struct Row {
    pub(in crate::approvals) id: String,
    pub(in crate::approvals) state: String,
    pub(in crate::approvals) key: String,
    pub(in crate::approvals) tenant: String,
    pub(in crate::approvals) route: String,
    pub(in crate::approvals) exchange: String,
    pub(in crate::approvals) request: Option<Vec<u8>>,
    pub(in crate::approvals) policy: Vec<u8>,
    pub(in crate::approvals) quorum: i64,
    /// Names of groups, with a space between them.
    pub(in crate::approvals) approvers: String,
    pub(in crate::approvals) use_within: i64,
    pub(in crate::approvals) opened: i64,
    pub(in crate::approvals) expires: i64,
    pub(in crate::approvals) texts: Option<Vec<u8>>,
    pub(in crate::approvals) answer: Option<Vec<u8>>,
}

impl std::fmt::Debug for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Row")
            .field("id", &self.id)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

impl<'r> FromRow<'r, SqliteRow> for Row {
    fn from_row(row: &'r SqliteRow) -> Result<Self, sqlx::Error> {
        use sqlx::Row as _;
        Ok(Self {
            id: row.try_get("id")?,
            state: row.try_get("state")?,
            key: row.try_get("key")?,
            tenant: row.try_get("tenant")?,
            route: row.try_get("route")?,
            exchange: row.try_get("exchange")?,
            request: row.try_get("request")?,
            policy: row.try_get("policy")?,
            quorum: row.try_get("quorum")?,
            approvers: row.try_get("approvers")?,
            use_within: row.try_get("use_within")?,
            opened: row.try_get("opened")?,
            expires: row.try_get("expires")?,
            texts: row.try_get("texts")?,
            answer: row.try_get("answer")?,
        })
    }
}

impl Row {
    /// Everything that never changes: what is sealed opens with exactly these.
    pub(in crate::approvals) fn bound(&self) -> Vec<u8> {
        let (quorum, opened) = (self.quorum.to_be_bytes(), self.opened.to_be_bytes());
        let use_within = self.use_within.to_be_bytes();
        let mut parts: Vec<&[u8]> = vec![
            b"testudo approval",
            self.id.as_bytes(),
            self.key.as_bytes(),
            self.tenant.as_bytes(),
            self.route.as_bytes(),
            self.exchange.as_bytes(),
            self.request.as_deref().unwrap_or_default(),
            &self.policy,
            &quorum,
            &use_within,
            &opened,
        ];
        // What was kept before there were groups opens as it did then.
        if !self.approvers.is_empty() {
            parts.push(self.approvers.as_bytes());
        }
        framed(&parts)
    }

    /// The groups of which somebody has to approve.
    pub(in crate::approvals) fn groups(&self) -> BTreeSet<String> {
        self.approvers.split_whitespace().map(str::to_owned).collect()
    }

    /// Bytes of what is sealed.
    pub(in crate::approvals) fn bytes(&self) -> i64 {
        let len = |sealed: &Option<Vec<u8>>| sealed.as_ref().map_or(0, Vec::len);
        i64::try_from(len(&self.texts).saturating_add(len(&self.answer))).unwrap_or(i64::MAX)
    }
}
