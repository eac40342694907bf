//! `testudo ledger show`: one entry whole, and its sealed content for who says why.

use std::io::Write;

use anyhow::bail;
use serde_json::{Value, json};
use testudo_ledger::Hash;
use testudo_ledger::entry::Entry;
use testudo_recorder::control::Opening;
use testudo_types::UnixMillis;

use super::{Keeper, log, require};
use crate::arguments::Format;
use crate::arguments::ledger::Show;
use crate::environment::Variables;
use crate::exit::Exit;
use crate::output::day_and_time;

pub(super) async fn run(arguments: &Show, variables: &dyn Variables, out: &mut impl Write) -> anyhow::Result<Exit> {
    let log = log(&arguments.store)?;
    let index = require(&log, &arguments.id).await?;
    let bytes = log.entry(index)?;
    let entry: Value = serde_json::from_slice(&bytes)?;
    let content = match (arguments.content, &arguments.by, &arguments.reason) {
        (true, Some(by), Some(reason)) => {
            let has_payload = Entry::decode(&bytes).is_ok_and(|it| it.payload.is_some());
            if !has_payload {
                bail!("entry {index} has no content: the route keeps none, or the exchange ended before there was any");
            }
            let keeper = Keeper::find(&arguments.store, variables).await?;
            let opening = Opening {
                index,
                reader: by.clone(),
                purpose: reason.clone(),
            };
            let opened = keeper.custodian()?.open(opening).await;
            // Whoever looks for the entry about the reading finds it at once.
            let _flushed = keeper.custodian()?.flush().await;
            keeper.close().await;
            Some(opened?)
        }
        _ => None,
    };
    if arguments.format == Format::Json {
        let mut shown = json!({"index": index, "leaf": Hash::leaf(&bytes).to_string(), "entry": entry});
        if let (Some(opened), Some(map)) = (&content, shown.as_object_mut()) {
            map.insert("read_as".to_owned(), json!(opened.index));
            let parts = Parts::of(&opened.content);
            map.insert("content".to_owned(), parts.json());
        }
        writeln!(out, "{shown}")?;
        return Ok(Exit::Done);
    }
    let at = entry.get("at").and_then(Value::as_u64).unwrap_or(0);
    writeln!(
        out,
        "entry {index} of {}, leaf {}",
        day_and_time(UnixMillis(at)),
        Hash::leaf(&bytes)
    )?;
    writeln!(out, "{}", serde_json::to_string_pretty(&entry)?)?;
    if let Some(opened) = &content {
        writeln!(out, "\nread as entry {}", opened.index)?;
        Parts::of(&opened.content).write(out)?;
    }
    Ok(Exit::Done)
}

/// Sealed content: a line that says how long each part is, then the parts.
#[derive(Debug, PartialEq, Eq)]
struct Parts<'c> {
    request: Part<'c>,
    answer: Part<'c>,
}

#[derive(Debug, PartialEq, Eq)]
struct Part<'c> {
    bytes: &'c [u8],
    /// How long it was before it was cut.
    of: usize,
}

impl<'c> Parts<'c> {
    /// Content that does not begin with such a line is shown as one part.
    fn of(content: &'c [u8]) -> Self {
        Self::split(content).unwrap_or(Self {
            request: Part {
                bytes: content,
                of: content.len(),
            },
            answer: Part { bytes: &[], of: 0 },
        })
    }

    fn split(content: &'c [u8]) -> Option<Self> {
        let end = content.iter().position(|byte| *byte == b'\n')?;
        let (head, rest) = content.split_at_checked(end)?;
        let head: Value = serde_json::from_slice(head).ok()?;
        let number = |name: &str| usize::try_from(head.get(name)?.as_u64()?).ok();
        let (request, answer) = rest.get(1..)?.split_at_checked(number("request")?)?;
        (answer.len() == number("answer")?).then_some(Self {
            request: Part {
                bytes: request,
                of: number("request_of")?,
            },
            answer: Part {
                bytes: answer,
                of: number("answer_of")?,
            },
        })
    }

    fn json(&self) -> Value {
        let part = |part: &Part<'_>| json!({"text": String::from_utf8_lossy(part.bytes), "bytes": part.bytes.len(), "of": part.of});
        json!({"request": part(&self.request), "answer": part(&self.answer)})
    }

    fn write(&self, out: &mut impl Write) -> anyhow::Result<()> {
        for (name, part) in [("request", &self.request), ("answer", &self.answer)] {
            if part.of == 0 {
                continue;
            }
            let cut = if part.bytes.len() < part.of {
                format!(", cut after {}", part.bytes.len())
            } else {
                String::new()
            };
            writeln!(out, "\n--- {name}, {} bytes{cut}", part.of)?;
            out.write_all(part.bytes)?;
            writeln!(out)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_comes_apart_as_it_was_put_together() {
        let content = b"{\"request\":4,\"request_of\":8,\"answer\":3,\"answer_of\":3}\nquesans";
        let parts = Parts::of(content);
        assert_eq!((parts.request.bytes, parts.request.of), (&b"ques"[..], 8));
        assert_eq!((parts.answer.bytes, parts.answer.of), (&b"ans"[..], 3));
        let mut shown = Vec::new();
        parts.write(&mut shown).unwrap();
        let shown = String::from_utf8(shown).unwrap();
        assert_eq!(
            shown,
            "\n--- request, 8 bytes, cut after 4\nques\n\n--- answer, 3 bytes\nans\n"
        );
        for other in [
            &b""[..],
            b"no line",
            b"{}\nrest",
            b"{\"request\":9,\"request_of\":9,\"answer\":0,\"answer_of\":0}\nshort",
            b"{\"request\":1,\"request_of\":1,\"answer\":1,\"answer_of\":1}\nlong",
        ] {
            assert_eq!(Parts::of(other).request.bytes, other, "{other:?}");
        }
    }
}
