//! From packs of TOML to compiled rules, with every problem named.

mod pattern;
mod text;

use std::collections::{BTreeMap, BTreeSet};

use aho_corasick::dfa::DFA;
use testudo_types::{RefIdError, ThreatKind};

pub(crate) use self::text::{Cases, PackText};
use self::text::{Checked, check};
use crate::automaton::{Edge, Program};
use crate::look::LookBits;
use crate::matching::{Gate, Matcher};
use crate::{PATTERN_BYTES_MAX, Rule, RuleIndex, RuleSource};

/// What is wrong with a rule, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("pack `{pack}`, rule `{rule}`, `{field}`: {fault}")]
pub struct RuleProblem {
    /// The pack's name.
    pub pack: String,
    /// The rule's id; empty when the pack could not be read at all.
    pub rule: String,
    /// The field of the rule; empty for the pack.
    pub field: &'static str,
    pub fault: RuleFault,
}

/// Why a field of a rule was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleFault {
    #[error("the pack is not valid TOML of the expected shape: {0}")]
    Toml(String),
    #[error("`{0}` is not a name; use lower-case words with `-`, in parts joined by `.`")]
    Name(String),
    #[error("`{0}` is already taken by another rule; choose another id")]
    Taken(String),
    #[error("`{found}` is unknown; known are {known}")]
    Unknown { found: String, known: String },
    #[error("`{0}` is not a label; use capital letters, digits and `_`, at most 40")]
    Label(String),
    #[error("a score is 0 to 100, not {0}")]
    Score(u32),
    #[error(transparent)]
    Ref(#[from] RefIdError),
    #[error("name literals of which every match contains one, or `always = true` if the pattern is cheap")]
    NoPrefilter,
    #[error("a word here is empty; remove it")]
    EmptyWord,
    #[error("{count} is more than the {max} allowed")]
    TooMany { count: usize, max: usize },
    #[error(
        "a match as `{example}` contains none of the literals, so that the prefilter would miss it; complete the list"
    )]
    LiteralMissing { example: String },
    #[error("the pattern does not parse: {0}")]
    Pattern(String),
    #[error("the pattern can match nothing at all or the empty text; make it match at least one character")]
    EmptyMatch,
    #[error("a match can be longer than {PATTERN_BYTES_MAX} bytes; bound the repetitions, as in `{{1,64}}`")]
    Unbounded,
    #[error("the pattern needs too many states; shorten its repetitions or alternations")]
    TooLarge,
}

/// All rules, ready to match.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) rules: Vec<Rule>,
    /// Rules that have a pattern, in the order of `rules`.
    pub(crate) matchers: Vec<Matcher>,
    pub(crate) program: Program,
    /// By rule.
    tracked: Vec<Option<Tracked>>,
    /// Bytes before a match in which a context word counts, by slot.
    pub(crate) slots: Vec<usize>,
    /// Context words of all rules, and by word the slots of its rules.
    pub(crate) context_words: Option<DFA>,
    pub(crate) word_slots: Vec<Vec<u16>>,
    /// Words that make rules candidates which apply without a declaration.
    pub(crate) ordinary: Prefilter,
    /// Of these, the words of planted instructions.
    pub(crate) phrases: Prefilter,
    /// Words that make the others candidates: signs of code and markup, which stand everywhere.
    pub(crate) declared: Prefilter,
    /// The words of all.
    pub(crate) words: Vec<String>,
}

/// Words that make rules candidates, and by word the indices of their matchers.
#[derive(Debug)]
pub(crate) struct Prefilter {
    pub(crate) words: Option<DFA>,
    pub(crate) matchers: Vec<Vec<u32>>,
}

impl Prefilter {
    fn new(all: &BTreeMap<String, Vec<u32>>, wanted: impl Fn(u32) -> bool) -> Result<Self, RuleProblem> {
        let kept = |(word, matchers): (&String, &Vec<u32>)| {
            let matchers: Vec<u32> = matchers.iter().copied().filter(|matcher| wanted(*matcher)).collect();
            (!matchers.is_empty()).then(|| (word.clone(), matchers))
        };
        let (words, matchers) = words(all.iter().filter_map(kept).collect())?;
        Ok(Self { words, matchers })
    }
}

/// How a rule is followed in a stream.
#[derive(Debug)]
pub(crate) struct Tracked {
    pub(crate) starts: Vec<Edge>,
    pub(crate) slot: Option<u16>,
    pub(crate) looks: LookBits,
}

impl Compiled {
    pub(crate) fn tracked(&self, rule: RuleIndex) -> Option<&Tracked> {
        self.tracked.get(rule.position()).and_then(Option::as_ref)
    }

    pub(crate) fn matcher(&self, rule: u32) -> Option<&Matcher> {
        let first = self.matchers.first()?.rule.0;
        self.matchers.get(rule.checked_sub(first)? as usize)
    }
}

