//! Answers as the servers give them, and as they do not.

use proptest::prelude::*;

use super::*;

fn ollama(model: &str) -> Served<'_> {
    Served::Ollama { model }
}

fn vllm(model: Option<&str>) -> Served<'_> {
    Served::Vllm { model }
}

fn json(pointer: &str) -> Served<'_> {
    Served::Pointer(pointer)
}

const TAGS: &str = r#"{"models":[
    {"name":"llama3.2:latest","model":"llama3.2:latest","modified_at":"2025-05-04T17:37:44.706015396-07:00","size":2019393189,
     "digest":"a80c4f17acd55265feec403c7aef86be0c25983ab279d83f3bcd3abbcb5b8b72",
     "details":{"parent_model":"","format":"gguf","family":"llama","families":["llama"],"parameter_size":"3.2B","quantization_level":"Q4_K_M"}},
    {"name":"team/llama3.2:q8","model":"team/llama3.2:q8","modified_at":"2025-05-04T17:37:44Z","size":3,
     "digest":"0a8c266910232fd3291e71e5ba1e058cc5af9d411192cf88b6d30e92b6e73163","details":{}}]}"#;

const INFO: &str = r#"{"model_id":"bigscience/bloom-560m","model_sha":"e985a63cdc139290c5f700ff1929f0b5942cced2","model_pipeline_tag":"text-generation",
    "max_concurrent_requests":128,"max_best_of":2,"max_stop_sequences":4,"max_input_tokens":1024,"max_total_tokens":2048,
    "validation_workers":2,"max_client_batch_size":32,"router":"text-generation-router","version":"3.3.2","sha":null,"docker_label":null}"#;

const MODELS: &str = r#"{"object":"list","data":[
    {"id":"llama","object":"model","created":1764237600,"owned_by":"vllm","root":"/srv/models/llama-874230e7607f","parent":null,"max_model_len":8192,
     "permission":[{"id":"modelperm-1","object":"model_permission","created":1764237600,"allow_create_engine":false}]},
    {"id":"sql","object":"model","created":1764237600,"owned_by":"vllm","root":"/srv/adapters/sql","parent":"llama","permission":[]}]}"#;

#[test]
fn servers_say_what_they_serve() {
    for (what, document, expected) in [
        (
            ollama("llama3.2"),
            TAGS,
            "a80c4f17acd55265feec403c7aef86be0c25983ab279d83f3bcd3abbcb5b8b72",
        ),
        (
            ollama("llama3.2:latest"),
            TAGS,
            "a80c4f17acd55265feec403c7aef86be0c25983ab279d83f3bcd3abbcb5b8b72",
        ),
        (
            ollama("team/llama3.2:q8"),
            TAGS,
            "0a8c266910232fd3291e71e5ba1e058cc5af9d411192cf88b6d30e92b6e73163",
        ),
        (Served::Tgi, INFO, "e985a63cdc139290c5f700ff1929f0b5942cced2"),
        (
            Served::Tgi,
            r#"{"model_id":"/data/llama-874230e7607f","model_sha":null}"#,
            "/data/llama-874230e7607f",
        ),
        (vllm(None), MODELS, "/srv/models/llama-874230e7607f"),
        (vllm(Some("sql")), MODELS, "/srv/adapters/sql"),
        (json("/a~1b/1/c~0"), r#"{"a/b":[{},{"c~":"here"}]}"#, "here"),
        (json("/data/0/id"), MODELS, "llama"),
        (json(""), r#""all of it""#, "all of it"),
    ] {
        assert_eq!(served(&what, document.as_bytes()).as_deref(), Ok(expected), "{what:?}");
    }
}

#[test]
fn what_is_not_said_is_not_guessed() {
    let two = r#"{"data":[{"id":"a","root":"/a","parent":null},{"id":"b","root":"/b"}]}"#;
    let twice = r#"{"data":[{"id":"a","root":"/a"},{"id":"a","root":"/b"}]}"#;
    let long = format!(r#"{{"model_sha":"{}"}}"#, "a".repeat(SAID_BYTES_MAX + 1));
    for (what, document, expected) in [
        (ollama("llama3.2:q4"), TAGS, Unsaid::NoModel),
        (ollama("other"), TAGS, Unsaid::NoModel),
        (ollama("x"), "{}", Unsaid::Shape),
        (Served::Tgi, "<html>", Unsaid::Shape),
        (Served::Tgi, "", Unsaid::Shape),
        (Served::Tgi, r#"{"model_sha":7}"#, Unsaid::NoText),
        (Served::Tgi, r#"{"model_sha":""}"#, Unsaid::NoText),
        (Served::Tgi, r#"{"model_sha":"a","model_sha":"b"}"#, Unsaid::Shape),
        (Served::Tgi, &long, Unsaid::NoText),
        (vllm(None), two, Unsaid::Several),
        (vllm(Some("a")), twice, Unsaid::Several),
        (vllm(Some("c")), two, Unsaid::NoModel),
        (vllm(None), r#"{"data":[]}"#, Unsaid::NoModel),
        (vllm(None), r#"{"data":[{"id":"a","root":null}]}"#, Unsaid::NoText),
        (json("/data/00/id"), MODELS, Unsaid::NoText),
        (json("/data/9/id"), MODELS, Unsaid::NoText),
        (json("/data"), MODELS, Unsaid::NoText),
        (json("data/0/id"), MODELS, Unsaid::NoText),
    ] {
        assert_eq!(served(&what, document.as_bytes()), Err(expected), "{what:?}");
    }
}

proptest! {
    #[test]
    fn no_document_makes_it_panic(document in proptest::collection::vec(any::<u8>(), 0..300), pointer in "(/[a-z0-9~]{0,4}){0,5}") {
        for what in [ollama("m"), Served::Tgi, vllm(None), vllm(Some("m")), json(&pointer)] {
            let _answer = served(&what, &document);
        }
    }

    #[test]
    fn pointers_lead_where_another_reader_is_led(pointer in "(/(a|b|0|1|01|~0|~1|)){0,4}|[ab/]{0,3}") {
        for document in [
            r#"{"a":{"b":["x","y"],"0":"z"},"b":"v","~":"t","/":"s","":{"":"e"}}"#,
            r#"["p",{"a":"q"},["r"]]"#,
            r#""whole""#,
        ] {
            let value: serde_json::Value = serde_json::from_str(document).unwrap();
            let expected = value.pointer(&pointer).and_then(serde_json::Value::as_str).map(str::to_owned);
            prop_assert_eq!(served(&json(&pointer), document.as_bytes()).ok(), expected);
        }
    }
}
