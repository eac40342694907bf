//! Who comes how: keys, sessions, revisions, headers, and what policy lets them do.

use http::Method;
use serde_json::{Value, json};
use testudo_gateway::settings::Limits;

use super::rig::{Behind, CREDENTIAL, Rig, names};
use super::server::{Era, MockServer, tool};

async fn two() -> (MockServer, MockServer, Rig) {
    let mail = MockServer::start(
        Era::Sessions,
        json!([tool("read", "Reads."), tool("send_mail", "Sends.")]),
    )
    .await;
    let notes = MockServer::start(Era::Modern, json!([tool("add", "Adds a note.")])).await;
    let rig = Rig::start(vec![Behind::http("mail", &mail), Behind::http("notes", &notes)]).await;
    rig.approve("mail").await;
    rig.approve("notes").await;
    (mail, notes, rig)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_with_a_session_sees_and_calls_the_tools_of_all_servers() {
    let (mail, notes, rig) = two().await;
    for revision in ["2025-06-18", "2025-11-25"] {
        let caller = rig.session_with("/mcp", revision, json!({})).await;
        assert_eq!(caller.revision, revision);
        assert_eq!(caller.opened["result"]["serverInfo"]["name"], "testudo");
        assert!(caller.opened["result"].get("instructions").is_none());
        assert_eq!(caller.tools().await, ["mail__read", "mail__send_mail", "notes__add"]);
        let got = caller.call("mail__read", json!({"text": "a", "n": 1.50})).await;
        assert_eq!(got.json()["id"], 7);
        let text = got.json()["result"]["content"][0]["text"].as_str().unwrap().to_owned();
        assert_eq!(
            serde_json::from_str::<Value>(&text).unwrap(),
            json!({"text": "a", "n": 1.5})
        );
        let got = caller.call("notes__add", json!({"text": "b"})).await;
        assert_eq!(got.json()["result"]["content"][0]["text"], r#"{"text":"b"}"#);
    }
    // Each side has its own ids, session, credential and revision.
    let call = mail.received("tools/call").pop().unwrap();
    assert_eq!(call.headers["authorization"], format!("Bearer {CREDENTIAL}"));
    assert_eq!(call.headers["mcp-session-id"], "upstream-session-1");
    assert_eq!(call.headers["mcp-protocol-version"], "2025-11-25");
    assert_eq!(call.body["params"]["name"], "read");
    let call = notes.received("tools/call").pop().unwrap();
    assert!(!call.headers.contains_key("mcp-session-id"));
    assert_eq!(call.headers["mcp-method"], "tools/call");
    assert_eq!(call.headers["mcp-name"], "add");
    let meta = &call.body["params"]["_meta"];
    assert_eq!(meta["io.modelcontextprotocol/protocolVersion"], "2026-07-28");
    assert_eq!(meta["io.modelcontextprotocol/clientInfo"]["name"], "testudo");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_without_sessions_is_served_by_servers_of_both_kinds() {
    let (mail, notes, rig) = two().await;
    let got = rig.modern("/mcp", "server/discover", json!({})).await;
    let result = got.json()["result"].clone();
    assert!(
        result["supportedVersions"]
            .as_array()
            .unwrap()
            .contains(&json!("2026-07-28")),
        "{result}"
    );
    assert!(!got.headers.contains_key("mcp-session-id"));
    let got = rig.modern("/mcp", "tools/list", json!({})).await;
    assert_eq!(names(&got), ["mail__read", "mail__send_mail", "notes__add"]);
    let result = &got.json()["result"];
    assert_eq!(
        (&result["cacheScope"], &result["ttlMs"]),
        (&json!("private"), &json!(0))
    );
    for (name, own, server) in [("mail__read", "read", &mail), ("notes__add", "add", &notes)] {
        let got = rig
            .modern("/mcp", "tools/call", json!({"name": name, "arguments": {"text": "x"}}))
            .await;
        let message = got.json();
        assert_eq!(
            (&message["id"], &message["result"]["resultType"]),
            (&json!("m-1"), &json!("complete"))
        );
        assert_eq!(server.received("tools/call").pop().unwrap().body["params"]["name"], own);
    }
    // One server has a door of its own, where names are as it gives them.
    let got = rig.modern("/mcp/notes", "tools/list", json!({})).await;
    assert_eq!(names(&got), ["add"]);
    let caller = rig.session("/mcp/mail").await;
    assert_eq!(caller.tools().await, ["read", "send_mail"]);
    assert!(caller.call("read", json!({})).await.json().get("result").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_say_something_else_than_the_body_are_refused() {
    let (mail, notes, rig) = two().await;
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "notes__add", "arguments": {}, "_meta": meta}});
    let sound = [
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/call"),
        ("mcp-name", "notes__add"),
    ];
    for (header, value) in [
        ("mcp-protocol-version", ""),
        ("mcp-protocol-version", "2025-11-25"),
        ("mcp-method", ""),
        ("mcp-method", "tools/list"),
        ("mcp-name", ""),
        ("mcp-name", "mail__read"),
        ("mcp-name", "=?base64?bWFpbF9fcmVhZA==?="),
    ] {
        let mut headers = sound.to_vec();
        headers.push((header, value));
        let got = rig.post("/mcp", &headers, &call).await;
        assert_eq!(
            (got.status, got.error().0),
            (400, -32020),
            "{header}: {value} {}",
            got.text
        );
    }
    let mut other = call.clone();
    other["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!("2031-01-01");
    let got = rig
        .post(
            "/mcp",
            &[("mcp-protocol-version", "2031-01-01"), sound[1], sound[2]],
            &other,
        )
        .await;
    assert_eq!((got.status, got.error().0), (400, -32022));
    assert!(got.json()["error"]["data"]["supported"].as_array().unwrap().len() == 3);
    let mut other = call.clone();
    other["params"]["_meta"]
        .as_object_mut()
        .unwrap()
        .remove("io.modelcontextprotocol/clientCapabilities");
    assert_eq!(rig.post("/mcp", &sound, &other).await.error().0, -32602);
    let mut other = call.clone();
    other["params"].as_object_mut().unwrap().remove("_meta");
    assert_eq!(rig.post("/mcp", &sound, &other).await.error().0, -32602);
    assert_eq!((mail.calls(), notes.calls()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_session_too_a_header_that_is_there_does_not_lie() {
    let (mail, notes, rig) = two().await;
    let caller = rig.session("/mcp").await;
    let list = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
    for headers in [
        [
            ("mcp-session-id", caller.session.as_str()),
            ("mcp-method", "tools/call"),
        ],
        [
            ("mcp-session-id", caller.session.as_str()),
            ("mcp-protocol-version", "2025-06-18"),
        ],
        [
            ("mcp-session-id", caller.session.as_str()),
            ("mcp-protocol-version", "x"),
        ],
    ] {
        assert_eq!(rig.post("/mcp", &headers, &list).await.status, 400, "{headers:?}");
    }
    // The oldest revision had no header, so naming it says nothing.
    let named = [
        ("mcp-session-id", caller.session.as_str()),
        ("mcp-protocol-version", "2025-03-26"),
    ];
    assert_eq!(rig.post("/mcp", &named, &list).await.status, 200);
    assert_eq!((mail.calls(), notes.calls()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_that_headers_repeat_are_compared_and_passed_on() {
    let mut region = tool("query", "Asks.");
    region["inputSchema"]["properties"]["text"]["x-mcp-header"] = json!("Region");
    let notes = MockServer::start(Era::Modern, json!([region])).await;
    let rig = Rig::start(vec![Behind::http("notes", &notes)]).await;
    rig.approve("notes").await;
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "query", "arguments": {"text": "eu-west"}, "_meta": meta}});
    let with = |value: &'static str| {
        [
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", "tools/call"),
            ("mcp-name", "query"),
            ("mcp-param-region", value),
        ]
    };
    for value in ["", "us-east", "=?base64?dXMtZWFzdA==?="] {
        let got = rig.post("/mcp/notes", &with(value), &call).await;
        assert_eq!(got.error().0, -32020, "{value}: {}", got.text);
    }
    assert_eq!(notes.calls(), 0);
    for value in ["eu-west", "=?base64?ZXUtd2VzdA==?="] {
        let got = rig.post("/mcp/notes", &with(value), &call).await;
        assert!(got.json().get("result").is_some(), "{}", got.text);
        assert_eq!(
            notes.received("tools/call").pop().unwrap().headers["mcp-param-region"],
            "eu-west"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_in_without_a_key_or_from_a_page_that_may_not_call() {
    let (mail, _notes, rig) = two().await;
    let list = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
    for (headers, status) in [
        (&[("authorization", "")][..], 401),
        (&[("authorization", "Bearer tsk_aaaa_bbbb")], 401),
        (&[("host", "evil.example")], 421),
        (&[("origin", "https://evil.example")], 403),
        (&[("origin", "null")], 403),
        (&[("content-type", "text/plain")], 415),
        (&[("content-type", "")], 415),
        (&[("content-encoding", "gzip")], 415),
    ] {
        for method in [Method::POST, Method::GET, Method::DELETE] {
            if status == 415 && method != Method::POST {
                continue;
            }
            let got = rig.send(method.clone(), "/mcp", headers, list.to_string()).await;
            assert_eq!(got.status, status, "{method} {headers:?}: {}", got.text);
            assert!(got.headers.contains_key("x-testudo-exchange"));
        }
    }
    let page = [("origin", "https://app.example")];
    assert_eq!(rig.post("/mcp", &page, &list).await.status, 400);
    for (method, path, status) in [
        (Method::PUT, "/mcp", 405),
        (Method::PATCH, "/mcp", 405),
        (Method::POST, "/mcp?key=1", 400),
        (Method::POST, "/mcp/", 404),
        (Method::POST, "/mcp/nobody", 404),
        (Method::POST, "/mcp/mail/", 404),
        (Method::POST, "/MCP", 404),
        (Method::POST, "/mcpx", 404),
        (Method::POST, "/mcp/mail/../notes", 404),
    ] {
        let got = rig.send(method.clone(), path, &[], list.to_string()).await;
        assert_eq!(got.status, status, "{method} {path}");
    }
    for body in [
        "",
        "{",
        "[]",
        "null",
        r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"a","method":"b"}"#,
    ] {
        let got = rig.send(Method::POST, "/mcp", &[], body.to_owned()).await;
        assert_eq!(got.status, 400, "{body}");
        assert_eq!(got.json()["id"], Value::Null);
    }
    assert_eq!(mail.calls(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_its_callers_at_its_door_until_it_ends() {
    let (mail, _notes, rig) = two().await;
    let caller = rig.session("/mcp").await;
    let list = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
    let session = ("mcp-session-id", caller.session.as_str());
    let other = format!("Bearer {}", rig.mail_key);
    for (path, headers, status) in [
        ("/mcp", &[][..], 400),
        ("/mcp", &[("mcp-session-id", "made-up")], 404),
        ("/mcp/mail", &[session], 404),
        ("/mcp", &[session, ("authorization", &other)], 404),
    ] {
        let got = rig.post(path, headers, &list).await;
        assert_eq!(got.status, status, "{path} {headers:?} {}", got.text);
    }
    assert!(caller.session.len() >= 32 && caller.session.bytes().all(|b| b.is_ascii_graphic()));
    assert_eq!(
        rig.send(
            Method::DELETE,
            "/mcp",
            &[("authorization", &other), session],
            String::new()
        )
        .await
        .status,
        404
    );
    assert_eq!(caller.tools().await.len(), 3);
    assert_eq!(
        rig.send(Method::DELETE, "/mcp", &[session], String::new()).await.status,
        204
    );
    assert_eq!(rig.post("/mcp", &[session], &list).await.status, 404);
    // The server's own session ended with it.
    let deleted = mail
        .shared
        .received
        .lock()
        .unwrap()
        .iter()
        .any(|it| it.method == Method::DELETE);
    assert!(deleted);
    let fresh = rig.session("/mcp").await;
    rig.reload(vec![Behind::http("mail", &mail)]);
    for _ in 0..200 {
        if fresh.ask("ping", json!({})).await.status == 404 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("a session of an earlier configuration goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_sees_the_servers_that_it_covers() {
    let (mail, notes, rig) = two().await;
    let bearer = format!("Bearer {}", rig.mail_key);
    let key = ("authorization", bearer.as_str());
    let params = json!({"protocolVersion": "2025-11-25", "capabilities": {}});
    let open = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params});
    assert_eq!(rig.post("/mcp/notes", &[key], &open).await.status, 403);
    let opened = rig.post("/mcp", &[key], &open).await;
    let session = ("mcp-session-id", opened.headers["mcp-session-id"].to_str().unwrap());
    let list = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
    assert_eq!(
        names(&rig.post("/mcp", &[key, session], &list).await),
        ["mail__read", "mail__send_mail"]
    );
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "notes__add"}});
    let got = rig.post("/mcp", &[key, session], &call).await;
    assert_eq!(got.error(), (403, "this key may not use this route".to_owned()));
    assert_eq!((mail.calls(), notes.calls()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_hide_and_refuse_tools() {
    let mut safe = tool("read", "Reads.");
    safe["annotations"] = json!({"readOnlyHint": true});
    let mail = MockServer::start(
        Era::Sessions,
        json!([safe, tool("send_mail", "Sends."), tool("purge", "Purges.")]),
    )
    .await;
    let policy = r#"
        @id("no-purge") @reason("nobody purges")
        forbid (principal, action == Action::"call", resource == Route::"mcp.mail") when { context.tool == "purge" };
        @id("read-only") @reason("agents only read")
        forbid (principal is Agent, action == Action::"call", resource)
        when { !context.listing && !context.read_only_hint };
    "#;
    let mut behind = Behind::http("mail", &mail);
    behind.tools = vec!["read".to_owned(), "send*".to_owned(), "purge".to_owned()];
    let rig = Rig::with_policy(vec![behind], policy).await;
    rig.approve("mail").await;
    let caller = rig.session("/mcp").await;
    assert_eq!(caller.tools().await, ["mail__read", "mail__send_mail"]);
    assert!(
        caller
            .call("mail__read", json!({}))
            .await
            .json()
            .get("result")
            .is_some()
    );
    for (tool, code, why) in [
        ("mail__purge", 403, "nobody purges"),
        ("mail__send_mail", 403, "agents only read"),
        ("mail__nothing", -32602, "there is no such tool here"),
        ("other__read", -32602, "there is no such tool here"),
        ("read", -32602, "there is no such tool here"),
        ("", -32602, "there is no such tool here"),
    ] {
        assert_eq!(
            caller.call(tool, json!({})).await.error(),
            (code, why.to_owned()),
            "{tool}"
        );
    }
    assert_eq!(mail.calls(), 1);
    // What the configuration does not list is not there.
    let mut behind = Behind::http("mail", &mail);
    behind.tools = vec!["read".to_owned()];
    let rig = Rig::start(vec![behind]).await;
    rig.approve("mail").await;
    let caller = rig.session("/mcp").await;
    assert_eq!(caller.tools().await, ["mail__read"]);
    let refused = caller.call("mail__send_mail", json!({})).await.error();
    assert_eq!(
        refused,
        (403, "this server's list of tools does not have this one".to_owned())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_and_unknown_methods_are_refused() {
    let mail = MockServer::start(Era::Sessions, json!([tool("read", "Reads.")])).await;
    let mut behind = Behind::http("mail", &mail);
    behind.limits = Limits {
        requests_per_minute: Some(2),
        ..Limits::default()
    };
    let rig = Rig::start(vec![behind]).await;
    rig.approve("mail").await;
    let caller = rig.session("/mcp").await;
    for _ in 0..2 {
        assert!(
            caller
                .call("mail__read", json!({}))
                .await
                .json()
                .get("result")
                .is_some()
        );
    }
    let got = caller.call("mail__read", json!({})).await;
    assert_eq!((got.status, got.error().0), (429, 429));
    assert_eq!(mail.calls(), 2);
    for method in [
        "tools/delete",
        "sampling/createMessage",
        "server/discover",
        "subscriptions/listen",
        "tasks/list",
    ] {
        let got = caller.ask(method, json!({})).await;
        assert_eq!((got.status, got.error().0), (200, -32601), "{method}");
        if !matches!(method, "server/discover" | "subscriptions/listen") {
            let got = rig.modern("/mcp", method, json!({})).await;
            assert_eq!((got.status, got.error().0), (404, -32601), "{method}");
        }
    }
    assert_eq!(rig.modern("/mcp", "ping", json!({})).await.status, 404);
    let paged = caller.ask("tools/list", json!({"cursor": "x"})).await;
    assert_eq!(paged.error().0, -32602);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_server_that_is_down_takes_nothing_from_the_others() {
    let mail = MockServer::start(Era::Sessions, json!([tool("read", "Reads.")])).await;
    let gone = testudo_testkit::mock::MockUpstream::refusing().await.unwrap();
    let mut broken = MockServer::start(Era::Modern, json!([])).await;
    broken.address = gone;
    let rig = Rig::start(vec![Behind::http("mail", &mail), Behind::http("notes", &broken)]).await;
    rig.approve("mail").await;
    let caller = rig.session("/mcp").await;
    assert_eq!(caller.tools().await, ["mail__read"]);
    let got = caller.call("notes__add", json!({})).await;
    assert_eq!(got.error().0, 502);
    assert!(!got.text.contains("127.0.0.1"), "{}", got.text);
    let alone = rig.modern("/mcp/notes", "tools/list", json!({})).await;
    assert_eq!(alone.error().0, 502);
}
