//! How many entries have each value, by counting bits.

use std::ops::Range;

use sqlx::sqlite::SqliteConnection;

use super::scan::{self, Terms};
use super::{Failure, Filter};
use crate::index::{self, CHUNK, Facet, set_place};

/// A facet with more values is not counted by.
const VALUES_MAX: usize = 1_000;
/// Sets that are read in one step.
const STEP_SETS: usize = 1_024;

pub(super) async fn by(
    connection: &mut SqliteConnection,
    filter: &Filter,
    range: Range<u64>,
    facet: Facet,
) -> Result<Vec<(String, u64)>, Failure> {
    let values = index::values(connection, facet, VALUES_MAX.saturating_add(1)).await?;
    if values.len() > VALUES_MAX {
        return Err(Failure::TooManyValues(VALUES_MAX));
    }
    let Some(terms) = Terms::of(connection, filter).await? else {
        return Ok(Vec::new());
    };
    let words: Vec<u32> = values.iter().map(|(word, _)| *word).collect();
    let mut counted: Vec<(String, u64)> = values.into_iter().map(|(_, text)| (text, 0)).collect();
    let chunks = u64::try_from(STEP_SETS.checked_div(words.len()).unwrap_or(1))
        .unwrap_or(1)
        .clamp(1, 32);
    let mut start = range.start;
    while start < range.end {
        let chunk_start = start.saturating_sub(start % CHUNK);
        let end = chunk_start.saturating_add(CHUNK.saturating_mul(chunks)).min(range.end);
        let met = terms.meet(connection, &(start..end)).await?;
        let present: Vec<u64> = met.keys().copied().collect();
        let sets = scan::sets(connection, &present, &words).await?;
        for (chunk, bits) in &met {
            for (word, (_, count)) in words.iter().zip(&mut counted) {
                let more = sets.get(&set_place(*chunk, *word)).map_or(0, |set| bits.count_in(set));
                *count = count.saturating_add(more);
            }
        }
        start = end;
    }
    counted.retain(|(_, count)| *count > 0);
    Ok(counted)
}
