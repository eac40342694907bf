//! Meeting sets chunk by chunk, until enough entries are found.

use std::collections::BTreeMap;
use std::ops::Range;

use sqlx::sqlite::SqliteConnection;
use sqlx::{QueryBuilder, Sqlite};

use super::{Failure, Filter, Order};
use crate::index::{self, Bits, CHUNK, Posting, Print, from_sql, name_place, place, set_place, to_sql};

/// Chunks that are read in the first step; each further step reads twice as many, up to the most.
const STEP_FIRST: u64 = 2;
const STEP_MOST: u64 = 32;

pub(super) const SETS: &str = "SELECT place, entries FROM sets WHERE place IN (";
pub(super) const NAMES: &str = "SELECT place, prints FROM names WHERE place IN (";

/// The first entries of the range that the filter names, at most `wanted`, in the given order.
pub(super) async fn indexes(
    connection: &mut SqliteConnection,
    filter: &Filter,
    range: Range<u64>,
    order: Order,
    wanted: usize,
) -> Result<Vec<u64>, Failure> {
    let Some(terms) = Terms::of(connection, filter).await? else {
        return Ok(Vec::new());
    };
    if terms.is_empty() {
        return Ok(first(range, order, wanted));
    }
    let mut found = Vec::new();
    let mut rest = range;
    let mut step = STEP_FIRST;
    while !rest.is_empty() && found.len() < wanted {
        let part = cut(&mut rest, order, step);
        let mut sets = terms.meet(connection, &part).await?;
        while let Some((chunk, bits)) = match order {
            Order::NewestFirst => sets.pop_last(),
            Order::OldestFirst => sets.pop_first(),
        } {
            let start = chunk.saturating_mul(CHUNK);
            let offsets: Vec<u64> = bits.offsets().collect();
            let missing = wanted.saturating_sub(found.len());
            match order {
                Order::NewestFirst => {
                    found.extend(offsets.iter().rev().take(missing).map(|it| start.saturating_add(*it)))
                }
                Order::OldestFirst => found.extend(offsets.iter().take(missing).map(|it| start.saturating_add(*it))),
            }
        }
        step = step.saturating_mul(2).min(STEP_MOST);
    }
    Ok(found)
}

/// Without words every entry of the range will do.
fn first(range: Range<u64>, order: Order, wanted: usize) -> Vec<u64> {
    match order {
        Order::NewestFirst => range.rev().take(wanted).collect(),
        Order::OldestFirst => range.take(wanted).collect(),
    }
}

/// Takes some chunks from the end of the range that comes first.
fn cut(rest: &mut Range<u64>, order: Order, chunks: u64) -> Range<u64> {
    let entries = chunks.saturating_mul(CHUNK);
    match order {
        Order::NewestFirst => {
            let last = rest.end.saturating_sub(1);
            let chunk_end = last.saturating_sub(last % CHUNK).saturating_add(CHUNK);
            let start = chunk_end.saturating_sub(entries).max(rest.start);
            let part = start..rest.end;
            rest.end = start;
            part
        }
        Order::OldestFirst => {
            let chunk_start = rest.start.saturating_sub(rest.start % CHUNK);
            let end = chunk_start.saturating_add(entries).min(rest.end);
            let part = rest.start..end;
            rest.start = end;
            part
        }
    }
}

/// What the filter asks for besides times, as numbers.
#[derive(Debug)]
pub(super) struct Terms {
    words: Vec<u32>,
    id: Option<Print>,
}

impl Terms {
    /// Nothing when no entry can have all of it, since some value was never seen.
    pub(super) async fn of(connection: &mut SqliteConnection, filter: &Filter) -> Result<Option<Self>, Failure> {
        let mut words = Vec::new();
        for (facet, text) in filter.words() {
            match index::find(connection, facet, text).await? {
                Some(word) => words.push(word),
                None => return Ok(None),
            }
        }
        let id = filter.id.as_deref().map(Print::of);
        Ok(Some(Self { words, id }))
    }

    fn is_empty(&self) -> bool {
        self.words.is_empty() && self.id.is_none()
    }

    /// The entries of the range that have everything, by chunk; chunks without any are left out.
    pub(super) async fn meet(
        &self,
        connection: &mut SqliteConnection,
        range: &Range<u64>,
    ) -> Result<BTreeMap<u64, Bits>, Failure> {
        let mut met = within(range);
        if let Some(print) = self.id {
            self.meet_ids(connection, print, &mut met).await?;
        }
        if self.words.is_empty() || met.is_empty() {
            return Ok(met);
        }
        let chunks: Vec<u64> = met.keys().copied().collect();
        let mut sets = sets(connection, &chunks, &self.words).await?;
        met.retain(|chunk, bits| {
            let all = self
                .words
                .iter()
                .all(|word| match sets.remove(&set_place(*chunk, *word)) {
                    Some(set) => {
                        bits.keep(&set);
                        true
                    }
                    None => false,
                });
            all && !bits.is_empty()
        });
        Ok(met)
    }

    async fn meet_ids(
        &self,
        connection: &mut SqliteConnection,
        print: Print,
        met: &mut BTreeMap<u64, Bits>,
    ) -> Result<(), Failure> {
        let places: Vec<u64> = met.keys().map(|chunk| name_place(*chunk, print.bucket)).collect();
        let mut query = by_place(NAMES, &places);
        let rows: Vec<(i64, Vec<u8>)> = query.build_query_as().fetch_all(connection).await?;
        let mut named: BTreeMap<u64, Vec<u16>> = BTreeMap::new();
        for (place, stored) in rows {
            named.insert(from_sql(place), print.offsets(&stored).ok_or(Failure::Damaged)?);
        }
        met.retain(|chunk, bits| {
            let offsets = named.remove(&name_place(*chunk, print.bucket)).unwrap_or_default();
            bits.keep(&Posting::Listed(offsets));
            !bits.is_empty()
        });
        Ok(())
    }
}

/// Every entry of a range, by chunk.
pub(super) fn within(range: &Range<u64>) -> BTreeMap<u64, Bits> {
    let Some(last) = range.end.checked_sub(1).filter(|last| *last >= range.start) else {
        return BTreeMap::new();
    };
    (place(range.start).0..=place(last).0)
        .map(|chunk| {
            let start = chunk.saturating_mul(CHUNK);
            let bits = Bits::between(range.start.saturating_sub(start), range.end.saturating_sub(start));
            (chunk, bits)
        })
        .collect()
}

/// The stored sets of some chunks and words, by place.
pub(super) async fn sets(
    connection: &mut SqliteConnection,
    chunks: &[u64],
    words: &[u32],
) -> Result<BTreeMap<u64, Posting>, Failure> {
    let places: Vec<u64> = chunks
        .iter()
        .flat_map(|chunk| words.iter().map(|word| set_place(*chunk, *word)))
        .collect();
    let mut found = BTreeMap::new();
    for part in places.chunks(1_024) {
        let mut query = by_place(SETS, part);
        let rows: Vec<(i64, Vec<u8>)> = query.build_query_as().fetch_all(&mut *connection).await?;
        for (place, stored) in rows {
            found.insert(from_sql(place), Posting::decode(&stored).ok_or(Failure::Damaged)?);
        }
    }
    Ok(found)
}

/// A statement that looks rows up by their key, as many as there are places.
pub(super) fn by_place(start: &str, places: &[u64]) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new(start);
    let mut list = query.separated(",");
    for place in places {
        list.push_bind(to_sql(*place));
    }
    query.push(")");
    query
}
