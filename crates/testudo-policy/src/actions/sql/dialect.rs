//! The languages of databases.

use sqlparser::dialect::{
    AnsiDialect, BigQueryDialect, ClickHouseDialect, Dialect, DuckDbDialect, GenericDialect, MsSqlDialect,
    MySqlDialect, OracleDialect, PostgreSqlDialect, RedshiftSqlDialect, SQLiteDialect, SnowflakeDialect,
};

/// The language of a database; chosen in a tool's specification.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SqlDialect {
    /// Not said: a statement counts only when all that are common understand it, and then as the worst of them.
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

/// How a name without quotes is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Folding {
    Lower,
    Upper,
    /// Written differently it is another one.
    Kept,
    /// Quotes or not, case says nothing.
    Never,
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

    /// The languages that have to understand a statement.
    pub(super) fn tried(self) -> &'static [Self] {
        match self {
            Self::Any => &[Self::Any, Self::Postgres, Self::MySql, Self::Sqlite, Self::MsSql],
            Self::Ansi => &[Self::Ansi],
            Self::Postgres => &[Self::Postgres],
            Self::MySql => &[Self::MySql],
            Self::Sqlite => &[Self::Sqlite],
            Self::MsSql => &[Self::MsSql],
            Self::Snowflake => &[Self::Snowflake],
            Self::BigQuery => &[Self::BigQuery],
            Self::DuckDb => &[Self::DuckDb],
            Self::ClickHouse => &[Self::ClickHouse],
            Self::Redshift => &[Self::Redshift],
            Self::Oracle => &[Self::Oracle],
        }
    }

    pub(super) fn grammar(self) -> Box<dyn Dialect> {
        match self {
            Self::Any => Box::new(GenericDialect {}),
            Self::Ansi => Box::new(AnsiDialect {}),
            Self::Postgres => Box::new(PostgreSqlDialect {}),
            Self::MySql => Box::new(MySqlDialect {}),
            Self::Sqlite => Box::new(SQLiteDialect {}),
            Self::MsSql => Box::new(MsSqlDialect {}),
            Self::Snowflake => Box::new(SnowflakeDialect {}),
            Self::BigQuery => Box::new(BigQueryDialect {}),
            Self::DuckDb => Box::new(DuckDbDialect {}),
            Self::ClickHouse => Box::new(ClickHouseDialect {}),
            Self::Redshift => Box::new(RedshiftSqlDialect {}),
            Self::Oracle => Box::new(OracleDialect {}),
        }
    }

    pub(super) fn folding(self) -> Folding {
        match self {
            Self::Any | Self::Postgres => Folding::Lower,
            Self::Ansi | Self::Snowflake | Self::Oracle => Folding::Upper,
            Self::MySql | Self::BigQuery | Self::ClickHouse => Folding::Kept,
            Self::Sqlite | Self::MsSql | Self::DuckDb | Self::Redshift => Folding::Never,
        }
    }
}
