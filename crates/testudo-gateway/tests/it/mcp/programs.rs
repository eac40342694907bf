//! Servers that are programs: a shell script that speaks one message a line.

use serde_json::json;

use super::rig::{Behind, Rig};
use super::server::{Era, MockServer, tool};

/// Reads lines, and answers by the method that stands in them; the id is the first number after `"id":`.
const PROGRAM: &str = r#"
while IFS= read -r line; do
  id=${line#*\"id\":}; id=${id%%,*}
  case "$line" in
    *'"server/discover"'*) echo "{\"jsonrpc\":\"2.0\",\"id\":$id,\"error\":{\"code\":-32601,\"message\":\"no\"}}" ;;
    *'"initialize"'*) echo "{\"jsonrpc\":\"2.0\",\"id\":$id,\"result\":{\"protocolVersion\":\"2025-11-25\",\"capabilities\":{\"tools\":{}},\"serverInfo\":{\"name\":\"p\",\"version\":\"1\"}}}" ;;
    *'"tools/list"'*) echo "{\"jsonrpc\":\"2.0\",\"id\":$id,\"result\":{\"tools\":[{\"name\":\"env\",\"inputSchema\":{}},{\"name\":\"slow\",\"inputSchema\":{}},{\"name\":\"die\",\"inputSchema\":{}},{\"name\":\"noise\",\"inputSchema\":{}},{\"name\":\"flood\",\"inputSchema\":{}},{\"name\":\"work\",\"inputSchema\":{}}]}}" ;;
    *'"name":"env"'*) echo "{\"jsonrpc\":\"2.0\",\"id\":$id,\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"$$ ${TOKEN} [${HOME}] $(env | cut -d= -f1 | sort | tr '\n' ' ')\"}]}}" ;;
    *'"name":"slow"'*) ;;
    *'"name":"die"'*) exit 3 ;;
    *'"name":"noise"'*) echo "this is no message" ;;
    *'"name":"flood"'*) head -c 50000000 /dev/zero | tr '\0' 'a' ;;
    *'"name":"work"'*)
      echo "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"progressToken\":$id,\"progress\":1}}"
      echo "{\"jsonrpc\":\"2.0\",\"id\":\"q1\",\"method\":\"ping\"}"
      echo "{\"jsonrpc\":\"2.0\",\"id\":\"q2\",\"method\":\"sampling/createMessage\",\"params\":{}}"
      IFS= read -r pong; IFS= read -r refused
      echo "{\"jsonrpc\":\"2.0\",\"id\":$id,\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"done\"}],\"structuredContent\":{\"pong\":$pong,\"refused\":$refused}}}" ;;
  esac
done
"#;

async fn one() -> Rig {
    let rig = Rig::start(vec![Behind::program("prog", PROGRAM, &[("TOKEN", "t0ken")])]).await;
    rig.approve("prog").await;
    rig
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_is_called_and_gets_the_environment_of_its_configuration_alone() {
    let rig = one().await;
    let caller = rig.session("/mcp").await;
    assert_eq!(caller.tools().await.len(), 6);
    let got = caller.call("prog__env", json!({"line": "a\nb"})).await.json();
    let text = got["result"]["content"][0]["text"].as_str().unwrap().to_owned();
    assert!(
        text.contains(" t0ken [] ") && text.contains("PATH") && !text.contains("CARGO"),
        "{text}"
    );
    // The same session talks to the same process, another session to another.
    let again = caller.call("prog__env", json!({})).await.json();
    let process = |text: &str| text.split(' ').next().unwrap().to_owned();
    assert_eq!(
        process(again["result"]["content"][0]["text"].as_str().unwrap()),
        process(&text)
    );
    let other = rig.session("/mcp").await.call("prog__env", json!({})).await.json();
    assert_ne!(
        process(other["result"]["content"][0]["text"].as_str().unwrap()),
        process(&text)
    );
    let modern = rig
        .modern("/mcp", "tools/call", json!({"name": "prog__env", "arguments": {}}))
        .await;
    assert!(modern.json().get("result").is_some(), "{}", modern.text);
    // It ends with its session.
    let session = [("mcp-session-id", caller.session.as_str())];
    rig.send(http::Method::DELETE, "/mcp", &session, String::new()).await;
    let folder = std::path::PathBuf::from(format!("/proc/{}", process(&text)));
    for _ in 0..400 {
        if !folder.exists() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("the program goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_ends_talks_nonsense_or_never_stops_is_started_anew() {
    let rig = one().await;
    let caller = rig.session("/mcp").await;
    for tool in ["prog__die", "prog__noise", "prog__flood"] {
        let got = caller.call(tool, json!({})).await;
        assert_eq!(got.error().0, 502, "{tool}: {}", got.text);
        let next = caller.call("prog__env", json!({})).await;
        assert!(next.json().get("result").is_some(), "after {tool}: {}", next.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_does_not_answer_meets_its_deadline() {
    let rig = one().await;
    let caller = rig.session("/mcp").await;
    let got = caller.call("prog__slow", json!({})).await;
    assert_eq!(got.error().0, 504);
    assert!(caller.call("prog__env", json!({})).await.json().get("result").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_comes_under_the_callers_own_token_and_questions_are_not_answered_for_it() {
    let rig = one().await;
    let caller = rig.session("/mcp").await;
    let params = json!({"name": "prog__work", "arguments": {}, "_meta": {"progressToken": "mine"}});
    let got = caller.ask("tools/call", params).await;
    let events = got.events();
    assert_eq!(events[0]["params"]["progressToken"], "mine", "{}", got.text);
    let last = events.last().unwrap();
    assert_eq!(last["id"], 7);
    let told = &last["result"]["structuredContent"];
    assert_eq!(told["pong"]["result"], json!({}));
    assert_eq!(told["refused"]["error"]["code"], -32601);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_cannot_run_is_a_server_that_is_down() {
    let mail = MockServer::start(Era::Sessions, json!([tool("read", "Reads.")])).await;
    let mut gone = Behind::program("prog", "exit 1", &[]);
    if let testudo_gateway::settings::McpTransport::Stdio(program) = &mut gone.transport {
        program.command = "/nonexistent/program".into();
    }
    let rig = Rig::start(vec![
        gone,
        Behind::program("dead", "exit 1", &[]),
        Behind::http("mail", &mail),
    ])
    .await;
    rig.approve("mail").await;
    let caller = rig.session("/mcp").await;
    assert_eq!(caller.tools().await, ["mail__read"]);
    for tool in ["prog__x", "dead__x"] {
        let (code, why) = caller.call(tool, json!({})).await.error();
        assert!(code == 502 && !why.contains("nonexistent"), "{why}");
    }
}
