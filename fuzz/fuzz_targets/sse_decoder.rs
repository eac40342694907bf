//! Any bytes, in pieces or whole, give the same events, and no byte is lost.

#![no_main]

use libfuzzer_sys::fuzz_target;
use testudo_dialects::sse::{Decoder, Event, SseError};

fn decode(bytes: &[u8], step: usize) -> (Vec<Event>, Option<SseError>, Vec<u8>) {
    let mut decoder = Decoder::new(256);
    let mut events = Vec::new();
    let mut pieces = bytes.chunks(step.max(1));
    let error = loop {
        let next = match pieces.next() {
            Some(piece) => {
                decoder.push(piece);
                std::iter::from_fn(|| decoder.next().transpose()).collect::<Result<Vec<_>, _>>()
            }
            None => {
                let left = std::iter::from_fn(|| decoder.finish().transpose()).try_for_each(|event| {
                    events.push(event?);
                    Ok(())
                });
                break left.err();
            }
        };
        match next {
            Ok(found) => events.extend(found),
            Err(error) => break Some(error),
        }
    };
    (events, error, decoder.take_rest())
}

fuzz_target!(|input: (&[u8], u8)| {
    let (bytes, step) = input;
    let (events, error, rest) = decode(bytes, bytes.len());
    let (cut_events, cut_error, _) = decode(bytes, usize::from(step));
    if error.is_none() {
        assert_eq!(cut_events, events);
        let joined: Vec<u8> = events
            .iter()
            .flat_map(|event| &event.raw)
            .chain(&rest)
            .copied()
            .collect();
        assert_eq!(joined, bytes);
    }
    assert_eq!(cut_error, error);
});
