//! Recorded streams and the pieces they are read into.

use std::collections::BTreeSet;

use testudo_dialects::{Operation, Refused, StreamReader};

use crate::render::{LIMITS, check, events, read};

fn golden(operation: Operation, name: &str, stream: &str, expected: &str) {
    let lines = read(operation, stream).expect("a recorded stream is read");
    check(name, &lines, expected);
}

macro_rules! golden {
    ($name:ident, $operation:ident) => {
        #[test]
        fn $name() {
            golden(
                Operation::$operation,
                stringify!($name),
                include_str!(concat!("golden/", stringify!($name), ".sse")),
                include_str!(concat!("golden/", stringify!($name), ".txt")),
            );
        }
    };
}

golden!(chat, ChatCompletions);
golden!(chat_tools, ChatCompletions);
golden!(chat_logprobs, ChatCompletions);
golden!(completions, Completions);
golden!(responses, Responses);
golden!(responses_rare, Responses);
golden!(anthropic, Messages);
golden!(anthropic_rare, Messages);

fn refused(operation: Operation, stream: &str) -> Refused {
    read(operation, stream).expect_err("the stream is refused")
}

#[test]
fn text_after_the_close_is_refused() {
    for (operation, stream) in [
        (
            Operation::ChatCompletions,
            "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}]}\n\n\
             data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"b\"}}]}\n\n",
        ),
        (
            Operation::ChatCompletions,
            "data: [DONE]\n\ndata: {\"choices\":[{\"index\":3,\"delta\":{\"content\":\"b\"}}]}\n\n",
        ),
        (
            Operation::Messages,
            "data: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"a\"}}\n\n\
             data: {\"type\":\"content_block_stop\",\"index\":0}\n\n\
             data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"b\"}}\n\n",
        ),
        (
            Operation::Messages,
            "data: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n\
             data: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
        ),
        (
            Operation::Responses,
            "data: {\"type\":\"response.output_text.done\",\"output_index\":0,\"content_index\":0,\"text\":\"a\"}\n\n\
             data: {\"type\":\"response.output_text.delta\",\"output_index\":0,\"content_index\":0,\"delta\":\"b\"}\n\n",
        ),
        (
            Operation::Responses,
            "data: {\"type\":\"response.output_item.done\",\"output_index\":0,\"item\":{}}\n\n\
             data: {\"type\":\"response.function_call_arguments.delta\",\"output_index\":0,\"delta\":\"b\"}\n\n",
        ),
    ] {
        assert!(
            matches!(refused(operation, stream), Refused::AfterClose { .. }),
            "{stream}"
        );
    }
}

#[test]
fn an_empty_reason_closes_nothing() {
    let lines = read(
        Operation::ChatCompletions,
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"},\"finish_reason\":\"\"}]}\n\n\
         data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"b\"},\"finish_reason\":\"stop\"}]}\n\n",
    )
    .expect("read");
    assert_eq!(
        lines,
        [
            "stream/0/0/text + \"a\"",
            "stream/0/0/text + \"b\"",
            "stream/0/0/text closed"
        ]
    );
}

#[test]
fn unknown_fields_are_told_apart_by_name_and_event() {
    let lines = |stream: &str| {
        let mut reader = StreamReader::new(Operation::Responses);
        let mut channels = BTreeSet::new();
        for event in events(stream) {
            for piece in reader.frame(&event, &LIMITS).expect("read").pieces {
                channels.insert(piece.channel);
            }
        }
        channels.len()
    };
    let same = "data: {\"type\":\"a.delta\",\"x\":[\"a b\"]}\n\ndata: {\"type\":\"a.delta\",\"x\":[0,\"c d\"]}\n\n";
    assert_eq!(lines(same), 1);
    for two in [
        "data: {\"type\":\"a.delta\",\"x\":\"a b\"}\n\ndata: {\"type\":\"b.delta\",\"x\":\"c d\"}\n\n",
        "data: {\"type\":\"a.delta\",\"x\":\"a b\"}\n\ndata: {\"type\":\"a.delta\",\"y\":\"c d\"}\n\n",
        "data: {\"type\":\"a.delta\",\"x\":{\"y\":\"a b\"},\"xy\":\"c d\"}\n\n",
        "data: {\"type\":\"a.delta\",\"x\":\"a b\",\"z\":[\"c d\"]}\n\n",
    ] {
        assert_eq!(lines(two), 2, "{two}");
    }
}

