//! What a parsed statement reads, writes and calls.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use sqlparser::ast::{
    BinaryOperator, Expr, FromTable, Function, ObjectName, Query, Select, SetExpr, Statement, Table, TableFactor,
    TableObject, Visit, Visitor, With,
};

use super::dialect::SqlDialect;
use super::{ANYTHING, SqlFacts, functions, insert, names};

/// A walk through one statement.
pub(super) struct Walk<'a> {
    facts: &'a mut SqlFacts,
    dialect: SqlDialect,
    /// Names that the statement gives to its own queries.
    own: BTreeSet<String>,
    /// Relations that come by and are no tables that are read: functions, targets.
    skipped: BTreeMap<ObjectName, usize>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(facts: &'a mut SqlFacts, dialect: SqlDialect) -> Self {
        Self {
            facts,
            dialect,
            own: BTreeSet::new(),
            skipped: BTreeMap::new(),
        }
    }

    pub(super) fn statement(mut self, statement: &Statement) {
        if let Statement::Query(query) = statement
            && let Some(with) = &query.with
        {
            self.own = own_names(self.dialect, with);
        }
        // Nothing in here breaks off.
        let _: ControlFlow<()> = statement.visit(&mut self);
    }

    fn changes(&mut self, kind: &str) {
        self.facts.changes = true;
        insert(&mut self.facts.kinds, kind);
    }

    fn writes(&mut self, table: &ObjectName) {
        if names::is_no_table(table) {
            insert(&mut self.facts.functions, "file");
        }
        insert(&mut self.facts.writes, &names::name(self.dialect, table));
    }

    /// A target that the walk passes once more, where it is not read.
    fn only_writes(&mut self, table: &ObjectName) {
        self.writes(table);
        self.skip(table);
    }

    fn skip(&mut self, table: &ObjectName) {
        let times = self.skipped.entry(table.clone()).or_default();
        *times = times.saturating_add(1);
    }

    fn writes_all_in(&mut self, part: &impl Visit) {
        for table in relations(part) {
            self.writes(&table);
        }
    }

    fn calls(&mut self, what: &str) {
        self.facts.changes = true;
        insert(&mut self.facts.functions, what);
    }

    fn calls_function(&mut self, name: &ObjectName) {
        if let Some(name) = functions::suspect(name) {
            self.calls(&name);
        }
    }

    fn set_expression(&mut self, body: &SetExpr) {
        match body {
            SetExpr::SetOperation { left, right, .. } => {
                self.set_expression(left);
                self.set_expression(right);
            }
            SetExpr::Table(table) => self.reads_table(table),
            SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
                self.facts.changes = true;
            }
            SetExpr::Select(_) | SetExpr::Query(_) | SetExpr::Values(_) => {}
        }
    }

    /// `TABLE name`
    fn reads_table(&mut self, table: &Table) {
        let parts = [table.schema_name.as_ref(), table.table_name.as_ref()];
        let parts = parts.into_iter().flatten().map(|part| names::part(self.dialect, part));
        let name = parts.collect::<Vec<_>>().join(".");
        insert(&mut self.facts.reads, if name.is_empty() { ANYTHING } else { &name });
    }

    fn targets(&mut self, statement: &Statement) {
        match statement {
            Statement::Insert(insert) => match &insert.table {
                TableObject::TableName(name) => self.only_writes(name),
                _ => self.writes_anything(),
            },
            Statement::Update(update) => self.writes_all_in(&update.table),
            Statement::Delete(delete) => {
                let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
                self.writes_all_in(from);
                for table in &delete.tables {
                    self.writes(table);
                }
            }
            Statement::Merge(merge) => self.writes_all_in(&merge.table),
            Statement::Truncate(truncate) => {
                for target in &truncate.table_names {
                    self.only_writes(&target.name);
                }
            }
            Statement::CreateTable(create) => self.only_writes(&create.name),
            Statement::CreateView(create) => self.only_writes(&create.name),
            Statement::CreateIndex(create) => self.only_writes(&create.table_name),
            Statement::AlterTable(alter) => self.only_writes(&alter.name),
            Statement::Drop { names, table, .. } => {
                for name in names.iter().chain(table) {
                    self.writes(name);
                }
            }
            _ => self.writes_anything(),
        }
    }

    fn writes_anything(&mut self) {
        insert(&mut self.facts.writes, ANYTHING);
    }
}

