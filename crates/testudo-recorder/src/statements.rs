//! What a ledger tells of chains of signed statements: how far this machine had come, whoever forgot it since.

use testudo_ledger::entry::{Body, Digest, Entry};

use crate::index::{self, chain_word};
use crate::query::{Filter, Order, QueryError, Reader};
use crate::reading::{LogFolder, ReadLogError};

/// Entries that are looked at through the index. One would do if nobody wrote at the same time as another.
const ENTRIES_MAX: usize = 64;
/// Entries that are read because they are not in the index yet.
const UNINDEXED_MAX: u64 = 1 << 16;
const BUNDLE: u64 = 256;

/// How far a chain of statements had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ToldChain {
    /// How many statements there were.
    pub statements: u64,
    /// Of the last of them.
    pub hash: [u8; 32],
}

/// Why a ledger does not say how far a chain had come.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ToldChainError {
    #[error("the ledger cannot be read")]
    Log(#[from] ReadLogError),
    #[error(transparent)]
    Index(#[from] QueryError),
    #[error(
        "the query index of the ledger lacks {missing} entries; start the gateway and wait, or run `testudo ledger fsck --rebuild-index`"
    )]
    Behind { missing: u64 },
}

/// The furthest that a ledger tells of the statements about an artifact, in the vault whose address has the digest
/// `place`. Looks into the index, and at those entries under the checkpoint that are not in it yet. A folder without
/// a checkpoint tells nothing.
///
/// # Errors
/// When the ledger cannot be read, or too much of it is in no index.
pub async fn told_chain(log: &LogFolder, place: &Digest, artifact: &str) -> Result<Option<ToldChain>, ToldChainError> {
    let size = match log.size() {
        Ok(size) => size,
        Err(ReadLogError::Missing { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let mut furthest = None;
    let indexed = match reader(log).await? {
        Some(mut reader) => {
            let indexed = reader.size().await?.min(size);
            let filter = Filter {
                chain: Some(chain_word(place, artifact)),
                ..Filter::default()
            };
            let page = reader.find(&filter, Order::NewestFirst, ENTRIES_MAX, None).await?;
            // The index is a cache; what counts is what the entries say.
            for row in page.rows.iter().filter(|row| row.index < size) {
                further(&mut furthest, told(&log.entry(row.index)?, place, artifact));
            }
            indexed
        }
        None => 0,
    };
    let missing = size.saturating_sub(indexed);
    if missing > UNINDEXED_MAX {
        return Err(ToldChainError::Behind { missing });
    }
    let mut start = indexed.saturating_sub(indexed % BUNDLE);
    while start < size {
        for bytes in log.bundle(start / BUNDLE)? {
            further(&mut furthest, told(&bytes, place, artifact));
        }
        start = start.saturating_add(BUNDLE);
    }
    Ok(furthest)
}

/// Nothing where there is no index of this format: it is about to be made anew.
async fn reader(log: &LogFolder) -> Result<Option<Reader>, QueryError> {
    let path = log.root().join(index::FILE_NAME);
    if !path.is_file() {
        return Ok(None);
    }
    match Reader::open(&path).await {
        Ok(reader) => Ok(Some(reader)),
        Err(QueryError::Format { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn told(bytes: &[u8], place: &Digest, artifact: &str) -> Option<ToldChain> {
    // Entries of kinds that a later program writes tell this one nothing.
    let Ok(Entry {
        body: Body::Artifact(entry),
        ..
    }) = Entry::decode(bytes)
    else {
        return None;
    };
    let chain = entry.chain.filter(|chain| chain.place == *place)?;
    (entry.name.as_deref() == Some(artifact)).then(|| ToldChain {
        statements: chain.statements,
        hash: *chain.hash.as_bytes(),
    })
}

fn further(furthest: &mut Option<ToldChain>, found: Option<ToldChain>) {
    if found.map(|it| it.statements) > furthest.map(|it| it.statements) {
        *furthest = found;
    }
}