/// Reads and compiles packs; all problems at once.
pub(crate) fn load(packs: &[RuleSource]) -> Result<Compiled, Vec<RuleProblem>> {
    let mut problems = Vec::new();
    let mut building = Building::new();
    let mut ids: BTreeSet<String> = building.rules.iter().map(|rule| rule.id.as_str().to_owned()).collect();
    for pack in packs {
        let rules = match toml::from_str::<PackText>(&pack.text) {
            Ok(text) => text.rule,
            Err(error) => {
                let fault = RuleFault::Toml(error.to_string());
                problems.push(RuleProblem {
                    pack: pack.name.to_string(),
                    rule: String::new(),
                    field: "",
                    fault,
                });
                continue;
            }
        };
        for rule in rules {
            let mut faults = Vec::new();
            if !ids.insert(rule.id.clone()) {
                faults.push(("id", RuleFault::Taken(rule.id.clone())));
            }
            let id = rule.id.clone();
            if let Some(checked) = check(rule, &mut faults) {
                building.add(checked, &mut faults);
            }
            problems.extend(faults.into_iter().map(|(field, fault)| RuleProblem {
                pack: pack.name.to_string(),
                rule: id.clone(),
                field,
                fault,
            }));
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    building.finish().map_err(|problem| vec![problem])
}

struct Building {
    rules: Vec<Rule>,
    matchers: Vec<Matcher>,
    program: Program,
    tracked: Vec<Option<Tracked>>,
    slots: Vec<usize>,
    context_words: BTreeMap<String, Vec<u16>>,
    prefilter: BTreeMap<String, Vec<u32>>,
}

impl Building {
    fn new() -> Self {
        let rules = Rule::built_in();
        Self {
            tracked: rules.iter().map(|_| None).collect(),
            rules,
            matchers: Vec::new(),
            program: Program::default(),
            slots: Vec::new(),
            context_words: BTreeMap::new(),
            prefilter: BTreeMap::new(),
        }
    }

    fn add(&mut self, checked: Checked, faults: &mut Vec<(&'static str, RuleFault)>) {
        let index = RuleIndex(u32::try_from(self.rules.len()).unwrap_or(u32::MAX));
        let built = pattern::compile(&checked, index, &mut self.program);
        let (matcher, starts, looks) = match built {
            Ok(built) => built,
            Err(fault) => return faults.push(fault),
        };
        let candidate = u32::try_from(self.matchers.len()).unwrap_or(u32::MAX);
        let mut slot = None;
        if let Some(context) = &matcher.context {
            slot = u16::try_from(self.slots.len()).ok();
            self.slots.push(context.within);
            for (word, slot) in context.words.iter().zip(std::iter::repeat(slot).flatten()) {
                self.context_words
                    .entry(word.to_ascii_lowercase())
                    .or_default()
                    .push(slot);
            }
        }
        let words: Vec<&str> = match (matcher.gate, &matcher.context) {
            (Gate::Literal, _) => checked.literals.iter().map(String::as_str).collect(),
            (Gate::Context, Some(context)) => context.words.iter().map(AsRef::as_ref).collect(),
            (Gate::Context, None) | (Gate::Open | Gate::Run(..), _) => Vec::new(),
        };
        for word in words {
            let matchers = self.prefilter.entry(word.to_ascii_lowercase()).or_default();
            if matchers.last() != Some(&candidate) {
                matchers.push(candidate);
            }
        }
        self.tracked.push(Some(Tracked { starts, slot, looks }));
        self.matchers.push(matcher);
        self.rules.push(checked.rule);
    }

    fn finish(self) -> Result<Compiled, RuleProblem> {
        let prefilter_words = self.prefilter.keys().cloned().collect();
        let (context_words, word_slots) = words(self.context_words)?;
        let rule = |matcher: u32| {
            let matcher = self.matchers.get(matcher as usize)?;
            self.rules.get(matcher.rule.position())
        };
        let prefilter =
            |wanted: fn(&Rule) -> bool| Prefilter::new(&self.prefilter, |matcher| rule(matcher).is_some_and(wanted));
        let ordinary = prefilter(|rule| !rule.is_declared())?;
        let phrases = prefilter(|rule| !rule.is_declared() && rule.kind == ThreatKind::Injection)?;
        let declared = prefilter(Rule::is_declared)?;
        Ok(Compiled {
            rules: self.rules,
            matchers: self.matchers,
            program: self.program,
            tracked: self.tracked,
            slots: self.slots,
            context_words,
            word_slots,
            ordinary,
            phrases,
            declared,
            words: prefilter_words,
        })
    }
}

/// An automaton that finds all words at once, and by word what it stands for.
fn words<T>(words: BTreeMap<String, Vec<T>>) -> Result<(Option<DFA>, Vec<Vec<T>>), RuleProblem> {
    if words.is_empty() {
        return Ok((None, Vec::new()));
    }
    let (words, meanings): (Vec<String>, Vec<Vec<T>>) = words.into_iter().unzip();
    let dfa = DFA::builder()
        .ascii_case_insensitive(true)
        .prefilter(false)
        .build(&words);
    let dfa = dfa.map_err(|_| RuleProblem {
        pack: String::new(),
        rule: String::new(),
        field: "literals",
        fault: RuleFault::TooLarge,
    })?;
    Ok((Some(dfa), meanings))
}
