//! Looks at a whole answer beside its exchange: is it in the right language, does the exchange support it?

use testudo_types::Score;

use super::citations::statements;
use super::context::Context;
use super::language::{identify, speaks_of_languages};
use crate::{Budget, Hit, RuleIndex, Scan};

/// The longest answer that is reviewed, in bytes.
const REVIEWED_BYTES_MAX: usize = 256 << 10;
/// Findings of one answer.
const HITS_MAX: usize = 64;

/// What is reviewed; nothing by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Review {
    /// Whether the answer is in the language of the question.
    pub language: bool,
    /// Whether citations, quotations, numbers and names stand in the exchange.
    pub grounding: bool,
}

impl Review {
    /// Whether there is anything to do.
    #[must_use]
    pub fn is_off(self) -> bool {
        self == Self::default()
    }

    /// Bytes of an answer that have to be kept for it.
    #[must_use]
    pub fn bytes_max(self) -> usize {
        if self.is_off() { 0 } else { REVIEWED_BYTES_MAX }
    }
}

/// Reviews one answer that is complete; longer ones than [`Review::bytes_max`] are not reviewed.
///
/// A statement that the exchange does not support weighs more the more of its
/// kind are unsupported: one odd number among ten that are right is a slip, ten
/// of ten are invention.
#[must_use]
pub fn review(text: &str, context: &Context, what: Review, budget: &mut Budget) -> Scan {
    let mut hits = Vec::new();
    if what.is_off() || text.len() > REVIEWED_BYTES_MAX || !budget.spend(text.len()) {
        return Scan {
            hits,
            exhausted: !what.is_off(),
        };
    }
    if what.language
        && let Some(score) = other_language(text, context)
    {
        hits.push(Hit {
            start: 0,
            rule: RuleIndex::LANGUAGE,
            end: text.len(),
            score,
        });
    }
    if what.grounding {
        unsupported(text, context, budget, &mut hits);
    }
    hits.sort_unstable();
    Scan {
        hits,
        exhausted: budget.is_exhausted(),
    }
}

fn other_language(text: &str, context: &Context) -> Option<Score> {
    let asked = identify(context.last_user())?;
    let answered = identify(text)?;
    if asked.language.resembles(answered.language)
        || speaks_of_languages(context.last_user())
        || context.system_speaks_of_languages()
    {
        return None;
    }
    Score::new(asked.lead.min(answered.lead).clamp(30, 80))
}

/// By rule, the most that an unsupported statement counts.
const WEIGHTS: &[(RuleIndex, usize)] = &[
    (RuleIndex::CITATION, 80),
    (RuleIndex::QUOTATION, 70),
    (RuleIndex::NUMBER, 50),
    (RuleIndex::NAME, 40),
];

fn unsupported(text: &str, context: &Context, budget: &mut Budget, hits: &mut Vec<Hit>) {
    let all = statements(text, context, budget);
    for (rule, most) in WEIGHTS {
        let of_kind = || all.iter().filter(|statement| statement.rule == *rule);
        let count = of_kind().count();
        let missing = of_kind().filter(|statement| !statement.supported).count();
        // Half for being unsupported at all, half for how many are.
        let share = most.saturating_mul(missing).checked_div(count).unwrap_or(0);
        let percent = most.saturating_add(share).checked_div(2).unwrap_or(0);
        let Some(score) = u8::try_from(percent).ok().and_then(Score::new) else {
            continue;
        };
        let room = HITS_MAX.saturating_sub(hits.len());
        hits.extend(
            of_kind()
                .filter(|statement| !statement.supported)
                .take(room)
                .map(|statement| Hit {
                    start: statement.place.start,
                    rule: *rule,
                    end: statement.place.end,
                    score,
                }),
        );
    }
}
