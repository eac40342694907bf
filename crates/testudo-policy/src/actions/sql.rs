//! Statements for databases.

use std::collections::BTreeSet;

use super::{ANYTHING, insert};

/// The language of a database; chosen in a tool's specification.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SqlDialect {
    /// Not said: a statement has to mean the same in every language below.
    #[default]
    Any,
    Ansi,
    Postgres,
    MySql,
    Sqlite,
    MsSql,
    Snowflake,
    BigQuery,
    DuckDb,
    ClickHouse,
    Redshift,
    Oracle,
}

impl SqlDialect {
    pub const ALL: [Self; 12] = [
        Self::Any,
        Self::Ansi,
        Self::Postgres,
        Self::MySql,
        Self::Sqlite,
        Self::MsSql,
        Self::Snowflake,
        Self::BigQuery,
        Self::DuckDb,
        Self::ClickHouse,
        Self::Redshift,
        Self::Oracle,
    ];

    /// As it is written in a specification.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Ansi => "ansi",
            Self::Postgres => "postgres",
            Self::MySql => "mysql",
            Self::Sqlite => "sqlite",
            Self::MsSql => "mssql",
            Self::Snowflake => "snowflake",
            Self::BigQuery => "bigquery",
            Self::DuckDb => "duckdb",
            Self::ClickHouse => "clickhouse",
            Self::Redshift => "redshift",
            Self::Oracle => "oracle",
        }
    }
}

/// Statements in the arguments of a call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SqlFacts {
    pub present: bool,
    pub unparsed: bool,
    /// Something else than a query without side effects.
    pub changes: bool,
    /// More than one statement.
    pub several: bool,
    /// "select", "insert", "drop", …
    pub kinds: BTreeSet<String>,
    /// Tables, by the names they are written with; folded as the language does.
    pub reads: BTreeSet<String>,
    pub writes: BTreeSet<String>,
    /// Functions and clauses that reach outside or change something.
    pub functions: BTreeSet<String>,
}

impl SqlFacts {
    /// Nothing but queries without side effects, all of them understood.
    #[must_use]
    pub fn read_only(&self) -> bool {
        !self.changes && !self.unparsed
    }

    pub(super) fn add(&mut self, dialect: SqlDialect, statement: &str) {
        let _ = (dialect, statement);
        self.add_unparsed();
    }

    pub(super) fn add_unparsed(&mut self) {
        self.present = true;
        self.unparsed = true;
        self.changes = true;
        self.several = true;
        for set in [&mut self.kinds, &mut self.reads, &mut self.writes, &mut self.functions] {
            insert(set, ANYTHING);
        }
    }
}
