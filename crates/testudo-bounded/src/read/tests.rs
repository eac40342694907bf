//! Readers: what they take and what they refuse.

use std::io::{self, Read};

use super::{ReadError, ReaderError, read_file, read_text, read_to_end};

#[test]
fn a_file_of_exactly_the_limit_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("five");
    std::fs::write(&path, "fünf").unwrap();
    assert_eq!(read_file(&path, 5).unwrap(), "fünf".as_bytes());
    assert_eq!(read_text(&path, 5).unwrap(), "fünf");
}

#[test]
fn one_byte_more_is_refused_by_name_and_limit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("six");
    std::fs::write(&path, "sechs!").unwrap();
    let error = read_file(&path, 5).unwrap_err();
    assert!(matches!(error, ReadError::TooLarge { limit_bytes: 5, .. }));
    let message = error.to_string();
    assert!(
        message.contains("six") && message.contains("5 bytes") && message.contains("raise the limit"),
        "{message}"
    );
}

#[test]
fn text_that_is_not_utf8_is_refused_with_its_byte() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("latin1");
    std::fs::write(&path, b"caf\xe9").unwrap();
    assert!(matches!(
        read_text(&path, 99).unwrap_err(),
        ReadError::NotUtf8 { offset: 3, .. }
    ));
    assert_eq!(read_file(&path, 99).unwrap(), b"caf\xe9");
}

#[test]
fn missing_files_and_folders_are_refused_with_the_cause() {
    let folder = tempfile::tempdir().unwrap();
    let missing = read_file(folder.path().join("none"), 9).unwrap_err();
    assert!(matches!(missing, ReadError::Open { .. }));
    assert!(std::error::Error::source(&missing).is_some());
    assert!(matches!(
        read_file(folder.path(), 9).unwrap_err(),
        ReadError::Read { .. } | ReadError::Open { .. }
    ));
}

#[test]
fn an_endless_stream_costs_one_byte_more_than_the_limit() {
    struct Endless {
        taken: usize,
    }
    impl Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            buffer.fill(b'x');
            self.taken = self.taken.saturating_add(buffer.len());
            Ok(buffer.len())
        }
    }
    let mut endless = Endless { taken: 0 };
    assert!(matches!(
        read_to_end(&mut endless, 1000).unwrap_err(),
        ReaderError::TooLarge { limit_bytes: 1000 }
    ));
    assert_eq!(endless.taken, 1001);
    assert_eq!(read_to_end(io::empty(), 0).unwrap(), b"");
    assert!(matches!(
        read_to_end(io::repeat(0), 0).unwrap_err(),
        ReaderError::TooLarge { limit_bytes: 0 }
    ));
}

#[test]
fn a_failing_stream_is_no_short_stream() {
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("cut"))
        }
    }
    assert!(matches!(
        read_to_end(b"ab".chain(Failing), 9).unwrap_err(),
        ReaderError::Read(_)
    ));
}
