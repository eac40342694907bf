//! The index against a filter that looks at every entry.

use std::path::PathBuf;

use proptest::prelude::*;
use sqlx::AssertSqlSafe;
use tempfile::TempDir;
use testudo_ledger::Hash;
use testudo_ledger::entry::{
    AdminLogin, Begun, Body, Digest, Direction, Entry, Exchange, FindingCount, PrincipalPseudonym, TenantPseudonym,
};
use testudo_types::{Action, Verdict};

use super::*;
use crate::index::{FIND_WORD, Index, TEXTS, VALUES};

const ORIGIN: &str = "testudo/0011223344556677";
const ROUTES: [&str; 3] = ["chat", "search", "batch"];
const RULES: [&str; 3] = ["email", "iban", "jailbreak"];
const OUTCOMES: [&str; 2] = ["completed", "blocked"];
const VERDICTS: [Verdict; 3] = [Verdict::Allow, Verdict::Modify, Verdict::Deny];
const ACTIONS: [Action; 3] = [Action::Pass, Action::Mask, Action::Block];

/// What an entry is made from, and what the naive filter looks at.
#[derive(Debug, Clone)]
struct Said {
    later_ms: u64,
    kind: u8,
    route: usize,
    person: u8,
    tenant: Option<u8>,
    verdict: usize,
    action: usize,
    outcome: usize,
    rules: Vec<usize>,
}

fn said() -> impl Strategy<Value = Said> {
    (
        prop_oneof![Just(0), Just(1), 0..50_u64],
        prop_oneof![8 => Just(0), 1 => Just(1), 1 => Just(2)],
        0..3_usize,
        0..40_u8,
        proptest::option::of(0..2_u8),
        (0..3_usize, 0..3_usize, 0..2_usize),
        proptest::collection::vec(0..3_usize, 0..3),
    )
        .prop_map(
            |(later_ms, kind, route, person, tenant, (verdict, action, outcome), rules)| Said {
                later_ms,
                kind,
                route,
                person,
                tenant,
                verdict,
                action,
                outcome,
                rules,
            },
        )
}

fn person(number: u8) -> PrincipalPseudonym {
    PrincipalPseudonym::from_bytes([number; 16])
}

fn tenant(number: u8) -> TenantPseudonym {
    TenantPseudonym::from_bytes([number; 16])
}

impl Said {
    fn id(&self, index: u64) -> String {
        // The entry about the start of an exchange has the id of the one before it.
        format!("ex_{}", if self.kind == 1 { index.saturating_sub(1) } else { index })
    }

    fn entry(&self, index: u64, at: u64) -> Entry {
        let body = match self.kind {
            0 => Body::Exchange(self.exchange(index)),
            1 => Body::Begun(Begun {
                action: ACTIONS[self.action],
                id: self.id(index),
                model: None,
                model_version: None,
                operation: "chat".to_owned(),
                policy_digest: Digest::from_bytes([1; 32]),
                route: ROUTES[self.route].to_owned(),
                upstream: "model".to_owned(),
                verdict: VERDICTS[self.verdict],
            }),
            _ => Body::AdminLogin(AdminLogin {
                method: "passkey".to_owned(),
                principal: Some(person(self.person)),
                success: true,
            }),
        };
        Entry {
            at,
            tenant: self.tenant.map(tenant),
            principal: (self.kind != 2).then(|| person(self.person)),
            payload: None,
            body,
        }
    }

    fn exchange(&self, index: u64) -> Exchange {
        Exchange {
            action: ACTIONS[self.action],
            detail: String::new(),
            duration_ms: 12,
            edited: false,
            findings: self.rules.iter().map(|rule| finding(RULES[*rule])).collect(),
            findings_omitted: None,
            first_byte_ms: None,
            forwarded: true,
            id: self.id(index),
            input_tokens: Some(3),
            model: Some("small".to_owned()),
            model_version: None,
            operation: "chat".to_owned(),
            outcome: OUTCOMES[self.outcome].to_owned(),
            output_tokens: None,
            policies: Vec::new(),
            policy_digest: Digest::from_bytes([1; 32]),
            request_bytes: 10,
            response_bytes: 20,
            route: ROUTES[self.route].to_owned(),
            scanned_request: Vec::new(),
            scanned_response: Vec::new(),
            status: 200,
            streamed: false,
            upstream: "model".to_owned(),
            verdict: VERDICTS[self.verdict],
        }
    }

