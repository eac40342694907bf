//! Event streams: the same events for every cut, and every byte accounted for.

use proptest::prelude::{ProptestConfig, any, prop, prop_assert, prop_assert_eq, proptest};

use super::{Decoder, Event, SseError, write};

const BIG: usize = 1 << 24;

/// Everything `pieces` give, then what the end gives.
fn decode(pieces: &[&[u8]], event_bytes_max: usize) -> (Vec<Event>, Option<SseError>, Vec<u8>) {
    let mut decoder = Decoder::new(event_bytes_max);
    let mut events = Vec::new();
    let error = drain(&mut decoder, pieces, &mut events).err();
    (events, error, decoder.take_rest())
}

fn drain(decoder: &mut Decoder, pieces: &[&[u8]], events: &mut Vec<Event>) -> Result<(), SseError> {
    for piece in pieces {
        decoder.push(piece);
        while let Some(event) = decoder.next()? {
            events.push(event);
        }
    }
    while let Some(event) = decoder.finish()? {
        events.push(event);
    }
    Ok(())
}

/// Name, data and completeness of the events that mean something to a client.
fn meanings(stream: &[u8]) -> Vec<(Option<String>, String, bool)> {
    let (events, error, _) = decode(&[stream], BIG);
    assert_eq!(error, None);
    let joined: Vec<u8> = events.iter().flat_map(|event| event.raw.clone()).collect();
    assert_eq!(joined, stream);
    events
        .into_iter()
        .filter_map(|event| Some((event.name, event.data?, event.complete)))
        .collect()
}

#[track_caller]
fn check(stream: &str, expected: &[(&str, &str)]) {
    let found = meanings(stream.as_bytes());
    let found: Vec<_> = found
        .iter()
        .map(|(name, data, _)| (name.as_deref().unwrap_or(""), data.as_str()))
        .collect();
    assert_eq!(found, expected, "{stream:?}");
}

#[test]
fn fields_mean_what_the_standard_says() {
    check("data: a\n\n", &[("", "a")]);
    check("data:a\n\ndata:  b\n\n", &[("", "a"), ("", " b")]);
    check("data: a\ndata\ndata:\ndata: b\n\n", &[("", "a\n\n\nb")]);
    check("data\n\n", &[("", "")]);
    check("event: x\ndata: 1\n\ndata: 2\n\n", &[("x", "1"), ("", "2")]);
    check("event: x\nevent: y\ndata: 1\n\n", &[("y", "1")]);
    check("event: x\nevent\ndata: 1\n\n", &[("", "1")]);
    check("event: lost\n\ndata: 1\n\n", &[("", "1")]);
    check(": comment\ndata: 1\n: comment\n\n", &[("", "1")]);
    check(":\n\n: keep-alive\n\n", &[]);
    check("id: 7\nretry: 10\nfoo: bar\ndata: 1\n\n", &[("", "1")]);
    check("Data: 1\n data: 2\ndata : 3\ndat: 4\n\n", &[]);
    check("data: {\"a\": \"b: c\"}\n\n", &[("", "{\"a\": \"b: c\"}")]);
    check("data: [DONE]\n\n", &[("", "[DONE]")]);
    check("data: é😀\u{2028}\u{85}x\n\n", &[("", "é😀\u{2028}\u{85}x")]);
    check("\n\n\ndata: 1\n\n\n\n", &[("", "1")]);
}

#[test]
fn every_line_end_is_one() {
    check("data: a\r\ndata: b\r\n\r\n", &[("", "a\nb")]);
    check("data: a\rdata: b\r\rdata: c\r\r", &[("", "a\nb"), ("", "c")]);
    check(
        "data: a\n\rdata: b\r\n\ndata: c\r\n\rdata: d\n\r\n",
        &[("", "a"), ("", "b"), ("", "c"), ("", "d")],
    );
    check("data: a\r\r\ndata: b\r\n\r\n", &[("", "a"), ("", "b")]);
    check("data: a\r\n\ndata: b\n\n", &[("", "a"), ("", "b")]);
}

