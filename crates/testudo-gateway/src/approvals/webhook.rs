//! Tells people elsewhere that a call waits: a signed message to one configured address, never with what is held.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use axum::body::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde_json::json;
use testudo_dialects::Family;
use testudo_types::{Clock, RouteName, UpstreamName};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::record::ApprovalId;
use crate::settings::{ApprovalSettings, Timeouts, UpstreamBase, UpstreamSettings, WebhookSettings};
use crate::upstream::ExactClient;

/// Messages that wait to be sent; more are dropped and logged.
pub(super) const QUEUE_MAX: usize = 256;
const ATTEMPTS_MAX: u32 = 5;
/// Before the second attempt; doubled before each further one.
const BACKOFF_FIRST: Duration = Duration::from_secs(1);
const ANSWER_BYTES_MAX: usize = 64 << 10;
const TOOL_CHARS_MAX: usize = 80;
const SIGNATURE: HeaderName = HeaderName::from_static("testudo-signature");

const TIMEOUTS: Timeouts = Timeouts {
    connect_ms: 5_000,
    first_byte_ms: 10_000,
    idle_ms: 10_000,
    total_ms: 15_000,
};

/// A call waits.
#[derive(Debug, Clone)]
pub(super) struct Notice {
    pub(super) id: ApprovalId,
    pub(super) route: RouteName,
    pub(super) tools: Vec<String>,
}

/// Why a message did not arrive; names no address, which may be a secret.
#[derive(Debug, thiserror::Error)]
enum DeliverError {
    #[error("the webhook's settings cannot be used")]
    Client(#[from] crate::upstream::ClientProblem),
    #[error("the webhook could not be reached")]
    Upstream(#[from] crate::upstream::UpstreamError),
    #[error("the webhook answered {0}")]
    Status(StatusCode),
}

impl DeliverError {
    fn is_worth_another_try(&self) -> bool {
        match self {
            Self::Client(_) => false,
            Self::Upstream(_) => true,
            Self::Status(status) => status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS,
        }
    }
}

/// Sends what comes, one after the other, until told to stop; nobody waits for it.
pub(super) async fn send_all(
    mut notices: mpsc::Receiver<Notice>,
    settings: impl Fn() -> Arc<ApprovalSettings>,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
) {
    loop {
        let notice = tokio::select! {
            () = stop.cancelled() => return,
            notice = notices.recv() => notice,
        };
        let Some(notice) = notice else { return };
        let settings = settings();
        let Some(webhook) = &settings.webhook else { continue };
        tokio::select! {
            () = stop.cancelled() => return,
            () = send(&notice, webhook, settings.page.as_ref(), &clock) => {}
        }
    }
}

async fn send(notice: &Notice, webhook: &WebhookSettings, page: Option<&Url>, clock: &Arc<dyn Clock>) {
    let body = Bytes::from(message(notice, page));
    let mut backoff = BACKOFF_FIRST;
    for attempt in 1..=ATTEMPTS_MAX {
        match deliver(webhook, &body, clock.wall().0 / 1000).await {
            Ok(()) => return,
            Err(error) if error.is_worth_another_try() && attempt < ATTEMPTS_MAX => {
                tracing::warn!(%error, id = %notice.id, attempt, "nobody was told yet that a call waits");
                tokio::time::sleep(backoff).await;
                backoff = backoff.saturating_mul(2);
            }
            Err(error) => {
                tracing::error!(%error, id = %notice.id, "nobody was told that a call waits");
                return;
            }
        }
    }
}

async fn deliver(webhook: &WebhookSettings, body: &Bytes, seconds: u64) -> Result<(), DeliverError> {
    let client = client(webhook)?;
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Ok(signature) = HeaderValue::from_str(&signature(webhook, body, seconds)) {
        headers.insert(SIGNATURE, signature);
    }
    let answer = client.send(Method::POST, headers, body.clone(), false).await?;
    // What it says is of no interest.
    drop(answer.body);
    if answer.status.is_success() {
        Ok(())
    } else {
        Err(DeliverError::Status(answer.status))
    }
}

/// A client of this one address, with the dial checks of every upstream: no redirects, no private addresses.
fn client(webhook: &WebhookSettings) -> Result<ExactClient, DeliverError> {
    let name = UpstreamName::parse("approvals-webhook").map_err(|_| DeliverError::Status(StatusCode::BAD_REQUEST))?;
    let settings = UpstreamSettings {
        name,
        base: UpstreamBase::Url(webhook.url.clone()),
        family: Family::OpenAi,
        secret: None,
        authorities: None,
        allow_private: webhook.allow_private,
        timeouts: TIMEOUTS,
        retries_max: 0,
        serves: None,
    };
    Ok(ExactClient::new(&settings, ANSWER_BYTES_MAX)?)
}

/// `t=…,v1=…`: HMAC-SHA-256 of the time, a full stop and the body.
fn signature(webhook: &WebhookSettings, body: &[u8], seconds: u64) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, webhook.secret.expose());
    let mut context = hmac::Context::with_key(&key);
    context.update(format!("{seconds}.").as_bytes());
    context.update(body);
    let tag = context.sign();
    let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={seconds},v1={hex}")
}

