//! The chunk that is being filled: its sets in memory, written with each batch as far as they changed.

use std::collections::BTreeMap;

use aws_lc_rs::digest;
use sqlx::sqlite::SqliteConnection;

use super::bits::{CHUNK, Posting};
use super::schema::{from_sql, to_sql};

/// Ids of a chunk are spread over this many rows.
const BUCKET_BITS: u32 = 6;

/// The sets of one chunk.
#[derive(Debug)]
pub(crate) struct OpenChunk {
    number: u64,
    sets: BTreeMap<u32, Changing<Posting>>,
    names: BTreeMap<u64, Changing<Vec<u64>>>,
}

#[derive(Debug)]
struct Changing<T> {
    value: T,
    changed: bool,
}

impl OpenChunk {
    /// What is stored of the chunk; nothing when it is not sound.
    pub(crate) async fn load(connection: &mut SqliteConnection, number: u64) -> Result<Option<Self>, sqlx::Error> {
        let mut chunk = Self {
            number,
            sets: BTreeMap::new(),
            names: BTreeMap::new(),
        };
        let first = set_place(number, 0);
        let rows: Vec<(i64, Vec<u8>)> = sqlx::query_as("SELECT place, entries FROM sets WHERE place >= ?1")
            .bind(to_sql(first))
            .fetch_all(&mut *connection)
            .await?;
        for (place, stored) in rows {
            let word = u32::try_from(from_sql(place).saturating_sub(first)).ok();
            let (Some(word), Some(value)) = (word, Posting::decode(&stored)) else {
                return Ok(None);
            };
            chunk.sets.insert(word, Changing { value, changed: false });
        }
        let first = name_place(number, 0);
        let rows: Vec<(i64, Vec<u8>)> = sqlx::query_as("SELECT place, prints FROM names WHERE place >= ?1")
            .bind(to_sql(first))
            .fetch_all(connection)
            .await?;
        for (place, stored) in rows {
            let Some(value) = prints(&stored) else {
                return Ok(None);
            };
            let bucket = from_sql(place).saturating_sub(first);
            chunk.names.insert(bucket, Changing { value, changed: false });
        }
        Ok(Some(chunk))
    }

    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Says that an entry has a word.
    pub(crate) fn mark(&mut self, word: u32, offset: u16) {
        let set = self.sets.entry(word).or_insert_with(|| Changing {
            value: Posting::new(),
            changed: true,
        });
        set.value.push(offset);
        set.changed = true;
    }

    /// Says that an entry is found by an id.
    pub(crate) fn name(&mut self, id: &str, offset: u16) {
        let name = Print::of(id);
        let bucket = self.names.entry(name.bucket).or_insert_with(|| Changing {
            value: Vec::new(),
            changed: true,
        });
        bucket.value.push(name.at(offset));
        bucket.changed = true;
    }

    /// Writes what changed.
    pub(crate) async fn store(&mut self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        for (word, set) in self.sets.iter_mut().filter(|(_, it)| it.changed) {
            sqlx::query("INSERT OR REPLACE INTO sets (place, entries) VALUES (?1, ?2)")
                .bind(to_sql(set_place(self.number, *word)))
                .bind(set.value.encode())
                .execute(&mut *connection)
                .await?;
            set.changed = false;
        }
        for (bucket, names) in self.names.iter_mut().filter(|(_, it)| it.changed) {
            let stored: Vec<u8> = names.value.iter().flat_map(|it| it.to_le_bytes()).collect();
            sqlx::query("INSERT OR REPLACE INTO names (place, prints) VALUES (?1, ?2)")
                .bind(to_sql(name_place(self.number, *bucket)))
                .bind(stored)
                .execute(&mut *connection)
                .await?;
            names.changed = false;
        }
        Ok(())
    }
}

/// Where the set of a chunk and a word is stored.
pub(crate) fn set_place(chunk: u64, word: u32) -> u64 {
    (chunk << 32) | u64::from(word)
}

/// Where some ids of a chunk are stored.
pub(crate) fn name_place(chunk: u64, bucket: u64) -> u64 {
    (chunk << BUCKET_BITS) | bucket
}

/// 55 bits of the hash of an id: six say in which row, 49 are stored with the entry's offset.
///
/// Two of ten million ids agree in them by chance once in a hundred years of looking one up
/// each second; the entry itself says its id.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Print {
    pub(crate) bucket: u64,
    rest: u64,
}

impl Print {
    pub(crate) fn of(id: &str) -> Self {
        let hash = digest::digest(&digest::SHA256, id.as_bytes());
        let first = hash.as_ref().first_chunk::<8>().copied().unwrap_or_default();
        let number = u64::from_be_bytes(first);
        Self {
            bucket: number >> (64 - BUCKET_BITS),
            rest: (number << BUCKET_BITS) & !(CHUNK - 1),
        }
    }

    fn at(self, offset: u16) -> u64 {
        self.rest | u64::from(offset)
    }

    /// Offsets of the entries with this id among stored prints; nothing when they are not sound.
    pub(crate) fn offsets(self, stored: &[u8]) -> Option<Vec<u16>> {
        let matching = prints(stored)?.into_iter().filter(|it| it & !(CHUNK - 1) == self.rest);
        Some(matching.filter_map(|it| u16::try_from(it & (CHUNK - 1)).ok()).collect())
    }
}

fn prints(stored: &[u8]) -> Option<Vec<u64>> {
    let (numbers, rest) = stored.as_chunks::<8>();
    rest.is_empty()
        .then(|| numbers.iter().map(|it| u64::from_le_bytes(*it)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_found_among_others_in_its_row() {
        let stored: Vec<u8> = (0_u16..200)
            .map(|it| Print::of(&format!("ex_{it}")).at(it))
            .flat_map(u64::to_le_bytes)
            .collect();
        assert_eq!(Print::of("ex_7").offsets(&stored), Some(vec![7]));
        assert_eq!(Print::of("ex_200").offsets(&stored), Some(vec![]));
        assert_eq!(Print::of("ex_7").offsets(&stored[1..]), None);
    }
}
