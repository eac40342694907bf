//! The spelling of what is sealed: texts as JSON, answers as a line of JSON and the body.

use axum::body::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::{Value, json};
use testudo_bounded::json::{Document, Limits, Node};

use super::record::{ANSWER_BYTES_MAX, EvidenceLine, Held, HeldCall, StoredAnswer, Texts};

/// Bytes of all texts of one approval; evidence beyond it is left out.
pub(super) const TEXT_BYTES_MAX: usize = 512 << 10;
/// A line of evidence, a source or a reason is cut to so many bytes.
const LINE_BYTES_MAX: usize = 4096;
const EVIDENCE_MAX: usize = 256;
const READ_MAX: usize = 256;
/// The head of an answer.
const HEAD_BYTES_MAX: usize = 64 << 10;

const LIMITS: Limits = Limits {
    // Control characters take six bytes for one.
    bytes_max: 8 * TEXT_BYTES_MAX,
    depth_max: 16,
    nodes_max: 1_000_000,
};

/// What an approver is shown, as it is kept; evidence is cut so that it stays within bounds.
pub(super) fn texts_of(held: &Held) -> Texts {
    let mut left = TEXT_BYTES_MAX;
    let mut texts = Texts {
        principal: cut(&held.principal, &mut left),
        subject: held.subject.clone(),
        calls: Vec::new(),
        read: Vec::new(),
    };
    for call in &held.calls {
        let mut evidence = Vec::new();
        for line in call.evidence.iter().take(EVIDENCE_MAX) {
            evidence.push(EvidenceLine {
                path: cut(&line.path, &mut left),
                value: cut(&line.value, &mut left),
                label: cut(&line.label, &mut left),
                where_from: cut(&line.where_from, &mut left),
            });
        }
        texts.calls.push(HeldCall {
            tool: call.tool.clone(),
            arguments: call.arguments.clone(),
            evidence,
            reason: cut(&call.reason, &mut left),
        });
    }
    texts.read = held.read.iter().take(READ_MAX).map(|it| cut(it, &mut left)).collect();
    texts
}

/// As much of a text as a line may have and is left; says when it was cut.
fn cut(text: &str, left: &mut usize) -> String {
    let max = LINE_BYTES_MAX.min(*left);
    let kept = if text.len() <= max {
        text.to_owned()
    } else {
        let end = (0..=max).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        let (head, _) = text.split_at_checked(end).unwrap_or_default();
        format!("{head}…")
    };
    *left = left.saturating_sub(kept.len());
    kept
}

pub(super) fn write_texts(texts: &Texts) -> Vec<u8> {
    let calls: Vec<Value> = texts
        .calls
        .iter()
        .map(|call| {
            let evidence: Vec<[&str; 4]> = call
                .evidence
                .iter()
                .map(|line| [&*line.path, &*line.value, &*line.label, &*line.where_from])
                .collect();
            json!({"tool": call.tool, "arguments": call.arguments, "evidence": evidence, "reason": call.reason})
        })
        .collect();
    json!({"principal": texts.principal, "subject": texts.subject, "calls": calls, "read": texts.read})
        .to_string()
        .into_bytes()
}

pub(super) fn read_texts(bytes: &[u8]) -> Option<Texts> {
    let limits = Limits {
        // The arguments are bounded where they were taken.
        bytes_max: LIMITS.bytes_max.saturating_add(64 << 20),
        ..LIMITS
    };
    let document = Document::parse(bytes, &limits).ok()?;
    let root = document.root();
    let subject = root.get("subject")?;
    Some(Texts {
        principal: text(root, "principal")?,
        subject: if subject.is_null() {
            None
        } else {
            Some(subject.as_str()?.into_owned())
        },
        calls: root.get("calls")?.items().map(read_call).collect::<Option<_>>()?,
        read: root
            .get("read")?
            .items()
            .map(|it| Some(it.as_str()?.into_owned()))
            .collect::<Option<_>>()?,
    })
}

