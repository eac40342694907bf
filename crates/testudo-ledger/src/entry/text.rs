//! What text in an entry may be.

/// The greatest length of one text in bytes.
pub const TEXT_BYTES_MAX: usize = 256;

/// The greatest number of items in a list, unless the list says otherwise.
pub const LIST_ITEMS_MAX: usize = 256;