    fn kind(&self) -> &'static str {
        ["exchange", "begun", "admin_login"][usize::from(self.kind)]
    }

    /// The filter's meaning, a second time and from the description alone.
    fn matches(&self, index: u64, at: u64, filter: &Filter) -> bool {
        let is = |wanted: &Option<String>, value: Option<&str>| wanted.is_none() || wanted.as_deref() == value;
        let called = self.kind != 2;
        let ended = self.kind == 0;
        let rules: Vec<&str> = self.rules.iter().map(|it| RULES[*it]).collect();
        filter.since.is_none_or(|since| at >= since.0)
            && filter.until.is_none_or(|until| at < until.0)
            && is(&filter.id, called.then(|| self.id(index)).as_deref())
            && is(&filter.kind, Some(self.kind()))
            && is(&filter.route, called.then_some(ROUTES[self.route]))
            && is(&filter.model, ended.then_some("small"))
            && is(&filter.principal, Some(&person(self.person).to_string()))
            && is(&filter.tenant, self.tenant.map(|it| tenant(it).to_string()).as_deref())
            && is(&filter.verdict, called.then_some(VERDICTS[self.verdict].as_str()))
            && is(&filter.action, called.then_some(ACTIONS[self.action].as_str()))
            && is(
                &filter.outcome,
                Some(if called { OUTCOMES[self.outcome] } else { "success" }).filter(|_| self.kind != 1),
            )
            && filter.rule.as_deref().is_none_or(|rule| ended && rules.contains(&rule))
    }
}

fn finding(rule: &str) -> FindingCount {
    FindingCount {
        action: Action::Mask,
        count: 1,
        direction: Direction::Request,
        kind: "personal_data".to_owned(),
        rule: rule.to_owned(),
    }
}

fn text(all: &'static [&'static str]) -> impl Strategy<Value = Option<String>> {
    proptest::option::weighted(0.3, proptest::sample::select(all).prop_map(str::to_owned))
}

fn filters() -> impl Strategy<Value = Filter> {
    let times = (
        proptest::option::weighted(0.3, 0..6_000_u64),
        proptest::option::weighted(0.3, 0..9_000_u64),
    );
    let ids = (
        proptest::option::weighted(0.1, 0..700_u64),
        proptest::option::weighted(0.3, 0..42_u8),
        proptest::option::weighted(0.3, 0..3_u8),
    );
    let words = (
        text(&["exchange", "begun", "admin_login", "hold"]),
        text(&["chat", "search", "batch", "none"]),
        text(&["small"]),
        text(&["email", "iban", "jailbreak"]),
        text(&["allow", "modify", "deny"]),
        text(&["pass", "mask", "block"]),
        text(&["completed", "blocked", "success"]),
    );
    (times, ids, words).prop_map(|((since, until), (id, principal, of), words)| Filter {
        since: since.map(UnixMillis),
        until: until.map(UnixMillis),
        id: id.map(|it| format!("ex_{it}")),
        kind: words.0,
        route: words.1,
        model: words.2,
        principal: principal.map(|it| person(it).to_string()),
        tenant: of.map(|it| tenant(it).to_string()),
        rule: words.3,
        verdict: words.4,
        action: words.5,
        outcome: words.6,
        chain: None,
    })
}

fn entries(said: &[Said]) -> Vec<Entry> {
    let mut at = 0_u64;
    let each = (0_u64..).zip(said).map(|(index, it)| {
        at = at.saturating_add(it.later_ms);
        it.entry(index, at)
    });
    each.collect()
}

async fn indexed(folder: &TempDir, entries: &[Entry], batch: usize) -> PathBuf {
    let path = folder.path().join("index.sqlite");
    let mut index = Index::open(&path, ORIGIN).await.unwrap();
    for part in entries.chunks(batch) {
        let last = Hash::leaf(&part.last().unwrap().encode().unwrap());
        index.append(index.size(), part, &last).await.unwrap();
    }
    index.close().await;
    path
}

async fn all(reader: &mut Reader, filter: &Filter, order: Order, limit: usize) -> Vec<Found> {
    let mut rows = Vec::new();
    let mut after = None;
    loop {
        let page = reader.find(filter, order, limit, after).await.unwrap();
        assert!(page.rows.len() <= limit);
        rows.extend(page.rows);
        match page.next {
            Some(next) => after = Some(next),
            None => return rows,
        }
    }
}