fn read_call(node: Node<'_>) -> Option<HeldCall> {
    let line = |node: Node<'_>| {
        let mut parts = node.items().map(|it| Some(it.as_str()?.into_owned()));
        Some(EvidenceLine {
            path: parts.next()??,
            value: parts.next()??,
            label: parts.next()??,
            where_from: parts.next()??,
        })
    };
    Some(HeldCall {
        tool: text(node, "tool")?,
        arguments: text(node, "arguments")?,
        evidence: node.get("evidence")?.items().map(line).collect::<Option<_>>()?,
        reason: text(node, "reason")?,
    })
}

fn text(node: Node<'_>, name: &str) -> Option<String> {
    Some(node.get(name)?.as_str()?.into_owned())
}

pub(super) fn write_answer(answer: &StoredAnswer) -> Option<Vec<u8>> {
    let headers: Vec<[&str; 2]> = answer
        .headers
        .iter()
        .filter_map(|(name, value)| Some([name.as_str(), value.to_str().ok()?]))
        .collect();
    let mut out = json!({"status": answer.status.as_u16(), "headers": headers})
        .to_string()
        .into_bytes();
    if out.len() > HEAD_BYTES_MAX || answer.body.len() > ANSWER_BYTES_MAX {
        return None;
    }
    out.push(b'\n');
    out.extend_from_slice(&answer.body);
    Some(out)
}

pub(super) fn read_answer(bytes: &[u8], request: [u8; 32]) -> Option<StoredAnswer> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let (head, body) = bytes.split_at_checked(end)?;
    let limits = Limits {
        bytes_max: HEAD_BYTES_MAX,
        ..LIMITS
    };
    let document = Document::parse(head, &limits).ok()?;
    let status = document.root().get("status")?.as_u64()?;
    let mut headers = HeaderMap::new();
    for pair in document.root().get("headers")?.items() {
        let mut parts = pair.items();
        let name = HeaderName::from_bytes(parts.next()?.as_str()?.as_bytes()).ok()?;
        headers.append(name, HeaderValue::from_str(&parts.next()?.as_str()?).ok()?);
    }
    Some(StoredAnswer {
        request,
        status: StatusCode::from_u16(u16::try_from(status).ok()?).ok()?,
        headers,
        body: Bytes::copy_from_slice(body.get(1..)?),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_reads_back(
            words in proptest::collection::vec(any::<String>(), 0..6),
            subject in any::<Option<String>>(),
            body in proptest::collection::vec(any::<u8>(), 0..200),
            status in 100_u16..600,
        ) {
            let mut call = HeldCall::new("tool", b"{}").unwrap();
            for word in &words {
                call.reason.clone_from(word);
                call.evidence.push(EvidenceLine {
                    path: word.clone(),
                    value: word.clone(),
                    label: word.clone(),
                    where_from: word.clone(),
                });
            }
            let texts = Texts { principal: words.concat(), subject, calls: vec![call], read: words };
            prop_assert_eq!(read_texts(&write_texts(&texts)), Some(texts));

            let mut headers = HeaderMap::new();
            headers.append("a", HeaderValue::from_static("1"));
            headers.append("a", HeaderValue::from_static("\"\\"));
            let answer = StoredAnswer {
                request: [1; 32],
                status: StatusCode::from_u16(status).unwrap(),
                headers,
                body: body.into(),
            };
            let read = read_answer(&write_answer(&answer).unwrap(), [1; 32]).unwrap();
            prop_assert_eq!((read.status, read.headers, read.body), (answer.status, answer.headers, answer.body));
        }

        #[test]
        fn other_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in "[\\[\\]{}\",:a\n0-9]{0,60}") {
            let _texts = read_texts(&bytes);
            let _answer = read_answer(&bytes, [0; 32]);
            let _texts = read_texts(text.as_bytes());
            let _answer = read_answer(text.as_bytes(), [0; 32]);
        }

        #[test]
        fn a_cut_keeps_the_beginning(text in any::<String>(), mut left in 0_usize..40) {
            let before = left;
            let kept = cut(&text, &mut left);
            let whole = kept.strip_suffix('…').unwrap_or(&kept);
            prop_assert!(text.starts_with(whole) || text == kept);
            prop_assert!(whole.len() <= before || text == kept);
        }
    }
}