#[test]
fn a_byte_order_mark_counts_only_at_the_start() {
    check("\u{feff}data: a\n\n\u{feff}data: b\n\n", &[("", "a")]);
    check("\u{feff}\u{feff}data: a\n\n", &[]);
    check("\u{feff}\ndata: a\n\n", &[("", "a")]);
    check("\u{feff}", &[]);
}

#[test]
fn a_block_that_the_end_cut_short_keeps_its_bytes() {
    for (stream, data) in [
        ("data: a\n\ndata: b\n", "b"),
        ("data: a\n\ndata: b", "b"),
        ("data: a\n\ndata: b\r", "b"),
        ("data: a\n\nevent: x\ndata: b\ndat", "b"),
    ] {
        let found = meanings(stream.as_bytes());
        assert_eq!(found.len(), 2, "{stream:?}");
        assert_eq!((found[1].1.as_str(), found[1].2), (data, false), "{stream:?}");
    }
    assert_eq!(meanings(b"data: caf\xc3"), [(None, "caf".to_owned(), false)]);
    assert!(meanings(b"data: a\r\n\r")[0].2, "the blank line came, if not all of it");
    assert!(meanings(b"").is_empty());
}

#[test]
fn events_are_given_out_as_soon_as_they_are_certain() {
    let check = |steps: &[(&str, Option<&str>)]| {
        let mut decoder = Decoder::new(BIG);
        for (bytes, expected) in steps {
            decoder.push(bytes.as_bytes());
            let raw = decoder.next().unwrap().map(|event| event.raw);
            assert_eq!(raw.as_deref(), expected.map(str::as_bytes), "{steps:?}");
        }
    };
    check(&[("data: a\n", None), ("\n", Some("data: a\n\n"))]);
    // This stream writes `\r` alone, so nothing needs to be waited for, and a `\n` is its own block.
    check(&[
        ("data: a\r", None),
        ("\r", Some("data: a\r\r")),
        ("data: b\r\r", Some("data: b\r\r")),
        ("\n", Some("\n")),
    ]);
    // This one writes `\r\n`, so the `\n` is on its way.
    check(&[("data: a\r\n\r", None), ("\n", Some("data: a\r\n\r\n"))]);
    check(&[("data: a\r\n\r", None), ("d", Some("data: a\r\n\r"))]);
    check(&[(": ping\n\n", Some(": ping\n\n")), ("\n", Some("\n"))]);
    check(&[("\u{feff}", Some("\u{feff}")), ("data: a\n\n", Some("data: a\n\n"))]);
}

#[test]
fn events_over_the_limit_end_the_stream_and_keep_their_bytes() {
    let limit = "data: 12\n\n".len();
    assert_eq!(decode(&[b"data: 12\n\ndata: 34\n\n"], limit).1, None);
    for over in [
        "data: 123\n\n",
        "data: 12345",
        "data: 12\r\n\r\n",
        ": a\n: b\n: c\n",
        "data: 12\n:\n",
    ] {
        let stream = format!("data: a\n\n{over}");
        let (events, error, rest) = decode(&[stream.as_bytes()], limit);
        assert_eq!(
            (events.len(), error),
            (1, Some(SseError::TooLarge { event_bytes_max: limit })),
            "{over:?}"
        );
        assert_eq!(rest, over.as_bytes());
    }
    let mut decoder = Decoder::new(4);
    decoder.push(b"data: long");
    let error = decoder.next().unwrap_err();
    assert!(error.to_string().contains("limit of 4 bytes"));
    decoder.push(b"\n\ndata\n\n");
    assert_eq!(decoder.next().unwrap_err(), error);
    assert_eq!(decoder.finish().unwrap_err(), error);
}

#[test]
fn blocks_that_are_no_text_end_the_stream() {
    for (stream, offset) in [
        (&b"data: a\n\ndata: \xff\n\n"[..], 15),
        (b"data: \xc3\n\n", 6),
        (b": \xc0\x80\n\n", 2),
        (b"event: \xed\xa0\x80\ndata: 1\n\n", 7),
        (b"data: \xff", 6),
    ] {
        let pieces: Vec<&[u8]> = stream.chunks(1).collect();
        for pieces in [&pieces[..], &[stream]] {
            assert_eq!(
                decode(pieces, BIG).1,
                Some(SseError::InvalidUtf8 { offset }),
                "{stream:?}"
            );
        }
    }
}

