//! Statements for databases.

mod dialect;
mod functions;
mod names;
mod walk;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use sqlparser::dialect::Dialect;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

pub use self::dialect::SqlDialect;
use self::walk::Walk;
use super::{ANYTHING, insert};

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
    /// Functions and clauses that are not known to change nothing and to reach nowhere.
    pub functions: BTreeSet<String>,
}

/// What a statement may hold at most, so that neither reading nor dropping it takes much stack or time.
const TOKENS_MAX: usize = 4_096;
const OPERATORS_MAX: usize = 256;
const BRACKETS_MAX: usize = 16;
const RECURSION_MAX: usize = 40;
/// Room for the deepest statement, also where nothing is optimised; only what is used of it takes memory.
const STACK_BYTES: usize = 32 << 20;

impl SqlFacts {
    /// Nothing but queries without side effects, all of them understood.
    #[must_use]
    pub fn read_only(&self) -> bool {
        !self.changes && !self.unparsed
    }

    pub(super) fn add(&mut self, dialect: SqlDialect, statement: &str) {
        self.several |= self.present;
        self.present = true;
        let tried = dialect.tried();
        if is_disputed(statement) || is_executed_comment(statement, dialect) {
            return self.add_unparsed();
        }
        // Every language it may be has to understand it: what one cannot read, its database might. A fault of the
        // parser is no reason to stop the exchange, and none to let the statement pass.
        let any = tried.len() > 1;
        let read = AssertUnwindSafe(|| {
            tried
                .iter()
                .all(|dialect| self.parse(*dialect, any, statement).is_some())
        });
        let understood = stacker::grow(STACK_BYTES, || catch_unwind(read)).unwrap_or(false);
        if !understood {
            self.add_unparsed();
        }
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

    fn parse(&mut self, dialect: SqlDialect, any: bool, text: &str) -> Option<()> {
        let grammar = dialect.grammar();
        let tokens = tokens(grammar.as_ref(), text)?;
        let mut parser = Parser::new(grammar.as_ref())
            .with_recursion_limit(RECURSION_MAX)
            .with_tokens_with_locations(tokens);
        let statements = parser.parse_statements().ok()?;
        // The parser stops at a lone `END`, whatever follows it.
        if statements.is_empty() || parser.peek_token().token != Token::EOF {
            return None;
        }
        self.several |= statements.len() > 1;
        let fold = if any { SqlDialect::Any } else { dialect };
        for statement in &statements {
            Walk::new(self, fold).statement(statement);
        }
        Some(())
    }
}

/// The tokens; `None` when there are too many, or too much stands in one another.
fn tokens(grammar: &dyn Dialect, text: &str) -> Option<Vec<TokenWithSpan>> {
    let tokens = Tokenizer::new(grammar, text).tokenize_with_location().ok()?;
    let mut count: usize = 0;
    let mut operators: usize = 0;
    let mut open: usize = 0;
    for token in &tokens {
        match &token.token {
            Token::Whitespace(_) => continue,
            Token::LParen | Token::LBracket | Token::LBrace => open = open.saturating_add(1),
            Token::RParen | Token::RBracket | Token::RBrace => open = open.saturating_sub(1),
            // Between the parts of a list nothing is put into one another.
            Token::Comma | Token::Number(..) | Token::SingleQuotedString(_) | Token::Period | Token::SemiColon => {}
            Token::Word(word) if is_operator(&word.value) => operators = operators.saturating_add(1),
            Token::Word(_) => {}
            _ => operators = operators.saturating_add(1),
        }
        count = count.saturating_add(1);
        if open > BRACKETS_MAX || operators > OPERATORS_MAX || count > TOKENS_MAX {
            return None;
        }
    }
    Some(tokens)
}

/// Words that put what stands before them into something larger.
fn is_operator(word: &str) -> bool {
    const OPERATORS: [&str; 24] = [
        "and",
        "or",
        "not",
        "xor",
        "is",
        "in",
        "like",
        "ilike",
        "between",
        "union",
        "except",
        "intersect",
        "minus",
        "join",
        "case",
        "when",
        "begin",
        "if",
        "div",
        "mod",
        "collate",
        "at",
        "select",
        "explain",
    ];
    OPERATORS.iter().any(|operator| word.eq_ignore_ascii_case(operator))
}

/// Databases part it differently: control characters, spaces that only some take for such, invisible marks.
fn is_disputed(text: &str) -> bool {
    text.chars().any(|c| {
        let space = c.is_whitespace() && !matches!(c, ' ' | '\n' | '\t' | '\r');
        let control = c.is_control() && !matches!(c, '\n' | '\t' | '\r');
        let invisible = matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
        space || control || invisible
    })
}

/// A comment that MySQL and its kin execute.
fn is_executed_comment(text: &str, dialect: SqlDialect) -> bool {
    let theirs = matches!(dialect, SqlDialect::Any | SqlDialect::MySql);
    let marked = |mark: &str| {
        text.match_indices("/*").any(|(at, _)| {
            text.get(at.saturating_add(2)..)
                .is_some_and(|rest| rest.starts_with(mark))
        })
    };
    theirs && (marked("!") || marked("M!") || marked("m!"))
}
