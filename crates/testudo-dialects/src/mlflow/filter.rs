//! MLflow's search language as far as clients use it: comparisons joined by AND, orders, pages.

use super::ask::Search;
use super::fault::Fault;

/// Comparisons in a filter at most.
const CLAUSES_MAX: usize = 32;
/// Values in a list at most.
const VALUES_MAX: usize = 256;
/// Orders at most.
const ORDERS_MAX: usize = 8;
/// By this tag MLflow tells prompts from models; there are no prompts here.
const IS_PROMPT: &str = "mlflow.prompt.is_prompt";

/// What a comparison is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Field {
    Name,
    Number,
    RunId,
    Source,
    Created,
    Updated,
    Tag(String),
}

/// What is found there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    Text(String),
    Number(u64),
    Nothing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparator {
    Is,
    IsNot,
    Like,
    ILike,
    In,
    Less,
    LessOrIs,
    More,
    MoreOrIs,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Wanted {
    Text(String),
    Number(u64),
    Texts(Vec<String>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Clause {
    field: Field,
    comparator: Comparator,
    wanted: Wanted,
}

/// A filter; without clauses everything passes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter(Vec<Clause>);

impl Filter {
    /// Reads a filter.
    ///
    /// # Errors
    /// When it is not one, or asks for what cannot be searched for.
    pub fn read(text: &str) -> Result<Self, Fault> {
        let mut words = Words { rest: text };
        let mut clauses = Vec::new();
        loop {
            clauses.push(clause(&mut words)?);
            match words.next()? {
                None => return Ok(Self(clauses)),
                Some(Word::Plain(and)) if and.eq_ignore_ascii_case("and") && clauses.len() < CLAUSES_MAX => {}
                Some(_) => return Err(unclear()),
            }
        }
    }

    /// Whether anything of this name can pass.
    pub fn may_admit_name(&self, name: &str) -> bool {
        let named = self.0.iter().filter(|clause| clause.field == Field::Name);
        named
            .into_iter()
            .all(|clause| clause.admits(Content::Text(name.to_owned())))
    }

    /// Whether something passes, of which `content` tells what is in a field.
    pub fn admits(&self, content: impl Fn(&Field) -> Content) -> bool {
        self.0.iter().all(|clause| clause.admits(content(&clause.field)))
    }
}

impl Clause {
    fn admits(&self, content: Content) -> bool {
        use Comparator::{ILike, In, Is, IsNot, Less, LessOrIs, Like, More, MoreOrIs};
        match (content, &self.wanted) {
            (Content::Nothing, Wanted::Text(wanted)) if matches!(&self.field, Field::Tag(key) if key == IS_PROMPT) => {
                matches!((self.comparator, wanted.as_str()), (IsNot, "true") | (Is, "false"))
            }
            (Content::Text(found), Wanted::Text(wanted)) => match self.comparator {
                Is => found == *wanted,
                IsNot => found != *wanted,
                Like => like(&found, wanted),
                ILike => like(&found.to_lowercase(), &wanted.to_lowercase()),
                In | Less | LessOrIs | More | MoreOrIs => false,
            },
            (Content::Text(found), Wanted::Texts(wanted)) => self.comparator == In && wanted.contains(&found),
            (Content::Number(found), Wanted::Number(wanted)) => match self.comparator {
                Is => found == *wanted,
                IsNot => found != *wanted,
                Less => found < *wanted,
                LessOrIs => found <= *wanted,
                More => found > *wanted,
                MoreOrIs => found >= *wanted,
                Like | ILike | In => false,
            },
            _ => false,
        }
    }
}

/// `%` stands for any text, `_` for any character.
fn like(text: &str, pattern: &str) -> bool {
    let (text, pattern): (Vec<char>, Vec<char>) = (text.chars().collect(), pattern.chars().collect());
    let (mut at, mut in_pattern) = (0usize, 0usize);
    // Where the last `%` stands, and how far it reaches so far.
    let mut star: Option<(usize, usize)> = None;
    while at < text.len() {
        match pattern.get(in_pattern) {
            Some('%') => {
                star = Some((in_pattern, at));
                in_pattern = in_pattern.saturating_add(1);
            }
            Some(wanted) if *wanted == '_' || Some(wanted) == text.get(at) => {
                at = at.saturating_add(1);
                in_pattern = in_pattern.saturating_add(1);
            }
            _ => {
                let Some((of_star, reach)) = star else { return false };
                at = reach.saturating_add(1);
                star = Some((of_star, at));
                in_pattern = of_star.saturating_add(1);
            }
        }
    }
    pattern.iter().skip(in_pattern).all(|it| *it == '%')
}

fn clause(words: &mut Words<'_>) -> Result<Clause, Fault> {
    let field = field(&words.plain()?)?;
    let comparator = comparator(&words.plain()?)?;
    let is_number = matches!(field, Field::Number | Field::Created | Field::Updated);
    let wanted = match words.next()?.ok_or_else(unclear)? {
        Word::Open if comparator == Comparator::In && field == Field::RunId => list(words)?,
        Word::Quoted(text) if !is_number => Wanted::Text(text),
        Word::Plain(text) if is_number && text.len() <= 18 => Wanted::Number(text.parse().map_err(|_| unclear())?),
        _ => return Err(unclear()),
    };
    if comparator == Comparator::In && !matches!(wanted, Wanted::Texts(_)) {
        return Err(unclear());
    }
    Ok(Clause {
        field,
        comparator,
        wanted,
    })
}

fn list(words: &mut Words<'_>) -> Result<Wanted, Fault> {
    let mut values = Vec::new();
    loop {
        match words.next()? {
            Some(Word::Quoted(value)) if values.len() < VALUES_MAX => values.push(value),
            _ => return Err(unclear()),
        }
        match words.next()? {
            Some(Word::Comma) => {}
            Some(Word::Close) => return Ok(Wanted::Texts(values)),
            _ => return Err(unclear()),
        }
    }
}

fn field(text: &str) -> Result<Field, Fault> {
    let (of, key) = text.split_once('.').unwrap_or(("attribute", text));
    match (of, key) {
        ("tag" | "tags", key) => Ok(Field::Tag(key.to_owned())),
        ("attribute" | "attributes", "name") => Ok(Field::Name),
        ("attribute" | "attributes", "version_number") => Ok(Field::Number),
        ("attribute" | "attributes", "run_id") => Ok(Field::RunId),
        ("attribute" | "attributes", "source_path") => Ok(Field::Source),
        ("attribute" | "attributes", "creation_timestamp") => Ok(Field::Created),
        ("attribute" | "attributes", "last_updated_timestamp") => Ok(Field::Updated),
        _ => Err(Fault::invalid(
            "the filter names something that cannot be searched for; name, version_number, run_id, source_path, \
             creation_timestamp, last_updated_timestamp and tags can",
        )),
    }
}

fn comparator(text: &str) -> Result<Comparator, Fault> {
    Ok(match text.to_ascii_uppercase().as_str() {
        "=" => Comparator::Is,
        "!=" => Comparator::IsNot,
        "LIKE" => Comparator::Like,
        "ILIKE" => Comparator::ILike,
        "IN" => Comparator::In,
        "<" => Comparator::Less,
        "<=" => Comparator::LessOrIs,
        ">" => Comparator::More,
        ">=" => Comparator::MoreOrIs,
        _ => return Err(unclear()),
    })
}

fn unclear() -> Fault {
    Fault::invalid("the filter is not understood; write comparisons joined by AND, for example name = 'llama'")
}

/// A piece of a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Word {
    /// A name, a number or a comparator; parts of a name may be quoted.
    Plain(String),
    /// A text in quotes.
    Quoted(String),
    Open,
    Close,
    Comma,
}

#[derive(Debug)]
struct Words<'t> {
    rest: &'t str,
}

impl Words<'_> {
    fn plain(&mut self) -> Result<String, Fault> {
        match self.next()? {
            Some(Word::Plain(text)) => Ok(text),
            _ => Err(unclear()),
        }
    }

    fn next(&mut self) -> Result<Option<Word>, Fault> {
        self.rest = self.rest.trim_start();
        let Some(first) = self.rest.chars().next() else {
            return Ok(None);
        };
        Ok(Some(match first {
            '\'' | '"' => Word::Quoted(self.quoted(first)?),
            '(' | ')' | ',' => {
                self.take(|at, _| at == 0);
                match first {
                    '(' => Word::Open,
                    ')' => Word::Close,
                    _ => Word::Comma,
                }
            }
            '=' | '!' | '<' | '>' => Word::Plain(self.take(|_, c| "=!<>".contains(c)).to_owned()),
            _ => Word::Plain(self.name()?),
        }))
    }

    /// `tags.key`, tags.`a key`, tags."a key".
    fn name(&mut self) -> Result<String, Fault> {
        let mut name = self.take(|_, c| c.is_alphanumeric() || "_.-/".contains(c)).to_owned();
        if let Some(quote) = self.rest.chars().next().filter(|c| matches!(c, '`' | '"')) {
            name.push_str(&self.quoted(quote)?);
        }
        if name.is_empty() { Err(unclear()) } else { Ok(name) }
    }

    /// A text up to the quote that it began with.
    fn quoted(&mut self, quote: char) -> Result<String, Fault> {
        let inner = self.rest.strip_prefix(quote).ok_or_else(unclear)?;
        let (text, rest) = inner.split_once(quote).ok_or_else(unclear)?;
        self.rest = rest;
        Ok(text.to_owned())
    }

    fn take(&mut self, mut of: impl FnMut(usize, char) -> bool) -> &str {
        let end = self.rest.char_indices().find(|(at, c)| !of(*at, *c));
        let end = end.map_or(self.rest.len(), |(at, _)| at);
        let (taken, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }
}

/// How results are ordered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    pub field: Field,
    pub descending: bool,
}

