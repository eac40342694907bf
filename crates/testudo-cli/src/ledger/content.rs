//! The sealed content of an exchange, as it was put together.

use std::io::Write;

use serde_json::{Value, json};

/// Sealed content: a line that says how long each part is, then the parts.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Parts<'c> {
    pub(crate) request: Part<'c>,
    pub(crate) answer: Part<'c>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Part<'c> {
    pub(crate) bytes: &'c [u8],
    /// How long it was before it was cut.
    of: usize,
}

impl<'c> Parts<'c> {
    /// Content that does not begin with such a line is shown as one part.
    pub(crate) fn of(content: &'c [u8]) -> Self {
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

    pub(crate) fn json(&self) -> Value {
        let part = |part: &Part<'_>| json!({"text": String::from_utf8_lossy(part.bytes), "bytes": part.bytes.len(), "of": part.of});
        json!({"request": part(&self.request), "answer": part(&self.answer)})
    }

    pub(super) fn write(&self, out: &mut impl Write) -> anyhow::Result<()> {
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
