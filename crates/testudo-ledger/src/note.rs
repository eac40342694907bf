//! Signed notes (C2SP signed-note): a text and the signatures of keys over it.

mod signature;
#[cfg(test)]
mod tests;

use std::fmt;

pub use signature::Signature;

use crate::key::{KeyHash, KeyName, SigningKey, VerifierKey};

/// More bytes are not looked at.
pub const NOTE_BYTES_MAX: usize = 1_000_000;
/// More signatures are refused; the specification asks for at least 16.
pub const SIGNATURES_MAX: usize = 100;

/// A text and signatures, of which nothing is known to be true until [`Note::verify`] says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<Signature>,
}

/// Why bytes are not a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    #[error("the note is longer than {NOTE_BYTES_MAX} bytes")]
    TooLong,
    #[error("the note is not UTF-8 text, or has a control character other than the newline")]
    Characters,
    #[error("the note's text does not end in a newline")]
    Text,
    #[error("the note has no empty line before its signatures")]
    Separator,
    #[error("line {line} after the note's text is not `— <key name> <base64>` with at least five bytes, or is cut off")]
    Line { line: usize },
    #[error("the note has more than {SIGNATURES_MAX} signatures")]
    TooMany,
}

/// Why a note is not to be believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    #[error("the signature of `{name}` ({hash}) is wrong: the text, the signature or the key was changed")]
    Wrong { name: KeyName, hash: KeyHash },
    #[error("no known key has signed the note")]
    Unknown,
}

/// A key whose signature on a note was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified<'a> {
    /// Whose signature it is.
    pub key: &'a VerifierKey,
    /// When a cosigner says it signed, in seconds since 1970; keys of other kinds do not say.
    pub time_s: Option<u64>,
}

impl Note {
    /// A text without signatures yet.
    ///
    /// # Errors
    /// When the text is no note's text: not ending in a newline, or with control characters.
    pub fn new(text: &str) -> Result<Self, NoteError> {
        check_characters(text)?;
        if !text.ends_with('\n') {
            return Err(NoteError::Text);
        }
        Ok(Self {
            text: text.to_owned(),
            signatures: Vec::new(),
        })
    }

    /// Reads a note with at least one signature, in the one form that [`fmt::Display`] writes.
    ///
    /// # Errors
    /// When the bytes are not such a note. Whether to believe it is another question.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        if bytes.len() > NOTE_BYTES_MAX {
            return Err(NoteError::TooLong);
        }
        let all = std::str::from_utf8(bytes).map_err(|_| NoteError::Characters)?;
        // The last empty line separates; the text keeps its own newline.
        let (text, signatures) = all.rsplit_once("\n\n").ok_or(NoteError::Separator)?;
        let mut note = Self::new(&format!("{text}\n"))?;
        note.signatures = parse_signatures(signatures)?;
        Ok(note)
    }

    /// What is signed, with its final newline.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signatures, in their order.
    #[must_use]
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// Adds a signature by this key; `time_s` is used by cosigner keys only, in seconds since 1970.
    pub fn sign(&mut self, key: &SigningKey, time_s: u64) {
        self.signatures.push(Signature::new(key, &self.text, time_s));
    }

    /// Adds a signature made elsewhere, unless it is there already.
    ///
    /// # Errors
    /// When the note is full.
    pub fn add(&mut self, signature: Signature) -> Result<(), NoteError> {
        if self.signatures.contains(&signature) {
            return Ok(());
        }
        if self.signatures.len() >= SIGNATURES_MAX {
            return Err(NoteError::TooMany);
        }
        self.signatures.push(signature);
        Ok(())
    }

    /// Checks the signatures of the keys given and ignores all others.
    ///
    /// # Errors
    /// When a signature of one of the keys is wrong, or none of them has signed.
    pub fn verify<'a>(
        &self,
        keys: impl IntoIterator<Item = &'a VerifierKey>,
    ) -> Result<Vec<Verified<'a>>, VerifyError> {
        let keys: Vec<&VerifierKey> = keys.into_iter().collect();
        let mut verified: Vec<Verified<'a>> = Vec::new();
        for signature in &self.signatures {
            let Some(key) = keys.iter().find(|key| signature.is_by(key)) else {
                continue;
            };
            let checked = signature.check(key, &self.text).ok_or_else(|| VerifyError::Wrong {
                name: key.name().clone(),
                hash: key.hash(),
            })?;
            if !verified.iter().any(|it| it.key == *key) {
                verified.push(checked);
            }
        }
        if verified.is_empty() {
            return Err(VerifyError::Unknown);
        }
        Ok(verified)
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}", self.text, lines(&self.signatures))
    }
}

/// Reads signature lines alone: the end of a note, or a witness's answer.
///
/// # Errors
/// When there is none, or one is not in the form that [`fmt::Display`] of [`Signature`] writes.
pub fn parse_signatures(text: &str) -> Result<Vec<Signature>, NoteError> {
    let mut signatures = Vec::new();
    let mut rest = text;
    loop {
        if signatures.len() >= SIGNATURES_MAX {
            return Err(NoteError::TooMany);
        }
        let bad = NoteError::Line {
            line: signatures.len().saturating_add(2),
        };
        let (line, after) = rest.split_once('\n').ok_or(bad)?;
        signatures.push(Signature::parse(line).ok_or(bad)?);
        if after.is_empty() {
            return Ok(signatures);
        }
        rest = after;
    }
}

/// Signatures as lines.
#[must_use]
pub fn lines(signatures: &[Signature]) -> String {
    signatures.iter().map(|it| format!("{it}\n")).collect()
}

/// Refuses what no note may contain.
pub(crate) fn check_characters(text: &str) -> Result<(), NoteError> {
    match text.bytes().any(|byte| byte < b' ' && byte != b'\n') {
        true => Err(NoteError::Characters),
        false => Ok(()),
    }
}