#[test]
fn a_megabyte_event_in_single_bytes_is_linear() {
    let mut stream = b"data: ".to_vec();
    stream.resize(1 << 20, b'x');
    stream.extend_from_slice(b"\n\n");
    let mut decoder = Decoder::new(BIG);
    let mut found = 0;
    for byte in stream.chunks(1) {
        decoder.push(byte);
        let before = decoder.at;
        while let Some(event) = decoder.next().unwrap() {
            assert_eq!(event.raw, stream);
            found += 1;
        }
        // Of what was there before, at most one byte (a `\r`) is looked at again.
        assert!(decoder.buffer.len().saturating_sub(before) <= 2);
    }
    assert_eq!(found, 1);
}

#[test]
fn what_was_given_out_is_not_kept() {
    let mut decoder = Decoder::new(1000);
    for _ in 0..100_000 {
        decoder.push(b"data: a\n\ndata: b\n\nda");
        decoder.push(b"ta: c\n\n");
        while decoder.next().unwrap().is_some() {}
    }
    assert!(decoder.buffer.capacity() < 1000);
}

#[test]
fn new_data_stand_where_the_old_stood() {
    let with = |block: &str, data: &str| {
        let (events, _, _) = decode(&[block.as_bytes()], BIG);
        String::from_utf8(events[0].with_data(data)).unwrap()
    };
    assert_eq!(
        with("event: x\ndata: a\nid: 1\n\n", "b"),
        "event: x\ndata: b\nid: 1\n\n"
    );
    assert_eq!(
        with(": c\ndata:a\r\nfoo\r\ndata:b\r\n\r\n", "n"),
        ": c\ndata:n\r\nfoo\r\n\r\n"
    );
    assert_eq!(with("data:a\n\n", " b"), "data:  b\n\n");
    assert_eq!(
        with("data: a\r\r", "b\nc\r\nd\re"),
        "data: b\rdata: c\rdata: d\rdata: e\r\r"
    );
    assert_eq!(with("data: a\n\n", ""), "data: \n\n");
    assert_eq!(with("data\n\n", "b\n"), "data:b\ndata:\n\n");
    assert_eq!(with("id: 1\n\n", "b"), "id: 1\ndata: b\n\n");
    assert_eq!(with("data: a", "b"), "data: b\n");
    assert_eq!(with("data: a\rdata: b\n\n", "c"), "data: c\r\n\n");
    assert_eq!(with("data: a\nid: 1\rdata: b\n\n", "c"), "data: c\nid: 1\r\n\n");
}

#[test]
fn what_is_neither_name_nor_data_is_shown() {
    let stream = b": c1\nid: 7\nevent: e\ndata: d\nretry: 1\nodd\ndata\n:c2\n\n";
    let (events, _, _) = decode(&[stream], BIG);
    let extras: Vec<_> = events[0]
        .extras()
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    assert_eq!(extras, [": c1", "id: 7", "retry: 1", "odd", ":c2"]);
}

#[test]
fn written_events_cannot_be_broken_out_of() {
    let mut out = Vec::new();
    write(Some("x\n\ndata: forged\r"), "1\n\n2\r3", &mut out);
    write(None, "", &mut out);
    let found = meanings(&out);
    assert_eq!(
        found,
        [
            (Some("xdata: forged".to_owned()), "1\n\n2\n3".to_owned(), true),
            (None, String::new(), true)
        ]
    );
}

/// Streams made of what matters to the decoder.
fn stream() -> impl proptest::strategy::Strategy<Value = Vec<u8>> {
    let part = prop::sample::select(vec![
        &b"\n"[..],
        b"\n",
        b"\n\n",
        b"\r",
        b"\r",
        b"\r\n",
        b"\r\n\r\n",
        b"data: ",
        b"data:",
        b"data",
        b"event: e",
        b"id: 1",
        b": c",
        b":",
        b" ",
        b"x",
        "é".as_bytes(),
        "😀".as_bytes(),
        b"\xef\xbb\xbf",
        b"{\"a\":1}",
        b"data: y\n\n",
    ]);
    proptest::strategy::Strategy::prop_map(prop::collection::vec(part, 0..30), |parts| parts.concat())
}

