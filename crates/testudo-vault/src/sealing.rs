//! Chunked encryption (c2sp.org/chunked-encryption, Cobblestone-256): large messages sealed and read at any place.
//!
//! A message is cut into pieces of 16 KiB, the last one always shorter, each sealed by AES-256-GCM under a key and a
//! nonce that belong to this message alone. Key and nonce come from the input key, a salt and a context, and so does
//! a commitment that stands before the pieces: with another key or another context nothing opens.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::{constant_time, hkdf, rand};
use zeroize::Zeroizing;

/// Plain bytes of every piece but the last.
pub const PIECE_BYTES: usize = 16 << 10;
/// What stands before the pieces: the salt and the commitment.
pub const HEAD_BYTES: usize = SALT_BYTES + COMMITMENT_BYTES;
/// Bytes of an input key.
pub const KEY_BYTES: usize = 32;
const SALT_BYTES: usize = 24;
const COMMITMENT_BYTES: usize = 32;
const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;
const SEALED_PIECE_BYTES: usize = PIECE_BYTES + TAG_BYTES;
/// More pieces than this are refused.
const PIECES_MAX: u64 = 1 << 38;
const LABEL: &[u8] = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0";

/// Why something was not sealed or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    #[error("the system gave no random bytes; try again")]
    Random,
    #[error("the key is not {KEY_BYTES} bytes long")]
    Key,
    #[error("it was sealed with another key, or for another place")]
    Commitment,
    #[error("it was changed after it was sealed")]
    Changed,
    #[error("its end is missing, or it is not sealed bytes")]
    Truncated,
    #[error("it is longer than 4 PiB")]
    TooLong,
    #[error("the cipher refused to work")]
    Failed,
}

/// 32 secret bytes, wiped when dropped and never printed.
#[derive(Clone)]
pub struct InputKey(Zeroizing<[u8; KEY_BYTES]>);

impl InputKey {
    /// Fresh from the system.
    ///
    /// # Errors
    /// When the system has no random bytes.
    pub fn random() -> Result<Self, SealError> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        rand::fill(bytes.as_mut_slice()).map_err(|_| SealError::Random)?;
        Ok(Self(bytes))
    }

    /// Takes exactly 32 bytes.
    ///
    /// # Errors
    /// When there are fewer or more.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, SealError> {
        let bytes = bytes.try_into().map_err(|_| SealError::Key)?;
        Ok(Self(Zeroizing::new(bytes)))
    }

    /// The bytes, to be wrapped by another key.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        self.0.as_slice()
    }

    fn derive(&self, salt: [u8; SALT_BYTES], context: &[u8]) -> Result<MessageKey, SealError> {
        struct Length(usize);
        impl hkdf::KeyType for Length {
            fn len(&self) -> usize {
                self.0
            }
        }
        let mut bytes = Zeroizing::new([0u8; KEY_BYTES + NONCE_BYTES + COMMITMENT_BYTES]);
        hkdf::Prk::new_less_safe(hkdf::HKDF_SHA512, self.expose())
            .expand(&[LABEL, &salt, context], Length(bytes.len()))
            .and_then(|okm| okm.fill(bytes.as_mut_slice()))
            .map_err(|_| SealError::Failed)?;
        let (key, rest) = bytes.split_first_chunk::<KEY_BYTES>().ok_or(SealError::Failed)?;
        let (nonce, rest) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(SealError::Failed)?;
        let commitment = rest.first_chunk::<COMMITMENT_BYTES>().ok_or(SealError::Failed)?;
        let key = UnboundKey::new(&AES_256_GCM, key).map_err(|_| SealError::Failed)?;
        Ok(MessageKey {
            key: LessSafeKey::new(key),
            nonce: *nonce,
            salt,
            commitment: *commitment,
        })
    }
}

impl fmt::Debug for InputKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InputKey([redacted])")
    }
}

/// What belongs to one message.
struct MessageKey {
    key: LessSafeKey,
    nonce: [u8; NONCE_BYTES],
    salt: [u8; SALT_BYTES],
    commitment: [u8; COMMITMENT_BYTES],
}

impl MessageKey {
    fn nonce(&self, piece: u64) -> Result<Nonce, SealError> {
        if piece >= PIECES_MAX {
            return Err(SealError::TooLong);
        }
        let mut nonce = self.nonce;
        for (to, from) in nonce.iter_mut().rev().zip(piece.to_be_bytes().iter().rev()) {
            *to ^= *from;
        }
        Ok(Nonce::assume_unique_for_key(nonce))
    }

    fn head(&self) -> [u8; HEAD_BYTES] {
        let mut head = [0; HEAD_BYTES];
        for (to, from) in head.iter_mut().zip(self.salt.iter().chain(&self.commitment)) {
            *to = *from;
        }
        head
    }
}

