//! Any stream is read or refused without a panic, and ends readably after any part of it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use testudo_bounded::json::{Document, Limits};
use testudo_dialects::sse::Decoder;
use testudo_dialects::{BlockNotice, Operation, StreamReader};

fuzz_target!(|input: (u8, u8, &[u8])| {
    let (choice, delivered, bytes) = input;
    let limits = Limits {
        bytes_max: 1 << 16,
        depth_max: 64,
        nodes_max: 4096,
    };
    let all = Operation::all();
    let mut reader = StreamReader::new(all[usize::from(choice) % all.len()]);
    let mut decoder = Decoder::new(1 << 16);
    decoder.push(bytes);
    let mut number = 0;
    while let Ok(Some(event)) = decoder.next() {
        let Ok(frame) = reader.frame(&event, &limits) else {
            break;
        };
        for piece in &frame.pieces {
            assert!(piece.span.literal.range().end <= event.data.as_deref().unwrap_or("").len());
        }
        let progress = frame.progress;
        if number < usize::from(delivered) {
            reader.delivered(&progress);
        }
        number += 1;
    }
    let notice = BlockNotice {
        message: "stopped".to_owned(),
    };
    let mut out = Vec::new();
    reader.block(&notice, &mut out);
    let mut ending = Decoder::new(1 << 16);
    ending.push(&out);
    while let Ok(Some(event)) = ending.next() {
        let data = event.data.unwrap_or_default();
        assert!(event.complete);
        assert!(data == "[DONE]" || Document::parse(data.as_bytes(), &limits).is_ok());
    }
});