async fn agrees(said: &[Said], filters: &[Filter], batch: usize, limit: usize) {
    let folder = tempfile::tempdir().unwrap();
    let entries = entries(said);
    let path = indexed(&folder, &entries, batch).await;
    let mut reader = Reader::open(&path).await.unwrap();
    assert_eq!(reader.size().await.unwrap(), u64::try_from(said.len()).unwrap());
    for filter in filters {
        let each = (0_u64..).zip(said.iter().zip(&entries));
        let wanted: Vec<(u64, u64, &Said)> = each
            .filter(|(index, (said, entry))| said.matches(*index, entry.at, filter))
            .map(|(index, (said, entry))| (index, entry.at, said))
            .collect();
        let rows = all(&mut reader, filter, Order::OldestFirst, limit).await;
        let found: Vec<(u64, u64)> = rows.iter().map(|it| (it.index, it.at.0)).collect();
        let numbers: Vec<(u64, u64)> = wanted.iter().map(|(index, at, _)| (*index, *at)).collect();
        assert_eq!(found, numbers, "{filter:?}");
        let mut newest = all(&mut reader, filter, Order::NewestFirst, limit).await;
        newest.reverse();
        assert_eq!(newest, rows, "{filter:?}");
        for (row, (_, _, said)) in rows.iter().zip(&wanted) {
            assert_eq!(row.kind.as_deref(), Some(said.kind()));
            assert_eq!(row.route.as_deref(), (said.kind != 2).then_some(ROUTES[said.route]));
        }
        for (route, count) in reader.count(filter, Facet::Route).await.unwrap() {
            let naive = wanted
                .iter()
                .filter(|(_, _, it)| it.kind != 2 && ROUTES[it.route] == route);
            assert_eq!(count, u64::try_from(naive.count()).unwrap(), "{route} in {filter:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn filters_find_what_looking_at_every_entry_finds(
        said in proptest::collection::vec(said(), 1..700),
        filters in proptest::collection::vec(filters(), 1..12),
        batch in 1..400_usize,
        limit in 20..300_usize,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(agrees(&said, &filters, batch, limit));
    }
}

#[tokio::test]
async fn no_statement_reads_a_table_from_end_to_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = indexed(&folder, &[], 1).await;
    let mut reader = Reader::open(&path).await.unwrap();
    let statements = [
        range::AT.to_owned(),
        FIND_WORD.to_owned(),
        format!("{}1, 2)", scan::SETS),
        format!("{}1, 2)", scan::NAMES),
        format!("{}1, 2)", row::ROWS),
        format!("{}1, 2)", TEXTS),
        VALUES.to_owned(),
    ];
    for statement in statements {
        let explained =
            sqlx::query_as::<_, (i64, i64, i64, String)>(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}")))
                .fetch_all(&mut reader.connection)
                .await
                .unwrap();
        assert!(!explained.is_empty(), "{statement}");
        for (_, _, _, step) in explained {
            let keyed = step.starts_with("SEARCH") && (step.contains("PRIMARY KEY") || step.contains("INDEX"));
            assert!(keyed, "{statement}: {step}");
        }
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index.sqlite");
    assert!(matches!(Reader::open(&path).await, Err(QueryError::Database { .. })));
    std::fs::write(&path, b"").unwrap();
    assert!(matches!(Reader::open(&path).await, Err(QueryError::Format { .. })));
    std::fs::write(
        &path,
        b"no database at all, but longer than a header of one hundred bytes; so this goes on and on and on",
    )
    .unwrap();
    assert!(matches!(Reader::open(&path).await, Err(QueryError::Database { .. })));
}

#[tokio::test]
async fn a_damaged_set_is_an_error_and_no_wrong_answer() {
    let folder = tempfile::tempdir().unwrap();
    let made = Said {
        later_ms: 1,
        kind: 0,
        route: 0,
        person: 0,
        tenant: None,
        verdict: 0,
        action: 0,
        outcome: 0,
        rules: Vec::new(),
    };
    let path = indexed(&folder, &entries(&[made]), 1).await;
    let mut index = index::open_for_test(&path).await.unwrap();
    for damage in ["UPDATE sets SET entries = x'010000'", "UPDATE names SET prints = x'01'"] {
        sqlx::query(damage).execute(&mut index).await.unwrap();
    }
    let mut reader = Reader::open(&path).await.unwrap();
    let by_route = Filter {
        route: Some("chat".to_owned()),
        ..Filter::default()
    };
    let by_id = Filter {
        id: Some("ex_0".to_owned()),
        ..Filter::default()
    };
    for filter in [by_route, by_id] {
        let found = reader.find(&filter, Order::NewestFirst, 10, None).await;
        assert!(matches!(found, Err(QueryError::Damaged { .. })), "{found:?}");
    }
}
