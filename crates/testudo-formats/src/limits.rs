//! How much one file may cost to read.

/// Bounds on one call of [`scan`](crate::scan). What they cut off is a finding, never silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Archives and streams within each other; the file itself has depth 0.
    pub depth_max: u32,
    /// Members of all archives together.
    pub members_max: u64,
    /// Bytes that are unpacked, all members together, counting what is unpacked twice.
    pub unpacked_bytes_max: u64,
    /// Unpacked bytes for each packed one, beyond [`Self::ratio_free_bytes`].
    pub ratio_max: u64,
    /// Unpacked bytes of one stream before its ratio matters.
    pub ratio_free_bytes: u64,
    /// An unpacked stream up to this size is kept in memory; a longer one is unpacked again where needed.
    pub held_bytes_max: usize,
    /// A header, document or directory that is read whole.
    pub document_bytes_max: usize,
    /// Opcodes of all pickles together.
    pub opcodes_max: u64,
    /// Memory that the values of one pickle may take.
    pub pickle_bytes_max: usize,
    /// Slots in a pickle's memo.
    pub memo_max: usize,
    /// Findings that are kept.
    pub findings_max: usize,
    /// Parts that are listed.
    pub parts_max: usize,
}

impl Limits {
    /// Enough for every model that a saver writes; a hostile file costs seconds and less than 400 MB.
    pub const DEFAULT: Self = Self {
        depth_max: 8,
        members_max: 100_000,
        unpacked_bytes_max: 64 << 30,
        ratio_max: 200,
        ratio_free_bytes: 1 << 30,
        held_bytes_max: 64 << 20,
        document_bytes_max: 100 << 20,
        opcodes_max: 500_000_000,
        pickle_bytes_max: 192 << 20,
        memo_max: 8_000_000,
        findings_max: 1_000,
        parts_max: 10_000,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