fn cut<'s>(stream: &'s [u8], cuts: &[prop::sample::Index]) -> Vec<&'s [u8]> {
    let mut ends: Vec<_> = cuts
        .iter()
        .map(|cut| cut.index(stream.len().saturating_add(1)))
        .chain([stream.len()])
        .collect();
    ends.sort_unstable();
    let starts = std::iter::once(0).chain(ends.clone());
    starts.zip(ends).map(|(start, end)| &stream[start..end]).collect()
}

/// The standard's algorithm, written down as plainly as it reads.
fn reference(stream: &str) -> Vec<(Option<String>, String)> {
    let stream = stream.strip_prefix('\u{feff}').unwrap_or(stream);
    let stream = stream.replace("\r\n", "\n").replace('\r', "\n");
    let (mut name, mut data, mut events) = (String::new(), String::new(), Vec::new());
    let mut lines: Vec<_> = stream.split('\n').collect();
    lines.pop();
    for line in lines {
        if line.is_empty() {
            if let Some(data) = data.strip_suffix('\n') {
                events.push((Some(name.clone()).filter(|name| !name.is_empty()), data.to_owned()));
            }
            (name, data) = (String::new(), String::new());
            continue;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut name),
            "data" => data = data + value + "\n",
            _ => {}
        }
    }
    events
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn any_cut_gives_the_same_events_and_loses_no_byte(
        stream in stream(), noise in prop::option::weighted(0.2, (any::<prop::sample::Index>(), any::<u8>())),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        event_bytes_max in prop::option::weighted(0.3, 1..60_usize),
    ) {
        let mut stream = stream;
        if let Some((at, byte)) = noise {
            stream.insert(at.index(stream.len().saturating_add(1)), byte);
        }
        let event_bytes_max = event_bytes_max.unwrap_or(BIG);
        let (events, error, rest) = decode(&[&stream], event_bytes_max);
        let joined: Vec<u8> = events.iter().flat_map(|event| &event.raw).chain(&rest).copied().collect();
        prop_assert_eq!(joined, &stream[..]);
        let bytes: Vec<_> = stream.chunks(1).collect();
        for pieces in [cut(&stream, &cuts), bytes] {
            let (again, again_error, _) = decode(&pieces, event_bytes_max);
            prop_assert_eq!(&again, &events);
            prop_assert_eq!(&again_error, &error);
        }
    }

    #[test]
    fn events_are_those_of_the_standard(stream in stream()) {
        let text = String::from_utf8(stream).unwrap();
        let found: Vec<_> = meanings(text.as_bytes()).into_iter().filter(|(_, _, complete)| *complete).collect();
        let found: Vec<_> = found.into_iter().map(|(name, data, _)| (name, data)).collect();
        prop_assert_eq!(found, reference(&text));
    }

    #[test]
    fn new_data_are_read_back_and_the_rest_stays(stream in stream(), data in "[ab:é \n\r]{0,12}") {
        let (events, error, _) = decode(&[&stream], BIG);
        prop_assert_eq!(error, None);
        let read_back = data.replace("\r\n", "\n").replace('\r', "\n");
        for event in events.iter().filter(|event| event.complete && event.data.is_some()) {
            let edited = event.with_data(&data);
            // Not at the start of a stream, where a byte order mark would count.
            let (mut again, _, _) = decode(&[b"\n", &edited], BIG);
            again.remove(0);
            // A data line that went may leave `\r` before the blank line `\r\n`; its `\n` says nothing.
            again.retain(|event| event.raw != b"\n");
            prop_assert_eq!(again.len(), 1, "{:?}", String::from_utf8_lossy(&edited));
            prop_assert!(again[0].complete);
            prop_assert_eq!(&again[0].name, &event.name);
            prop_assert_eq!(again[0].data.as_deref(), Some(&*read_back));
            prop_assert!(again[0].extras().eq(event.extras()));
        }
    }
}
