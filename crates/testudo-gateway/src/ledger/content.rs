//! The texts of one exchange on their way to be sealed: the request as received, the answer as delivered.

use bytes::Bytes;
use zeroize::Zeroizing;

use crate::settings::Content;

/// What is kept of an exchange's texts until it ends.
///
/// Debug shows sizes only.
#[derive(Default)]
pub(crate) struct Captured {
    /// Bytes of each direction that are kept; nothing is without it.
    bytes_max: Option<usize>,
    request: Bytes,
    request_bytes: usize,
    answer: Answer,
    answer_bytes: usize,
}

/// An answer is one piece, or is gathered as it streams.
enum Answer {
    Whole(Bytes),
    Streamed(Zeroizing<Vec<u8>>),
}

impl Default for Answer {
    fn default() -> Self {
        Self::Whole(Bytes::new())
    }
}

impl Captured {
    /// Says what may be kept; nothing until this is said.
    pub(crate) fn keep(&mut self, content: Content) {
        self.bytes_max = match content {
            Content::Sealed { bytes_max } => Some(bytes_max),
            Content::None => None,
        };
    }

    /// The request's body, not copied.
    pub(crate) fn request(&mut self, body: &Bytes) {
        if let Some(bytes_max) = self.bytes_max {
            self.request_bytes = body.len();
            self.request = body.slice(..body.len().min(bytes_max));
        }
    }

    /// The whole answer, not copied.
    pub(crate) fn answer(&mut self, body: &Bytes) {
        if let Some(bytes_max) = self.bytes_max {
            self.answer_bytes = body.len();
            self.answer = Answer::Whole(body.slice(..body.len().min(bytes_max)));
        }
    }

    /// A piece of a streamed answer; copied, since pieces are small and holding each would cost more.
    pub(crate) fn piece(&mut self, piece: &[u8]) {
        let Some(bytes_max) = self.bytes_max else { return };
        self.answer_bytes = self.answer_bytes.saturating_add(piece.len());
        if let Answer::Whole(_) = self.answer {
            self.answer = Answer::Streamed(Zeroizing::default());
        }
        if let Answer::Streamed(kept) = &mut self.answer {
            let room = bytes_max.saturating_sub(kept.len());
            kept.extend_from_slice(piece.get(..room).unwrap_or(piece));
        }
    }

    /// What is sealed: one line of JSON that says how long each part is and whether it was cut, then the parts.
    pub(crate) fn take(&mut self) -> Option<Zeroizing<Vec<u8>>> {
        self.bytes_max?;
        if self.request_bytes == 0 && self.answer_bytes == 0 {
            return None;
        }
        let answer = match &self.answer {
            Answer::Whole(bytes) => bytes.as_ref(),
            Answer::Streamed(bytes) => bytes.as_slice(),
        };
        let head = format!(
            "{{\"request\":{},\"request_of\":{},\"answer\":{},\"answer_of\":{}}}\n",
            self.request.len(),
            self.request_bytes,
            answer.len(),
            self.answer_bytes
        );
        // Room for everything at once: growing would leave pieces of the content behind.
        let room = head
            .len()
            .saturating_add(self.request.len())
            .saturating_add(answer.len());
        let mut content = Zeroizing::new(Vec::with_capacity(room));
        content.extend_from_slice(head.as_bytes());
        content.extend_from_slice(&self.request);
        content.extend_from_slice(answer);
        *self = Self::default();
        Some(content)
    }
}

impl std::fmt::Debug for Captured {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Captured")
            .field("request_bytes", &self.request_bytes)
            .field("answer_bytes", &self.answer_bytes)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(bytes_max: usize) -> Captured {
        let mut captured = Captured::default();
        captured.keep(Content::Sealed { bytes_max });
        captured
    }

    #[test]
    fn parts_are_kept_whole_or_cut_and_say_so() {
        let mut captured = kept(4);
        captured.request(&Bytes::from_static(b"question"));
        for piece in ["a", "ns", "wer"] {
            captured.piece(piece.as_bytes());
        }
        let content = captured.take().unwrap();
        assert_eq!(
            String::from_utf8(content.to_vec()).unwrap(),
            "{\"request\":4,\"request_of\":8,\"answer\":4,\"answer_of\":6}\nquesansw"
        );
        assert_eq!(captured.take(), None);
        let mut captured = kept(100);
        captured.answer(&Bytes::from_static(b"whole"));
        assert!(captured.take().unwrap().ends_with(b"\nwhole"));
    }

    #[test]
    fn nothing_is_kept_unless_asked() {
        for mut captured in [Captured::default(), {
            let mut captured = Captured::default();
            captured.keep(Content::None);
            captured
        }] {
            captured.request(&Bytes::from_static(b"question"));
            captured.piece(b"answer");
            assert_eq!(captured.take(), None);
            assert!(!format!("{captured:?}").contains("question"));
        }
        assert_eq!(kept(10).take(), None, "there was no text");
    }
}
