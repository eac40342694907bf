//! What a request may take before anyone knows what it takes, and what it took.

use super::counters::Charge;
use super::{AppliedLimits, LimitExceeded};
use crate::settings::Price;

/// Bytes of a request that make at least one token. English has about four to a token; two
/// also cover code, digits and most scripts. What is still more is charged when it is known.
const BYTES_PER_TOKEN: u64 = 2;
const MTOK: u128 = 1_000_000;

/// The input tokens that a body of so many bytes is expected not to pass: one for every two bytes.
#[must_use]
pub fn estimate_tokens(body_bytes: usize) -> u64 {
    u64::try_from(body_bytes).unwrap_or(u64::MAX).div_ceil(BYTES_PER_TOKEN)
}

/// The most that a request is expected to take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Estimate {
    pub input_tokens: u64,
    /// Over all answers asked for.
    pub output_tokens: u64,
    /// What the model costs; without it a limit on cost refuses the request.
    pub price: Option<Price>,
}

impl Estimate {
    /// What to charge under these limits; only what some limit counts.
    pub(super) fn charge_for(&self, limits: &AppliedLimits) -> Result<Charge, LimitExceeded> {
        let both = [&limits.key, &limits.route];
        let tokens_count = both.iter().any(|limits| limits.tokens_per_minute.is_some());
        let cost_counts = both.iter().any(|limits| limits.cost_micros_per_day.is_some());
        let cost_micros = match (cost_counts, self.price) {
            (false, _) => None,
            (true, Some(price)) => Some(cost_micros(price, self.input_tokens, self.output_tokens)),
            (true, None) => return Err(LimitExceeded::PriceUnknown),
        };
        let tokens = self.input_tokens.saturating_add(self.output_tokens);
        Ok(Charge {
            tokens: tokens_count.then_some(tokens),
            cost_micros,
        })
    }

    /// What was taken, where the upstream said; the estimate stands for what it did not say.
    pub(super) fn taken(&self, input_tokens: Option<u64>, output_tokens: Option<u64>) -> Taken {
        let input = input_tokens.unwrap_or(self.input_tokens);
        let output = output_tokens.unwrap_or(self.output_tokens);
        let cost_micros = self.price.map_or(0, |price| cost_micros(price, input, output));
        Taken {
            tokens: input.saturating_add(output),
            cost_micros,
        }
    }
}

/// What a request took in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Taken {
    pub(super) tokens: u64,
    pub(super) cost_micros: u64,
}

/// The price of tokens in millionths of a US dollar, rounded up.
fn cost_micros(price: Price, input_tokens: u64, output_tokens: u64) -> u64 {
    let of = |tokens: u64, per_mtok: u64| u128::from(tokens).saturating_mul(u128::from(per_mtok));
    let total = of(input_tokens, price.input_micros_per_mtok)
        .saturating_add(of(output_tokens, price.output_micros_per_mtok))
        .div_ceil(MTOK);
    u64::try_from(total).unwrap_or(u64::MAX)
}
