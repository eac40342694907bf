//! What the models may still do for one exchange, and what they did.

/// The account of one exchange; counts become metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ModelWork {
    encoder_windows_left: usize,
    /// Texts that were to be scored.
    pub texts: u64,
    /// Those of them whose verdict was known.
    pub texts_remembered: u64,
    /// Windows that the n-gram model scored.
    pub ngram_windows: u64,
    /// Windows that the encoder scored.
    pub encoder_windows: u64,
    /// Windows whose score by the encoder was known.
    pub encoder_windows_remembered: u64,
    /// Time in the encoder.
    pub encoder_ms: u64,
}

impl ModelWork {
    pub(super) fn new(encoder_windows_max: usize) -> Self {
        Self {
            encoder_windows_left: encoder_windows_max,
            ..Self::default()
        }
    }

    /// Takes one window from what the encoder may read; false when nothing is left.
    pub(super) fn take_window(&mut self) -> bool {
        match self.encoder_windows_left.checked_sub(1) {
            Some(left) => {
                self.encoder_windows_left = left;
                true
            }
            None => false,
        }
    }
}