/// Seals one message from its beginning to its end.
pub struct Sealer {
    key: MessageKey,
    piece: u64,
    /// Less than a piece.
    waiting: Vec<u8>,
}

impl Sealer {
    /// Begins a message; `out` gets what stands before its pieces.
    ///
    /// # Errors
    /// When the system has no random bytes.
    pub fn new(key: &InputKey, context: &[u8], out: &mut Vec<u8>) -> Result<Self, SealError> {
        let mut salt = [0; SALT_BYTES];
        rand::fill(&mut salt).map_err(|_| SealError::Random)?;
        Self::with_salt(key, salt, context, out)
    }

    fn with_salt(key: &InputKey, salt: [u8; SALT_BYTES], context: &[u8], out: &mut Vec<u8>) -> Result<Self, SealError> {
        let key = key.derive(salt, context)?;
        out.extend_from_slice(&key.head());
        Ok(Self {
            key,
            piece: 0,
            waiting: Vec::with_capacity(PIECE_BYTES),
        })
    }

    /// Adds to the message; `out` gets every piece that is whole.
    ///
    /// # Errors
    /// When the message is longer than 4 PiB.
    pub fn push(&mut self, mut plain: &[u8], out: &mut Vec<u8>) -> Result<(), SealError> {
        while !plain.is_empty() {
            // What is a whole piece need not wait.
            if self.waiting.is_empty()
                && let Some((piece, later)) = plain.split_at_checked(PIECE_BYTES)
            {
                self.seal(piece, out)?;
                plain = later;
                continue;
            }
            let room = PIECE_BYTES.saturating_sub(self.waiting.len());
            let (now, later) = plain.split_at_checked(room).unwrap_or((plain, &[]));
            self.waiting.extend_from_slice(now);
            plain = later;
            if self.waiting.len() == PIECE_BYTES {
                self.seal_waiting(out)?;
            }
        }
        Ok(())
    }

    /// Ends the message; `out` gets its last piece.
    ///
    /// # Errors
    /// When the message is longer than 4 PiB.
    pub fn finish(mut self, out: &mut Vec<u8>) -> Result<(), SealError> {
        self.seal_waiting(out)
    }

    fn seal_waiting(&mut self, out: &mut Vec<u8>) -> Result<(), SealError> {
        let mut waiting = std::mem::take(&mut self.waiting);
        self.seal(&waiting, out)?;
        waiting.clear();
        self.waiting = waiting;
        Ok(())
    }

    fn seal(&mut self, piece: &[u8], out: &mut Vec<u8>) -> Result<(), SealError> {
        let nonce = self.key.nonce(self.piece)?;
        let start = out.len();
        out.extend_from_slice(piece);
        let sealed = out.get_mut(start..).ok_or(SealError::Failed)?;
        let tag = self
            .key
            .key
            .seal_in_place_separate_tag(nonce, Aad::empty(), sealed)
            .map_err(|_| SealError::Failed)?;
        out.extend_from_slice(tag.as_ref());
        self.piece = self.piece.saturating_add(1);
        Ok(())
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer")
            .field("piece", &self.piece)
            .finish_non_exhaustive()
    }
}

/// Opens the pieces of one message in any order.
pub struct Opener {
    key: MessageKey,
    shape: Shape,
}

/// How long a message is, sealed and plain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    plain: u64,
    sealed: u64,
    /// Pieces before the last one.
    full: u64,
}

impl Shape {
    /// Of so many plain bytes.
    #[must_use]
    pub fn of_plain(plain: u64) -> Self {
        let full = plain.checked_div(PIECE_BYTES as u64).unwrap_or(0);
        let tags = full.saturating_add(1).saturating_mul(TAG_BYTES as u64);
        Self {
            plain,
            sealed: plain.saturating_add(tags).saturating_add(HEAD_BYTES as u64),
            full,
        }
    }

    /// Of so many sealed bytes.
    ///
    /// # Errors
    /// When no message has this length: its end is missing.
    pub fn of_sealed(sealed: u64) -> Result<Self, SealError> {
        let body = sealed.checked_sub(HEAD_BYTES as u64).ok_or(SealError::Truncated)?;
        let full = body.checked_div(SEALED_PIECE_BYTES as u64).unwrap_or(0);
        let tags = full.saturating_add(1).saturating_mul(TAG_BYTES as u64);
        let plain = body.checked_sub(tags).ok_or(SealError::Truncated)?;
        let shape = Self::of_plain(plain);
        if shape.sealed == sealed && shape.full < PIECES_MAX {
            Ok(shape)
        } else {
            Err(SealError::Truncated)
        }
    }

    /// Plain bytes.
    #[must_use]
    pub fn plain(&self) -> u64 {
        self.plain
    }

