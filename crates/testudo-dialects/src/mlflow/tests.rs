//! Questions of MLflow clients, as they are written and as they must not be.

use proptest::prelude::*;

use super::ask::{Ask, Place, Search, is_plain, read};
use super::fault::{Code, Fault};
use super::filter::{Content, Field, Filter, orders, page};
use super::query::{Query, segments};

const FILES: &str = "/api/2.0/mlflow-artifacts/artifacts";

fn get(path: &str) -> Result<Ask, Fault> {
    let (path, query) = path
        .split_once('?')
        .map_or((path, None), |(path, query)| (path, Some(query)));
    read("GET", path, query, b"")
}

fn code(asked: Result<Ask, Fault>) -> &'static str {
    asked.map_or_else(|fault| fault.code.as_str(), |ask| ask.as_str())
}

fn place(name: &str, number: u64, path: &[&str]) -> Place {
    Place {
        name: name.to_owned(),
        number,
        path: path.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn what_clients_ask_is_understood() {
    let registry = "/api/2.0/mlflow";
    for (path, wanted) in [
        ("/health".to_owned(), Ask::Health),
        ("/version".to_owned(), Ask::ServerVersion),
        (
            format!("{registry}/registered-models/get?name=llama"),
            Ask::Model { name: "llama".into() },
        ),
        (
            format!("{registry}/registered-models/alias?name=llama&alias=prod"),
            Ask::Alias {
                name: "llama".into(),
                alias: "prod".into(),
            },
        ),
        (
            format!("{registry}/model-versions/get?name=llama&version=3"),
            Ask::Version {
                name: "llama".into(),
                number: 3,
            },
        ),
        (
            format!("{registry}/model-versions/get-download-uri?name=llama&version=12"),
            Ask::DownloadUri {
                name: "llama".into(),
                number: 12,
            },
        ),
        (
            format!(
                "{registry}/model-versions/search?filter=name%3D%27a+b%27&max_results=10&order_by=name&order_by=version_number+DESC"
            ),
            Ask::Versions(Search {
                filter: Some("name='a b'".into()),
                max_results: Some(10),
                order_by: vec!["name".into(), "version_number DESC".into()],
                page_token: None,
            }),
        ),
        (
            format!("{registry}/registered-models/get-latest-versions?name=llama&stages=Production&stages=None"),
            Ask::Latest {
                name: "llama".into(),
                stages: vec!["Production".into(), "None".into()],
            },
        ),
        (format!("{FILES}?path=llama%2F3"), Ask::List(place("llama", 3, &[]))),
        (
            format!("{FILES}?path=llama/3/a%20b"),
            Ask::List(place("llama", 3, &["a b"])),
        ),
        (
            format!("{FILES}/llama/3/a%20b/c+d%25.bin"),
            Ask::Download(place("llama", 3, &["a b", "c+d%.bin"])),
        ),
    ] {
        assert_eq!(get(&path).unwrap(), wanted, "{path}");
    }
}

#[test]
fn what_clients_ask_with_a_body_is_understood() {
    let body = br#"{"name": "llama", "stages": ["Staging"]}"#;
    let asked = read(
        "POST",
        "/api/2.0/mlflow/registered-models/get-latest-versions",
        None,
        body,
    );
    let stages = vec!["Staging".to_owned()];
    assert_eq!(
        asked.unwrap(),
        Ask::Latest {
            name: "llama".into(),
            stages
        }
    );
}

#[test]
fn what_leads_elsewhere_or_is_no_question_is_refused() {
    let registry = "/api/2.0/mlflow";
    for path in [
        format!("{FILES}/llama/3/../../secret/1/x"),
        format!("{FILES}/llama/3/%2e%2e/%2e%2e/secret"),
        format!("{FILES}/llama/3/a%2fb"),
        format!("{FILES}/llama/3/a%5Cb"),
        format!("{FILES}/llama/3/a\\b"),
        format!("{FILES}/llama/3//x"),
        format!("{FILES}//llama/3/x"),
        format!("{FILES}/llama/3/./x"),
        format!("{FILES}/llama/3/x/"),
        format!("{FILES}/llama/3/a%00b"),
        format!("{FILES}/llama/3/a%0Ab"),
        format!("{FILES}/llama/3/%ff"),
        format!("{FILES}/llama/3/%4"),
        format!("{FILES}/llama/3/%zz"),
        format!("{FILES}/llama/03/x"),
        format!("{FILES}/llama/+3/x"),
        format!("{FILES}/llama/0/x"),
        format!("{FILES}/llama/99999999999999999999/x"),
        format!("{FILES}/llama/three/x"),
        format!("{FILES}?path=llama/3/../../secret/1"),
        format!("{FILES}?path=/llama/3"),
        format!("{FILES}?path=llama//3"),
        format!("{FILES}?path=llama%2F3%2F..%2F..%2Fsecret"),
        format!("{FILES}?path=llama/3&path=secret/1"),
        FILES.to_owned(),
        format!("{registry}/registered-models/get"),
        format!("{registry}/registered-models/get?name="),
        format!("{registry}/registered-models/get?name=a&name=b"),
        format!("{registry}/registered-models/get?name=%ff"),
        format!("{registry}/model-versions/get?name=a&version=-1"),
        format!("{registry}/model-versions/get?name=a&version=1.0"),
        format!("{registry}/model-versions/search?max_results=0"),
        format!("{registry}/model-versions/search?max_results=many"),
        format!("{registry}/registered-models/search?{}", "a=b&".repeat(65)),
        format!("{registry}/registered-models/search?filter={}", "a".repeat(17_000)),
    ] {
        assert_eq!(code(get(&path)), "INVALID_PARAMETER_VALUE", "{path}");
    }
    for path in [
        "/".to_owned(),
        "/api/2.0/mlflow/experiments/search".to_owned(),
        "/api/2.0/mlflow/registered-models".to_owned(),
        "/api/2.0/mlflow/registered-models/get/".to_owned(),
        "/api/2.0/mlflow/registered%2dmodels/get?name=a".to_owned(),
        format!("{FILES}x"),
        "/api/3.0/mlflow/traces".to_owned(),
    ] {
        assert_eq!(code(get(&path)), "ENDPOINT_NOT_FOUND", "{path}");
    }
    for path in [format!("{FILES}/llama"), format!("{FILES}?path=llama")] {
        assert_eq!(code(get(&path)), "RESOURCE_DOES_NOT_EXIST", "{path}");
    }
}

#[test]
fn bodies_that_are_no_question_are_refused() {
    for body in [
        &b""[..],
        b"{}",
        b"[]",
        br#"{"name": ""}"#,
        br#"{"name": 1}"#,
        br#"{"name": "a", "name": "b"}"#,
        br#"{"name": "a", "stages": [1]}"#,
    ] {
        let asked = read(
            "POST",
            "/api/2.0/mlflow/registered-models/get-latest-versions",
            None,
            body,
        );
        assert_eq!(code(asked), "INVALID_PARAMETER_VALUE", "{body:?}");
    }
}

#[test]
fn what_writes_says_which_command_does_it() {
    for (method, path, command) in [
        ("POST", "registered-models/create", "push"),
        ("POST", "model-versions/create", "push"),
        ("POST", "registered-models/alias", "promote"),
        ("DELETE", "registered-models/alias", "rollback"),
        ("POST", "model-versions/transition-stage", "promote"),
        ("DELETE", "model-versions/delete", "revoke"),
        ("DELETE", "registered-models/delete", "revoke"),
        ("POST", "registered-models/rename", "show"),
        ("PATCH", "registered-models/update", "show"),
        ("POST", "model-versions/set-tag", "show"),
        ("DELETE", "model-versions/delete-tag", "show"),
    ] {
        let fault = read(method, &format!("/api/2.0/mlflow/{path}"), None, b"{}").unwrap_err();
        assert_eq!(fault.code, Code::PermissionDenied, "{path}");
        assert!(
            fault.message.contains(&format!("testudo model {command}")),
            "{path}: {}",
            fault.message
        );
    }
    for (method, path) in [
        ("PUT", format!("{FILES}/llama/3/x")),
        ("DELETE", format!("{FILES}/llama/3/x")),
        ("POST", "/api/2.0/mlflow-artifacts/mpu/create/llama/3".to_owned()),
    ] {
        let fault = read(method, &path, None, b"").unwrap_err();
        assert_eq!(fault.code, Code::PermissionDenied, "{path}");
    }
    let other = read("POST", "/api/2.0/mlflow/runs/create", None, b"").unwrap_err();
    assert_eq!(other.code, Code::EndpointNotFound);
}

fn admits(filter: &str, name: &str, number: u64) -> bool {
    Filter::read(filter).unwrap().admits(|field| match field {
        Field::Name => Content::Text(name.to_owned()),
        Field::Number => Content::Number(number),
        Field::Tag(key) if key == "a key" => Content::Text("v".to_owned()),
        Field::RunId => Content::Text(String::new()),
        _ => Content::Nothing,
    })
}

#[test]
fn filters_mean_what_mlflow_says() {
    for filter in [
        "name = 'llama'",
        "name='llama'",
        "attribute.name = \"llama\"",
        "name LIKE 'll%'",
        "name LIKE '%a_a'",
        "name ILIKE 'LLAMA'",
        "name != 'other' AND version_number >= 3",
        "version_number<4 and version_number > 2",
        "tag.`mlflow.prompt.is_prompt` != 'true'",
        "name = 'llama' AND tags.`mlflow.prompt.is_prompt` = 'false'",
        "tags.`a key` = 'v'",
        "tags.\"a key\" LIKE 'v'",
        "run_id IN ('', 'x')",
    ] {
        assert!(admits(filter, "llama", 3), "{filter}");
    }
    for filter in [
        "name = 'Llama'",
        "name LIKE 'LL%'",
        "name LIKE 'll'",
        "name != 'llama'",
        "version_number = 2",
        "tag.`mlflow.prompt.is_prompt` = 'true'",
        "tags.other = 'v'",
        "tags.other != 'v'",
        "run_id IN ('x')",
        "creation_timestamp > 3",
    ] {
        assert!(!admits(filter, "llama", 3), "{filter}");
    }
    for filter in [
        "name",
        "name =",
        "name = llama",
        "name = 'llama",
        "name = 'a' OR name = 'b'",
        "name = 'a' name = 'b'",
        "name = 'a' AND",
        "reason = 'a'",
        "name IN ('a')",
        "name IN 'a'",
        "version_number = '3'",
        "version_number = 3.5",
        "version_number IN (3)",
        "run_id IN (",
        "run_id IN ('a'",
        "run_id IN ('a',)",
        "name ~ 'a'",
        "; drop",
        "'a' = name",
    ] {
        assert!(Filter::read(filter).is_err(), "{filter}");
    }
}

#[test]
fn pages_come_one_after_the_other() {
    let search = |max_results, page_token: Option<&str>| Search {
        max_results,
        page_token: page_token.map(str::to_owned),
        ..Search::default()
    };
    let all: Vec<u32> = (0..5).collect();
    let (first, token) = page(all.clone(), &search(Some(2), None), 100).unwrap();
    assert_eq!((first, token.as_deref()), (vec![0, 1], Some("after-2")));
    let (last, none) = page(all.clone(), &search(Some(3), token.as_deref()), 100).unwrap();
    assert_eq!((last, none), (vec![2, 3, 4], None));
    let (beyond, none) = page(all.clone(), &search(None, Some("after-900")), 2).unwrap();
    assert_eq!((beyond, none), (vec![], None));
    for token in ["2", "after-", "after--1", "after-99999999999999999999", "x"] {
        assert!(page(all.clone(), &search(None, Some(token)), 2).is_err(), "{token}");
    }
    let (many, more) = page((0..5_000).collect::<Vec<u32>>(), &search(Some(200_000), None), 100).unwrap();
    assert_eq!((many.len(), more.as_deref()), (1_000, Some("after-1000")));
    let wrong = ["reason", "name UP", "name ASC x", "", "tags.a", "run_id"];
    for order in wrong {
        let search = Search {
            order_by: vec![order.to_owned()],
            ..Search::default()
        };
        assert!(orders(&search).is_err(), "{order}");
    }
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

proptest! {
    /// Whatever comes, nothing panics, and a place never leads out of its version.
    #[test]
    fn any_path_is_a_plain_place_or_refused(rest in "[a-z0-9/.%\\\\+ \u{0}-\u{7f}ä2eEfFcC5]{0,60}") {
        let path = format!("{FILES}/{rest}");
        if let Ok(Ask::Download(place)) = read("GET", &path, None, b"") {
            prop_assert!(place.path.iter().all(|part| is_plain(part)));
            prop_assert!(is_plain(&place.name));
            prop_assert!(!place.inside().split('/').any(|part| part == ".."));
        }
        if let Ok(Ask::List(place)) = read("GET", FILES, Some(&format!("path={rest}")), b"") {
            prop_assert!(place.path.iter().all(|part| is_plain(part)));
        }
    }

    /// What a client encodes is what it meant, however much of it is encoded.
    #[test]
    fn an_encoded_path_is_decoded_once(parts in prop::collection::vec("[^/\\\\\\p{C}]{1,12}", 1..5)) {
        prop_assume!(parts.iter().all(|part| is_plain(part)));
        let written: Vec<String> = parts.iter().map(|part| encoded(part)).collect();
        prop_assert_eq!(segments(&written.join("/")).unwrap(), parts.clone());
        let twice: Vec<String> = written.iter().map(|part| encoded(part)).collect();
        prop_assert_eq!(segments(&twice.join("/")).unwrap(), written);
    }

    #[test]
    fn any_query_and_filter_is_taken_or_refused(text in ".{0,200}", value in "\\PC{0,40}") {
        let _read = Query::read(&text);
        let _read = Filter::read(&text);
        let query = Query::read(&format!("a={}&b=c", encoded(&value))).unwrap();
        prop_assert_eq!(query.optional("a").unwrap().unwrap(), value);
    }

    /// `LIKE` with a pattern that is a text without wildcards is the same as `=`, and `%` admits everything.
    #[test]
    fn patterns_without_wildcards_are_texts(name in "[a-z]{0,12}", other in "[a-z]{0,12}", cut in 0usize..12) {
        let like = |pattern: &str| admits(&format!("name LIKE '{pattern}'"), &name, 1);
        prop_assert_eq!(like(&other), name == other);
        let (begins, ends) = name.split_at(cut.min(name.len()));
        let longer = "_".repeat(name.len().saturating_add(1));
        for pattern in ["%", "%%", &[begins, "%", ends].concat(), &["%", ends, "%"].concat(), &"_".repeat(name.len())] {
            prop_assert!(like(pattern), "{}", pattern);
        }
        prop_assert!(!like(&longer));
    }
}