impl Visitor for Walk<'_> {
    type Break = ();

    fn pre_visit_statement(&mut self, statement: &Statement) -> ControlFlow<()> {
        match kind(statement) {
            (kind, true) => insert(&mut self.facts.kinds, kind),
            (kind, false) => {
                self.changes(kind);
                self.targets(statement);
            }
        }
        match statement {
            Statement::ExplainTable { table_name, .. } => {
                insert(&mut self.facts.reads, &names::name(self.dialect, table_name));
            }
            Statement::Call(Function { name, .. }) => self.calls_function(name),
            Statement::Copy { .. } | Statement::CopyIntoSnowflake { .. } | Statement::Unload { .. } => {
                self.calls("copy")
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        if !query.locks.is_empty() {
            self.calls("for_update");
        }
        if query.settings.is_some() {
            self.calls("settings");
        }
        self.set_expression(&query.body);
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        if let Some(into) = &select.into {
            self.calls("into");
            for target in &into.targets {
                insert(&mut self.facts.writes, &target.to_string().to_lowercase());
            }
        }
        if !select.optimizer_hints.is_empty() {
            self.calls("hint");
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        match factor {
            TableFactor::Table {
                name, args: Some(_), ..
            } => {
                self.calls_function(name);
                self.skip(name);
            }
            TableFactor::Function { name, .. } => self.calls_function(name),
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        if let Some(times) = self.skipped.get_mut(relation).filter(|times| **times > 0) {
            *times = times.saturating_sub(1);
            return ControlFlow::Continue(());
        }
        let name = names::name(self.dialect, relation);
        if names::is_no_table(relation) {
            self.calls("file");
        }
        if !self.own.contains(&name) {
            insert(&mut self.facts.reads, &name);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::Function(function) => self.calls_function(&function.name),
            Expr::BinaryOp {
                op: BinaryOperator::Assignment,
                ..
            } => self.calls("assignment"),
            Expr::BinaryOp {
                op: BinaryOperator::PGCustomBinaryOperator(_) | BinaryOperator::Custom(_),
                ..
            } => self.calls("operator"),
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// A word for the kind of statement, and whether it only looks.
fn kind(statement: &Statement) -> (&'static str, bool) {
    match statement {
        Statement::Query(_) => ("select", true),
        Statement::Explain { .. } | Statement::ExplainTable { .. } => ("explain", true),
        Statement::ShowColumns { .. }
        | Statement::ShowCreate { .. }
        | Statement::ShowDatabases { .. }
        | Statement::ShowSchemas { .. }
        | Statement::ShowTables { .. }
        | Statement::ShowViews { .. }
        | Statement::ShowFunctions { .. }
        | Statement::ShowVariable { .. }
        | Statement::ShowVariables { .. }
        | Statement::ShowStatus { .. }
        | Statement::ShowCollation { .. } => ("show", true),
        Statement::Insert(insert) if insert.replace_into => ("replace", false),
        Statement::Insert(_) => ("insert", false),
        Statement::Update(_) => ("update", false),
        Statement::Delete(_) => ("delete", false),
        Statement::Merge(_) => ("merge", false),
        Statement::Truncate(_) => ("truncate", false),
        Statement::CreateTable(_) | Statement::CreateView(_) | Statement::CreateIndex(_) => ("create", false),
        Statement::CreateFunction(_) | Statement::CreateProcedure { .. } | Statement::CreateTrigger(_) => {
            ("create_code", false)
        }
        Statement::AlterTable(_) => ("alter", false),
        Statement::Drop { .. } => ("drop", false),
        Statement::Grant(_) | Statement::Revoke(_) | Statement::GrantRole(_) | Statement::RevokeRole(_) => {
            ("grant", false)
        }
        Statement::Copy { .. } | Statement::CopyIntoSnowflake { .. } | Statement::Unload { .. } => ("copy", false),
        Statement::LoadData { .. } | Statement::Load { .. } | Statement::Install { .. } => ("load", false),
        Statement::Call(_) | Statement::Execute { .. } | Statement::Prepare { .. } => ("call", false),
        Statement::Set(_) | Statement::Use(_) | Statement::Pragma { .. } => ("set", false),
        Statement::AttachDatabase { .. } | Statement::AttachDuckDBDatabase { .. } => ("attach", false),
        Statement::StartTransaction { .. } | Statement::Commit { .. } | Statement::Rollback { .. } => {
            ("transaction", false)
        }
        _ => ("other", false),
    }
}

/// Every table that a part of a statement names.
fn relations(part: &impl Visit) -> Vec<ObjectName> {
    let mut found = Vec::new();
    let _: ControlFlow<()> = sqlparser::ast::visit_relations(part, |name| {
        found.push(name.clone());
        ControlFlow::Continue(())
    });
    found
}

/// Names that a `WITH` at the beginning gives, where they cannot also mean a table: none of the queries before it, and
/// not its own, reads a table of that name.
fn own_names(dialect: SqlDialect, with: &With) -> BTreeSet<String> {
    let mut own = BTreeSet::new();
    let mut before: BTreeSet<String> = BTreeSet::new();
    for table in &with.cte_tables {
        let name = names::part(dialect, &table.alias.name);
        let read: BTreeSet<String> = relations(&table.query)
            .iter()
            .map(|it| names::name(dialect, it))
            .collect();
        let itself = read.contains(&name) && !with.recursive;
        before.extend(read.into_iter().filter(|it| *it != name || itself));
        if !before.contains(&name) {
            own.insert(name);
        }
    }
    own
}
