//! What a request may take before anyone knows what it takes.

use super::counters::Charge;
use super::{AppliedLimits, LimitExceeded, Spent};
use crate::settings::Price;

/// Output tokens to assume on a route that configures nothing else.
pub const OUTPUT_TOKENS_DEFAULT: u64 = 4_096;

/// Bytes of a request that make at least one token. English has about four to a token; two
/// also cover code, digits and most scripts. What is still more is charged when it is known.
const BYTES_PER_TOKEN: u64 = 2;
const MTOK: u128 = 1_000_000;

/// What of a request bounds its tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestSize {
    /// Bytes of the body.
    pub body_bytes: u64,
    /// What the request itself allows for each answer.
    pub output_tokens_max: Option<u64>,
    /// Answers asked for; zero counts as one.
    pub choices: u64,
}

/// Tokens as providers count them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TokenUsage {
    pub input: u64,
    pub output: u64,
}

impl TokenUsage {
    /// What it counts as under limits; without a price it costs nothing.
    #[must_use]
    pub fn spent(self, price: Option<&Price>) -> Spent {
        Spent {
            tokens: self.input.saturating_add(self.output),
            cost_micros: price.map_or(0, |price| cost_micros(*price, self)),
        }
    }
}

/// The most that a request is expected to take; `None` is not known, which a limit on it refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Estimate {
    pub tokens: Option<u64>,
    pub cost_micros: Option<u64>,
}

impl Estimate {
    /// Bounds a request; without a bound on its output neither tokens nor cost are known, without a price no cost.
    #[must_use]
    pub fn of(size: RequestSize, output_tokens_default: Option<u64>, price: Option<&Price>) -> Self {
        let usage = size.output_tokens_max.or(output_tokens_default).map(|each| TokenUsage {
            input: size.body_bytes.div_ceil(BYTES_PER_TOKEN),
            output: each.saturating_mul(size.choices.max(1)),
        });
        Self {
            tokens: usage.map(|usage| usage.input.saturating_add(usage.output)),
            cost_micros: usage.zip(price).map(|(usage, price)| cost_micros(*price, usage)),
        }
    }

    /// What to charge under these limits; only what some limit counts.
    pub(super) fn charge_for(&self, limits: &AppliedLimits) -> Result<Charge, LimitExceeded> {
        let both = [&limits.key, &limits.route];
        let counted = |is: bool, known: Option<u64>, problem| if is { known.map(Some).ok_or(problem) } else { Ok(None) };
        let tokens_count = both.iter().any(|limits| limits.tokens_per_minute.is_some());
        let cost_counts = both.iter().any(|limits| limits.cost_micros_per_day.is_some());
        Ok(Charge {
            tokens: counted(tokens_count, self.tokens, LimitExceeded::TokensUnknown)?,
            cost_micros: counted(cost_counts, self.cost_micros, LimitExceeded::CostUnknown)?,
        })
    }
}

/// The price of tokens in millionths of a US dollar, rounded up.
fn cost_micros(price: Price, usage: TokenUsage) -> u64 {
    let of = |tokens: u64, per_mtok: u64| u128::from(tokens).saturating_mul(u128::from(per_mtok));
    let total = of(usage.input, price.input_micros_per_mtok)
        .saturating_add(of(usage.output, price.output_micros_per_mtok))
        .div_ceil(MTOK);
    u64::try_from(total).unwrap_or(u64::MAX)
}
