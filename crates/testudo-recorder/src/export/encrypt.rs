//! Exports for one reader only: an age file, opened with the reader's secret key and nothing else.

use std::fmt;
use std::io::{self, Write};
use std::str::FromStr;

use age::x25519;

/// Whom an export is encrypted to: the public half of an age key, `age1…`.
#[derive(Clone)]
pub struct Recipient(x25519::Recipient);

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recipient({})", self.0)
    }
}

/// Why text is no recipient.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecipientError {
    #[error("the recipient is empty; give the line that begins with `age1` from `age-keygen -y`")]
    Empty,
    // The text is not repeated: it must not get into a log.
    #[error("this is an age secret key; give its public half, which `age-keygen -y` prints, and keep the secret one")]
    Secret,
    #[error("`{0}…` is an SSH key; only age recipients are taken, they begin with `age1`")]
    Ssh(String),
    #[error("`{0}` is a recipient of an age plug-in; only recipients made by `age-keygen` without options are taken")]
    Plugin(String),
    #[error("`{0}` does not begin with `age1`, as age recipients do")]
    Prefix(String),
    #[error("`{0}` is not a whole age recipient; it has 62 characters and ends in a checksum, so copy it again")]
    Checksum(String),
}

impl FromStr for Recipient {
    type Err = RecipientError;

    fn from_str(text: &str) -> Result<Self, RecipientError> {
        let text = text.trim();
        let lower = text.to_ascii_lowercase();
        if text.is_empty() {
            return Err(RecipientError::Empty);
        }
        if lower.starts_with("age-secret-key-") {
            return Err(RecipientError::Secret);
        }
        if lower.starts_with("ssh-") {
            return Err(RecipientError::Ssh(text.chars().take(16).collect()));
        }
        if let Ok(recipient) = text.parse() {
            return Ok(Self(recipient));
        }
        let shown: String = text.chars().take(100).collect();
        // Bech32: what stands before the last `1` names the kind.
        match lower.rsplit_once('1') {
            Some((kind, _)) if kind.starts_with("age1") => Err(RecipientError::Plugin(shown)),
            _ if lower.starts_with("age1") => Err(RecipientError::Checksum(shown)),
            _ => Err(RecipientError::Prefix(shown)),
        }
    }
}

/// Why an encrypted export was not begun.
#[derive(Debug, thiserror::Error)]
pub enum EncryptError {
    #[error("an encrypted export needs a recipient")]
    NoRecipient,
    #[error("the head of the encrypted export cannot be written")]
    Write(#[from] io::Error),
}

/// Encrypts what is written to it. Without [`Encrypted::finish`] the file is cut short, and its readers see that.
pub struct Encrypted<W: Write>(age::stream::StreamWriter<W>);

impl<W: Write> fmt::Debug for Encrypted<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Encrypted")
    }
}

impl<W: Write> Encrypted<W> {
    /// Begins an age file (binary form) that any of the recipients can open.
    ///
    /// # Errors
    /// When there is no recipient, or the output cannot be written.
    pub fn new(recipients: &[Recipient], output: W) -> Result<Self, EncryptError> {
        let each = recipients.iter().map(|it| {
            let recipient: &dyn age::Recipient = &it.0;
            recipient
        });
        // Keys of this kind may be mixed; what is left to fail is an empty list.
        let encryptor = age::Encryptor::with_recipients(each).map_err(|_| EncryptError::NoRecipient)?;
        Ok(Self(encryptor.wrap_output(output)?))
    }

    /// Writes the end of the file and gives the output back, not flushed.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub fn finish(self) -> io::Result<W> {
        self.0.finish()
    }
}

impl<W: Write> Write for Encrypted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn identity() -> (x25519::Identity, Recipient) {
        let identity = x25519::Identity::generate();
        let recipient = identity.to_public().to_string().parse().unwrap();
        (identity, recipient)
    }

    fn opened(file: &[u8], identity: &x25519::Identity) -> Result<Vec<u8>, String> {
        let decryptor = age::Decryptor::new(file).map_err(|it| it.to_string())?;
        let one: &dyn age::Identity = identity;
        let mut text = String::new();
        let mut reader = decryptor.decrypt(std::iter::once(one)).map_err(|it| it.to_string())?;
        reader.read_to_string(&mut text).map_err(|it| it.to_string())?;
        Ok(text.into_bytes())
    }

    fn encrypted(text: &[u8], recipients: &[Recipient]) -> Vec<u8> {
        let mut output = Encrypted::new(recipients, Vec::new()).unwrap();
        output.write_all(text).unwrap();
        output.finish().unwrap()
    }

    #[test]
    fn only_a_recipient_opens_the_file() {
        let text = "{\"index\":1}\n".repeat(20_000).into_bytes();
        let ((first, to_first), (second, to_second)) = (identity(), identity());
        let file = encrypted(&text, &[to_first.clone(), to_second]);
        assert!(!file.windows(8).any(|it| it == b"\"index\":"));
        assert_eq!(opened(&file, &first).as_ref(), Ok(&text));
        assert_eq!(opened(&file, &second).as_ref(), Ok(&text));
        assert!(opened(&file, &identity().0).is_err());
        assert!(opened(&encrypted(&text, &[to_first]), &second).is_err());
    }

    #[test]
    fn a_file_that_was_not_finished_is_seen_to_be_cut_short() {
        let (secret, recipient) = identity();
        let mut file = Vec::new();
        let mut output = Encrypted::new(&[recipient], &mut file).unwrap();
        output.write_all(&[b'x'; 200_000]).unwrap();
        drop(output);
        assert!(opened(&file, &secret).is_err());
    }

    #[test]
    fn what_is_no_recipient_is_explained() {
        let good = identity().1.0.to_string();
        let cut = good.get(..40).unwrap().to_owned();
        let cases = [
            ("", RecipientError::Empty),
            (" \n", RecipientError::Empty),
            ("AGE-SECRET-KEY-1QQQ", RecipientError::Secret),
            (
                "ssh-ed25519 AAAA me",
                RecipientError::Ssh("ssh-ed25519 AAAA".to_owned()),
            ),
            (
                "age1yubikey1qqqq",
                RecipientError::Plugin("age1yubikey1qqqq".to_owned()),
            ),
            (
                "somebody@example.org",
                RecipientError::Prefix("somebody@example.org".to_owned()),
            ),
            (cut.as_str(), RecipientError::Checksum(cut.clone())),
        ];
        for (text, wanted) in cases {
            assert_eq!(text.parse::<Recipient>().unwrap_err(), wanted);
        }
        assert!(format!(" {good}\n").parse::<Recipient>().is_ok());
        assert!(!RecipientError::Secret.to_string().contains("1QQQ"));
        assert!(matches!(
            Encrypted::new(&[], Vec::new()),
            Err(EncryptError::NoRecipient)
        ));
    }
}
