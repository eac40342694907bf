//! Answers as the servers give them, and as they do not.

use proptest::prelude::*;

use super::*;
use crate::settings::Place;

const ID: &str = "874230e7607febb0eef0f409bd266cab2267a578b2f12a5c41ed2ad913b28383";

fn ollama(model: &str) -> AskWhat {
    AskWhat::Ollama {
        model: model.to_owned(),
    }
}

fn vllm(model: Option<&str>) -> AskWhat {
    AskWhat::Vllm {
        model: model.map(str::to_owned),
    }
}

fn json(pointer: &str) -> AskWhat {
    AskWhat::Json {
        place: Place::Path("/version".to_owned()),
        pointer: pointer.to_owned(),
    }
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
        (AskWhat::Tgi, INFO, "e985a63cdc139290c5f700ff1929f0b5942cced2"),
        (
            AskWhat::Tgi,
            r#"{"model_id":"/data/llama-874230e7607f","model_sha":null}"#,
            "/data/llama-874230e7607f",
        ),
        (vllm(None), MODELS, "/srv/models/llama-874230e7607f"),
        (vllm(Some("sql")), MODELS, "/srv/adapters/sql"),
        (json("/a~1b/1/c~0"), r#"{"a/b":[{},{"c~":"here"}]}"#, "here"),
        (json("/data/0/id"), MODELS, "llama"),
        (json(""), r#""all of it""#, "all of it"),
    ] {
        assert_eq!(said(&what, document.as_bytes()).as_deref(), Ok(expected), "{what:?}");
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
        (AskWhat::Tgi, "<html>", Unsaid::Shape),
        (AskWhat::Tgi, "", Unsaid::Shape),
        (AskWhat::Tgi, r#"{"model_sha":7}"#, Unsaid::NoText),
        (AskWhat::Tgi, r#"{"model_sha":""}"#, Unsaid::NoText),
        (AskWhat::Tgi, r#"{"model_sha":"a","model_sha":"b"}"#, Unsaid::Shape),
        (AskWhat::Tgi, &long, Unsaid::NoText),
        (vllm(None), two, Unsaid::Several),
        (vllm(Some("a")), twice, Unsaid::Several),
        (vllm(Some("c")), two, Unsaid::NoModel),
        (vllm(None), r#"{"data":[]}"#, Unsaid::NoModel),
        (vllm(None), r#"{"data":[{"id":"a","root":null}]}"#, Unsaid::NoText),
        (json("/data/00/id"), MODELS, Unsaid::NoText),
        (json("/data/9/id"), MODELS, Unsaid::NoText),
        (json("/data"), MODELS, Unsaid::NoText),
    ] {
        assert_eq!(said(&what, document.as_bytes()), Err(expected), "{what:?}");
    }
}

#[test]
fn versions_are_meant_by_paths_and_by_the_list() {
    let version = |text: &str| VersionBeginning::parse(text).unwrap();
    let means = BTreeMap::from([("sha256:a80c4f17".to_owned(), version("874230e7"))]);
    for (said, expected) in [
        (ID, Some(ID)),
        ("a80c4f17", Some("874230e7")),
        ("sha256:a80c4f17", Some("874230e7")),
        ("/srv/models/llama-874230e7607f", Some("874230e7607f")),
        ("/srv/models/llama@874230e7607f/", Some("874230e7607f")),
        // Short, upper case, of other parts of the path, within a word, or two at once: names nothing.
        ("/srv/models/llama-874230e7", None),
        ("/srv/models/llama-874230E7607F", None),
        ("/srv/874230e7607f/llama", None),
        ("/srv/x874230e7607f", None),
        ("/srv/874230e7607f-32cc3b45e325", None),
        ("a80c4f1", None),
        ("", None),
        ("/", None),
    ] {
        assert_eq!(meant(said, &means), expected.map(version), "{said}");
    }
}

proptest! {
    #[test]
    fn no_document_makes_it_panic(document in proptest::collection::vec(any::<u8>(), 0..300), pointer in "(/[a-z0-9~]{0,4}){0,5}") {
        for what in [ollama("m"), AskWhat::Tgi, vllm(None), vllm(Some("m")), json(&pointer)] {
            let _answer = said(&what, &document);
        }
    }

    #[test]
    fn what_is_meant_is_said(said in "[ -~]{0,80}") {
        if let Some(version) = meant(&said, &BTreeMap::new()) {
            prop_assert!(said.contains(version.as_str()));
            prop_assert!(version.as_str().len() >= DIGITS_MIN);
        }
    }

    #[test]
    fn a_path_that_ends_with_an_id_means_it(beginning in "(/[a-z]{1,8}){0,4}", digits in 12usize..64) {
        let path = format!("{beginning}/{}", ID.split_at(digits).0);
        prop_assert_eq!(meant(&path, &BTreeMap::new()), VersionBeginning::parse(ID.split_at(digits).0).ok());
    }
}