    /// Sealed bytes.
    #[must_use]
    pub fn sealed(&self) -> u64 {
        self.sealed
    }

    /// Pieces, the last one counted; at least one.
    #[must_use]
    pub fn pieces(&self) -> u64 {
        self.full.saturating_add(1)
    }

    /// Where piece `piece` lies among the sealed bytes; empty beyond the last one.
    #[must_use]
    pub fn range(&self, piece: u64) -> std::ops::Range<u64> {
        let at = |piece: u64| {
            let bytes = piece.saturating_mul(SEALED_PIECE_BYTES as u64);
            bytes.saturating_add(HEAD_BYTES as u64).min(self.sealed)
        };
        at(piece)..at(piece.saturating_add(1))
    }
}

impl Opener {
    /// Begins to read a message of `sealed` bytes by what stands before its pieces.
    ///
    /// # Errors
    /// When no message has this length, or it was sealed with another key or for another context.
    pub fn new(key: &InputKey, context: &[u8], head: &[u8], sealed: u64) -> Result<Self, SealError> {
        let shape = Shape::of_sealed(sealed)?;
        let (salt, commitment) = head.split_first_chunk::<SALT_BYTES>().ok_or(SealError::Truncated)?;
        let key = key.derive(*salt, context)?;
        constant_time::verify_slices_are_equal(&key.commitment, commitment).map_err(|_| SealError::Commitment)?;
        Ok(Self { key, shape })
    }

    /// How long the message is.
    #[must_use]
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Opens piece `piece`, in place; `sealed` is exactly what [`Shape::range`] says.
    ///
    /// # Errors
    /// When it was changed, is not this piece of this message, or has another length.
    pub fn open<'s>(&self, piece: u64, sealed: &'s mut [u8]) -> Result<&'s [u8], SealError> {
        let range = self.shape.range(piece);
        let wanted = range.end.saturating_sub(range.start);
        if piece >= self.shape.pieces() || u64::try_from(sealed.len()).ok() != Some(wanted) {
            return Err(SealError::Truncated);
        }
        self.key
            .key
            .open_in_place(self.key.nonce(piece)?, Aad::empty(), sealed)
            .map(|plain| &*plain)
            .map_err(|_| SealError::Changed)
    }

    /// Opens pieces that lie one behind the other, `first` at the beginning, and leaves what they hold.
    ///
    /// # Errors
    /// As [`Self::open`]; nothing of `run` may be used then.
    pub fn open_run(&self, first: u64, run: &mut Vec<u8>) -> Result<(), SealError> {
        let (mut piece, mut at, mut plain_end) = (first, 0usize, 0usize);
        while at < run.len() {
            let range = self.shape.range(piece);
            let length = usize::try_from(range.end.saturating_sub(range.start)).map_err(|_| SealError::Truncated)?;
            let end = at.saturating_add(length);
            // Beyond the last piece the length is 0, and nothing opens.
            let sealed = run.get_mut(at..end).ok_or(SealError::Truncated)?;
            let plain = self.open(piece, sealed)?.len();
            run.copy_within(at..at.saturating_add(plain), plain_end);
            plain_end = plain_end.saturating_add(plain);
            at = end;
            piece = piece.saturating_add(1);
        }
        run.truncate(plain_end);
        Ok(())
    }
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opener")
            .field("shape", &self.shape)
            .finish_non_exhaustive()
    }
}

/// Seals a short message whole.
///
/// # Errors
/// As [`Sealer`].
pub fn seal(key: &InputKey, context: &[u8], plain: &[u8]) -> Result<Vec<u8>, SealError> {
    let mut out = Vec::new();
    let mut sealer = Sealer::new(key, context, &mut out)?;
    sealer.push(plain, &mut out)?;
    sealer.finish(&mut out)?;
    Ok(out)
}

/// Opens a short message whole.
///
/// # Errors
/// As [`Opener`].
pub fn open(key: &InputKey, context: &[u8], sealed: &[u8]) -> Result<Vec<u8>, SealError> {
    let (head, mut body) = sealed.split_at_checked(HEAD_BYTES).ok_or(SealError::Truncated)?;
    let length = u64::try_from(sealed.len()).map_err(|_| SealError::TooLong)?;
    let opener = Opener::new(key, context, head, length)?;
    let mut plain = Vec::with_capacity(body.len());
    for piece in 0..opener.shape.pieces() {
        let (now, later) = body.split_at_checked(SEALED_PIECE_BYTES).unwrap_or((body, &[]));
        body = later;
        let mut now = Zeroizing::new(now.to_vec());
        plain.extend_from_slice(opener.open(piece, &mut now)?);
    }
    Ok(plain)
}

#[cfg(test)]
mod tests;
