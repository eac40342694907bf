//! What a log makes of a witness's answer.

use crate::checkpoint::SignedCheckpoint;
use crate::key::VerifierKey;
use crate::note::{NoteError, Signature, parse_signatures};
use crate::tile::decimal;

/// An answer that a log can go on with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Cosignatures by known keys, checked: at least one.
    Cosigned(Vec<Signature>),
    /// The witness has cosigned a checkpoint of this size last; prove from there.
    Latest(u64),
}

/// Why an answer is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    #[error("the witness answered with status {0}")]
    Status(u16),
    #[error("the witness's answer is not text")]
    Text,
    #[error("the witness's answer is not signature lines")]
    Lines(#[from] NoteError),
    #[error("the witness's answer to an old size is not a size")]
    Size,
    #[error("the witness's answer has a wrong signature of a known key, or none of one")]
    Signature,
}

/// Reads the answer to a request for this checkpoint, from a witness with these keys.
///
/// # Errors
/// When the status is neither 200 nor 409, the body is not as specified, or no cosignature is right.
pub fn read_answer(
    status: u16,
    body: &[u8],
    asked: &SignedCheckpoint,
    keys: &[VerifierKey],
) -> Result<Answer, AnswerError> {
    let body = std::str::from_utf8(body).map_err(|_| AnswerError::Text)?;
    match status {
        200 => {
            let mut known = Vec::new();
            for signature in parse_signatures(body)? {
                let Some(key) = keys.iter().find(|key| signature.is_by(key)) else {
                    continue;
                };
                let checked = signature.check(key, asked.note().text());
                // Only a cosignature has a time, and a witness must tell it.
                let time_s = checked.and_then(|it| it.time_s).filter(|it| *it != 0);
                time_s.ok_or(AnswerError::Signature)?;
                known.push(signature);
            }
            match known.is_empty() {
                true => Err(AnswerError::Signature),
                false => Ok(Answer::Cosigned(known)),
            }
        }
        409 => {
            let size = body.strip_suffix('\n').and_then(decimal);
            size.map(Answer::Latest).ok_or(AnswerError::Size)
        }
        other => Err(AnswerError::Status(other)),
    }
}
