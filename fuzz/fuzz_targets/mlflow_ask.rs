//! Questions of MLflow clients: paths, queries, bodies and filters of any bytes are read or refused, and no path leads
//! out of its version.

#![no_main]

use libfuzzer_sys::fuzz_target;
use testudo_dialects::mlflow::{Ask, Content, Filter, orders, page, read};

const FILES: &str = "/api/2.0/mlflow-artifacts/artifacts";

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else {
        let _read = read(
            "POST",
            "/api/2.0/mlflow/registered-models/get-latest-versions",
            None,
            bytes,
        );
        return;
    };
    let (path, query) = text
        .split_once('?')
        .map_or((text, None), |(path, query)| (path, Some(query)));
    let asked = [
        read("GET", path, query, b""),
        read("GET", &format!("{FILES}/{path}"), query, b""),
        read("GET", FILES, Some(&format!("path={path}")), b""),
        read("GET", "/api/2.0/mlflow/model-versions/search", Some(path), b""),
        read(
            "POST",
            "/api/2.0/mlflow/registered-models/get-latest-versions",
            query,
            bytes,
        ),
        read("DELETE", path, query, b""),
    ];
    for ask in asked.into_iter().flatten() {
        match ask {
            Ask::List(place) | Ask::Download(place) => {
                let inside = place.inside();
                assert!(!inside.starts_with('/') && !inside.contains('\\'));
                assert!(inside.is_empty() || inside.split('/').all(|part| !matches!(part, "" | "." | "..")));
            }
            Ask::Models(search) | Ask::Versions(search) => {
                let _orders = orders(&search);
                let _page = page(vec![(); 10], &search, 3);
            }
            _ => {}
        }
    }
    if let Ok(filter) = Filter::read(text) {
        let _admitted = filter.admits(|_| Content::Text("llama".to_owned()));
    }
});
