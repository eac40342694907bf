//! What an exempt string may look like; one that looks different is scanned after all.

/// The expected look of a field that is not scanned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A name from a closed list: at most 64 bytes of `[a-z0-9_.-]`.
    Word,
    /// An id, a model name, a time: at most 256 bytes of `[A-Za-z0-9_.:/+=-]`.
    Token,
    /// Ciphertext or a signature: base64 of either alphabet, of any length.
    Opaque,
}

impl Shape {
    pub(crate) fn fits(self, text: &str) -> bool {
        match self {
            Self::Word => {
                text.len() <= 64
                    && text
                        .bytes()
                        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'.' | b'-'))
            }
            Self::Token => text.len() <= 256 && text.bytes().all(|b| is_base64(b) || matches!(b, b'.' | b':')),
            Self::Opaque => text.bytes().all(is_base64),
        }
    }
}

/// Whether an object's key needs no scan: at most 64 bytes of `[a-z0-9_]` with at most four digits,
/// so that no card or telephone number passes as a name.
pub(crate) fn is_plain_key(key: &str) -> bool {
    if key.is_empty() || key.len() > 64 {
        return false;
    }
    let mut digits = 0u32;
    key.bytes().all(|b| {
        digits = digits.saturating_add(u32::from(b.is_ascii_digit()));
        (b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_') && digits <= 4
    })
}

/// Whether a string is a payload that no text detector reads: long base64, or a base64 `data:` URI.
pub(crate) fn is_media(text: &str) -> bool {
    let payload = match text.strip_prefix("data:").and_then(|rest| rest.split_once(',')) {
        Some((head, payload)) => {
            let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'+' | b'.' | b'-' | b';' | b'=');
            if head.len() > 128 || !head.ends_with(";base64") || !head.bytes().all(plain) {
                return false;
            }
            payload
        }
        None if text.len() < MEDIA_BYTES_MIN => return false,
        None => text,
    };
    payload.bytes().all(|b| is_base64(b) || b == b'\n' || b == b'\r')
}

/// Shorter bare base64 is scanned as text: it could be a word or a key in the wrong field.
const MEDIA_BYTES_MIN: usize = 256;

fn is_base64(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=' | b'-' | b'_')
}

#[cfg(test)]
mod tests;