#[test]
fn an_event_must_be_what_its_name_says() {
    for (operation, stream) in [
        (
            Operation::Messages,
            "event: ping\ndata: {\"type\":\"content_block_delta\"}\n\n",
        ),
        (
            Operation::Responses,
            "event: response.created\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"x\"}\n\n",
        ),
        (Operation::Responses, "event: response.created\ndata: {}\n\n"),
        (Operation::ChatCompletions, "event: a text for the eye\ndata: {}\n\n"),
    ] {
        assert_eq!(refused(operation, stream), Refused::EventName, "{stream}");
    }
}

#[test]
fn what_is_no_json_or_no_index_is_refused() {
    for stream in [
        "data: hello\n\n",
        "data: {\"choices\":[]} x\n\n",
        "data: {\"a\":1,\"a\":2}\n\n",
        "data: {\"choices\":[{\"index\":-1,\"delta\":{}}]}\n\n",
        "data: {\"choices\":[{\"index\":\"0\",\"delta\":{}}]}\n\n",
        "data: {\"choices\":[{\"index\":4294967295,\"delta\":{}}]}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":1.5}]}}]}\n\n",
    ] {
        let refusal = refused(Operation::ChatCompletions, stream);
        assert!(
            matches!(refusal, Refused::Json(_) | Refused::Shape { .. }),
            "{stream}: {refusal}"
        );
    }
    for stream in [
        "data: {\"type\":\"response.output_text.delta\",\"output_index\":\"x\",\"delta\":\"y\"}\n\n",
        "data: {\"type\":\"response.output_text.delta\",\"content_index\":1e9,\"delta\":\"y\"}\n\n",
    ] {
        assert!(
            matches!(refused(Operation::Responses, stream), Refused::Shape { .. }),
            "{stream}"
        );
    }
}

#[test]
fn a_stream_cannot_open_channels_without_end() {
    let mut stream = String::new();
    for index in 0..5000 {
        stream.push_str(&format!(
            "data: {{\"choices\":[{{\"index\":{index},\"delta\":{{\"content\":\"a\"}}}}]}}\n\n"
        ));
    }
    assert!(matches!(
        refused(Operation::ChatCompletions, &stream),
        Refused::TooManyChannels { .. }
    ));
}

#[test]
fn lines_beside_the_data_are_reported() {
    for (stream, other_lines) in [
        ("data: {}\n\n", false),
        (": ping\n\n", false),
        ("event: x\ndata: {}\n\n", false),
        (": a card 4111 1111 1111 1111\ndata: {}\n\n", true),
        ("id: mail@example.com\ndata: {}\n\n", true),
    ] {
        let mut reader = StreamReader::new(Operation::ChatCompletions);
        for event in events(stream) {
            let frame = reader.frame(&event, &LIMITS).expect("read");
            assert_eq!(frame.other_lines, other_lines, "{stream}");
            assert!(frame.pieces.is_empty(), "{stream}");
        }
    }
}

#[test]
fn odd_shapes_hide_nothing() {
    for (data, text) in [
        (
            "{\"choices\":{\"0\":{\"delta\":{\"content\":\"so there\"}}}}",
            "so there",
        ),
        ("{\"choices\":[{\"delta\":{\"content\":[\"so there\"]}}]}", "so there"),
        (
            "{\"choices\":[{\"delta\":{\"content\":{\"a\":[[{\"b\":\"so there\"}]]}}}]}",
            "so there",
        ),
        ("{\"choices\":[{\"delta\":\"so there\"}]}", "so there"),
        ("{\"choices\":\"so there\"}", "so there"),
        ("[\"so there\"]", "so there"),
        ("\"so there\"", "so there"),
        ("{\"id\":\"so there\"}", "so there"),
        ("{\"model\":{\"name\":\"so there\"}}", "so there"),
        ("{\"choices\":[{\"finish_reason\":\"so there\"}]}", "so there"),
        (
            "{\"choices\":[{\"d\\u0065lta\":{\"cont\\u0065nt\":\"so th\\u0065re\"}}]}",
            "so there",
        ),
        ("{\"So There\":1}", "So There"),
    ] {
        let stream = format!("data: {data}\n\n");
        let lines = read(Operation::ChatCompletions, &stream).expect("read");
        assert!(lines.iter().any(|line| line.contains(text)), "{data}: {lines:?}");
    }
}
