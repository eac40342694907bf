//! One spelling for equal values (RFC 8785), so that a digest of it names what was said and not how it was written.

use std::borrow::Cow;

use super::literal::escape_into;
use super::{Kind, Node};

/// Why a value has no canonical spelling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CanonicalError {
    #[error(
        "the number at byte {at} is not one that every reader keeps exactly; write fewer digits, or a text in its place"
    )]
    Number { at: usize },
}

/// Digits of a number beyond which it is not looked at.
const DIGITS_MAX: usize = 400;

/// What is still to be written; the last first.
enum Step<'d> {
    Value(Node<'d>),
    Key(Cow<'d, str>),
    Mark(u8),
}

impl Node<'_> {
    /// Appends the canonical spelling of this value: members sorted by name, no white space, numbers and texts in
    /// their one form.
    ///
    /// Stricter than RFC 8785 in one thing: a number that a double does not hold exactly as it is
    /// written is refused, since two different ones would get the same spelling.
    ///
    /// # Errors
    /// At the first such number; `out` may hold a beginning then.
    pub fn canonical(&self, out: &mut Vec<u8>) -> Result<(), CanonicalError> {
        let mut steps = vec![Step::Value(*self)];
        while let Some(step) = steps.pop() {
            match step {
                Step::Mark(mark) => out.push(mark),
                Step::Key(key) => {
                    quoted(&key, out);
                    out.push(b':');
                }
                Step::Value(node) => value(node, &mut steps, out)?,
            }
        }
        Ok(())
    }
}

fn value<'d>(node: Node<'d>, steps: &mut Vec<Step<'d>>, out: &mut Vec<u8>) -> Result<(), CanonicalError> {
    match node.kind() {
        Kind::Null | Kind::Bool => out.extend_from_slice(node.raw()),
        Kind::Number => number(node, out)?,
        Kind::String => quoted(&node.as_str().unwrap_or_default(), out),
        Kind::Array => {
            out.push(b'[');
            steps.push(Step::Mark(b']'));
            let items: Vec<Node<'d>> = node.items().collect();
            for (index, item) in items.into_iter().enumerate().rev() {
                steps.push(Step::Value(item));
                if index > 0 {
                    steps.push(Step::Mark(b','));
                }
            }
        }
        Kind::Object => {
            out.push(b'{');
            steps.push(Step::Mark(b'}'));
            let mut members: Vec<(Cow<'d, str>, Node<'d>)> = node
                .entries()
                .filter_map(|(_, value)| Some((value.key_text()?, value)))
                .collect();
            members.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
            for (index, (key, value)) in members.into_iter().enumerate().rev() {
                steps.push(Step::Value(value));
                steps.push(Step::Key(key));
                if index > 0 {
                    steps.push(Step::Mark(b','));
                }
            }
        }
    }
    Ok(())
}

fn quoted(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    escape_into(text, out);
    out.push(b'"');
}

/// A number as sign, digits without zeros at either end, and the place of the point before them.
#[derive(Debug, PartialEq, Eq)]
struct Decimal {
    negative: bool,
    digits: String,
    /// The value is `0.digits` times ten to this power.
    point: i64,
}

impl Decimal {
    fn read(text: &str) -> Option<Self> {
        if text.len() > DIGITS_MAX {
            return None;
        }
        let (negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
            None => (rest, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = [whole, fraction].concat();
        let leading = all.len().saturating_sub(all.trim_start_matches('0').len());
        let digits = all.trim_matches('0').to_owned();
        let before = i64::try_from(whole.len()).ok()?;
        let leading = i64::try_from(leading).ok()?;
        let point = before.checked_sub(leading)?.checked_add(exponent)?;
        let zero = digits.is_empty();
        Some(Self {
            negative: negative && !zero,
            point: if zero { 0 } else { point },
            digits,
        })
    }

    /// As ECMAScript writes it.
    fn write(&self, out: &mut Vec<u8>) -> Option<()> {
        if self.digits.is_empty() {
            out.push(b'0');
            return Some(());
        }
        if self.negative {
            out.push(b'-');
        }
        let digits = self.digits.as_bytes();
        let count = i64::try_from(digits.len()).ok()?;
        let zeros = |number: i64, out: &mut Vec<u8>| -> Option<()> {
            out.extend(std::iter::repeat_n(b'0', usize::try_from(number).ok()?));
            Some(())
        };
        match self.point {
            point @ 1..=21 if count <= point => {
                out.extend_from_slice(digits);
                zeros(point.checked_sub(count)?, out)?;
            }
            point @ 1..=21 => {
                let (whole, fraction) = digits.split_at_checked(usize::try_from(point).ok()?)?;
                out.extend_from_slice(whole);
                out.push(b'.');
                out.extend_from_slice(fraction);
            }
            point @ -5..=0 => {
                out.extend_from_slice(b"0.");
                zeros(point.checked_neg()?, out)?;
                out.extend_from_slice(digits);
            }
            point => {
                let (first, rest) = digits.split_at_checked(1)?;
                out.extend_from_slice(first);
                if !rest.is_empty() {
                    out.push(b'.');
                    out.extend_from_slice(rest);
                }
                let exponent = point.checked_sub(1)?;
                out.extend_from_slice(if exponent < 0 { b"e-" } else { b"e+" });
                out.extend_from_slice(exponent.unsigned_abs().to_string().as_bytes());
            }
        }
        Some(())
    }
}

fn number(node: Node<'_>, out: &mut Vec<u8>) -> Result<(), CanonicalError> {
    let written = std::str::from_utf8(node.raw()).unwrap_or_default();
    let mut exact = || -> Option<()> {
        let decimal = Decimal::read(written)?;
        let double: f64 = written.parse().ok()?;
        // The shortest text that reads back as the same double; anything else was more than it holds.
        let kept = Decimal::read(&format!("{double:e}"))?;
        (double.is_finite() && kept == decimal).then_some(())?;
        decimal.write(out)
    };
    exact().ok_or(CanonicalError::Number { at: node.range().start })
}