/// Reads orders.
///
/// # Errors
/// When one is not understood.
pub fn orders(search: &Search) -> Result<Vec<Order>, Fault> {
    let wrong = || Fault::invalid("an order is a name with ASC or DESC, for example version_number DESC");
    if search.order_by.len() > ORDERS_MAX {
        return Err(wrong());
    }
    let order = |text: &String| {
        let mut words = text.split_whitespace();
        let field = field(words.next().ok_or_else(wrong)?)?;
        let descending = match words.next().map(str::to_ascii_uppercase).as_deref() {
            None | Some("ASC") => false,
            Some("DESC") => true,
            Some(_) => return Err(wrong()),
        };
        match (words.next(), &field) {
            (None, Field::Name | Field::Number | Field::Created | Field::Updated) => Ok(Order { field, descending }),
            _ => Err(wrong()),
        }
    };
    search.order_by.iter().map(order).collect()
}

/// Results on a page at most.
const PAGE_MAX: u64 = 1_000;

/// One page of all results, and what to ask for the next.
///
/// # Errors
/// When the token was not one of ours.
pub fn page<T>(all: Vec<T>, search: &Search, default: u64) -> Result<(Vec<T>, Option<String>), Fault> {
    let from = match &search.page_token {
        None => 0,
        Some(token) => {
            let number = token.strip_prefix("after-").filter(|it| it.len() <= 9);
            let number = number.and_then(|it| it.parse::<usize>().ok());
            number.ok_or(Fault::invalid("the page token is none of ours"))?
        }
    };
    let count = search.max_results.unwrap_or(default).min(PAGE_MAX);
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let to = from.saturating_add(count);
    let more = (to < all.len()).then(|| format!("after-{to}"));
    Ok((all.into_iter().skip(from).take(count).collect(), more))
}
