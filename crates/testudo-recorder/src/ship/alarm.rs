//! Why shipping stops until a person has looked.

/// The copy in the store and this ledger contradict each other.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Alarm {
    /// This ledger was rolled back, or another process ships to the same place.
    #[error(
        "the copy has {remote} entries and this ledger has {local}; the ledger was rolled back, or another one ships \
         to the same place: compare them before starting again"
    )]
    Ahead { remote: u64, local: u64 },
    /// Somebody replaced the copy by an older one or removed it.
    #[error(
        "the copy has {remote} entries and {shipped} were shipped; it was rolled back: find out by whom, then remove \
         `shipping/state.json` to ship again"
    )]
    Behind { remote: u64, shipped: u64 },
    /// The copy's history is not this ledger's.
    #[error(
        "the copy's first {size} entries are not this ledger's; one of the two was forked: keep both and compare them"
    )]
    Fork { size: u64 },
    /// The checkpoint in the store is not signed by this ledger.
    #[error("the checkpoint in the store is not one of this ledger; ship to an empty place, or look who writes there")]
    Foreign,
}