/// As Slack and those that copy it take it: names and a link, nothing of what is held.
fn message(notice: &Notice, page: Option<&Url>) -> String {
    let tools: Vec<String> = notice.tools.iter().map(|tool| plain(tool)).collect();
    let text = format!("{} on route {} waits for approval", tools.join(", "), notice.route);
    let link = page.and_then(|page| page.join(&format!("/approvals/{}", notice.id)).ok());
    let mut blocks = vec![json!({"type": "section", "text": {"type": "plain_text", "text": text, "emoji": false}})];
    let mut text = text;
    if let Some(link) = link {
        text.push_str(": ");
        text.push_str(link.as_str());
        blocks.push(json!({"type": "actions", "elements": [{
            "type": "button",
            "text": {"type": "plain_text", "text": "Look and decide"},
            "url": link.as_str(),
        }]}));
    }
    json!({"text": text, "blocks": blocks}).to_string()
}

/// A tool's name comes from the model: only letters that make no link, mention or markup.
fn plain(tool: &str) -> String {
    let harmless = |c: char| {
        if c.is_ascii_alphanumeric() || "_-.".contains(c) {
            c
        } else {
            '?'
        }
    };
    let mut name: String = tool.chars().take(TOOL_CHARS_MAX).map(harmless).collect();
    if tool.chars().nth(TOOL_CHARS_MAX).is_some() {
        name.push('…');
    }
    name
}

#[cfg(test)]
mod tests {
    use testudo_types::Secret;

    use super::*;

    fn notice(tool: &str) -> Notice {
        Notice {
            id: ApprovalId::parse("abcdefghijkl").unwrap(),
            route: RouteName::parse("agent").unwrap(),
            tools: vec![tool.to_owned()],
        }
    }

    #[test]
    fn a_message_has_names_and_a_link() {
        let page: Url = "https://approvals.example.com".parse().unwrap();
        let message: serde_json::Value = serde_json::from_str(&message(&notice("send_money"), Some(&page))).unwrap();
        let link = "https://approvals.example.com/approvals/abcdefghijkl";
        let text = format!("send_money on route agent waits for approval: {link}");
        assert_eq!(message["text"], text);
        assert_eq!(message["blocks"][1]["elements"][0]["url"], link);
    }

    #[test]
    fn a_tool_makes_no_markup() {
        let hostile = "<!channel> <https://evil.example|click> *b* `c` @here\u{202e}";
        let message = message(&notice(hostile), None);
        for bad in ["<", ">", "|", "*", "`", "@", ":/", "\u{202e}"] {
            let (_, text) = message.split_once("\"text\":").unwrap();
            assert!(!text.contains(bad), "{bad} {message}");
        }
        assert!(plain(&"x".repeat(500)).chars().count() < 100);
    }

    #[test]
    fn a_message_is_signed_with_its_time() {
        let webhook = WebhookSettings {
            url: "https://hooks.example.com/x".parse().unwrap(),
            secret: Secret::new("key"),
            allow_private: false,
        };
        // From `printf '1.{}' | openssl dgst -sha256 -hmac key`.
        let signed = signature(&webhook, b"{}", 1);
        assert_eq!(
            signed,
            "t=1,v1=1ba6b8171186efc613e8bcc0cbdab2748f24984d7c5a84faa2637afa0e40d224"
        );
        assert_ne!(signed, signature(&webhook, b"{}", 2));
        assert_ne!(signed, signature(&webhook, b"{ }", 1));
        let other = WebhookSettings {
            secret: Secret::new("other"),
            ..webhook
        };
        assert_ne!(signed, signature(&other, b"{}", 1));
    }

    #[test]
    fn only_safe_addresses_are_called() {
        let webhook = |url: &str, allow_private| WebhookSettings {
            url: url.parse().unwrap(),
            secret: Secret::new("key"),
            allow_private,
        };
        assert!(client(&webhook("https://hooks.example.com/x", false)).is_ok());
        assert!(client(&webhook("http://127.0.0.1:1/x", true)).is_ok());
        for (url, allow_private) in [
            ("http://hooks.example.com/x", false),
            ("https://u:p@hooks.example.com/x", false),
            ("https://hooks.example.com/x?y=1", false),
            ("file:///etc/passwd", true),
        ] {
            assert!(client(&webhook(url, allow_private)).is_err(), "{url}");
        }
    }
}
