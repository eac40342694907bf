//! Entry bundles: entries one after another, each with its length before it in two bytes, the higher first.

/// Entries cannot be longer.
pub const ENTRY_BYTES_MAX: usize = u16::MAX as usize;
/// A full bundle of the longest entries; what a reader may have to take.
pub const BUNDLE_BYTES_MAX: usize = 256 * (2 + ENTRY_BYTES_MAX);

/// Why a bundle cannot be written or read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    #[error("an entry of {bytes} bytes does not fit; at most {ENTRY_BYTES_MAX} do")]
    TooLong { bytes: usize },
    #[error("the bundle ends within entry {entry} of {width}, counted from 0")]
    Ends { entry: u16, width: u16 },
    #[error("{bytes} bytes follow the last of {width} entries")]
    Follows { bytes: usize, width: u16 },
}

/// Writes entries as a bundle; how many there are is the caller's to limit.
///
/// # Errors
/// When an entry is longer than 65 535 bytes.
pub fn encode<T: AsRef<[u8]>>(entries: impl IntoIterator<Item = T>) -> Result<Vec<u8>, BundleError> {
    let mut bundle = Vec::new();
    for entry in entries {
        append(&mut bundle, entry.as_ref())?;
    }
    Ok(bundle)
}

/// Appends one entry to a bundle; on failure nothing is appended.
///
/// # Errors
/// When the entry is longer than 65 535 bytes.
pub fn append(bundle: &mut Vec<u8>, entry: &[u8]) -> Result<(), BundleError> {
    let len = u16::try_from(entry.len()).map_err(|_| BundleError::TooLong { bytes: entry.len() })?;
    bundle.extend_from_slice(&len.to_be_bytes());
    bundle.extend_from_slice(entry);
    Ok(())
}

/// Reads a bundle of exactly `width` entries; no byte may be left over.
///
/// # Errors
/// When the bytes are not `width` entries.
pub fn decode(bundle: &[u8], width: u16) -> Result<Vec<&[u8]>, BundleError> {
    let mut entries = Vec::with_capacity(usize::from(width));
    let mut rest = bundle;
    for entry in 0..width {
        let ends = BundleError::Ends { entry, width };
        let (len, after) = rest.split_first_chunk().ok_or(ends)?;
        let len = usize::from(u16::from_be_bytes(*len));
        let (data, after) = after.split_at_checked(len).ok_or(ends)?;
        entries.push(data);
        rest = after;
    }
    match rest.len() {
        0 => Ok(entries),
        bytes => Err(BundleError::Follows { bytes, width }),
    }
}
