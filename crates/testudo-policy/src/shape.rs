//! Bounds on a policy's size and nesting, checked before the parser, which recurses.

use crate::PolicyFault;

/// Bytes from the end of one policy to the end of the next, comments included.
const POLICY_BYTES_MAX: usize = 16 << 10;
const NESTING_MAX: usize = 32;
/// Conditionals can nest without brackets.
const CONDITIONALS_MAX: usize = 64;

/// Refuses text that could exhaust the parser's stack; tells where.
///
/// # Errors
/// The byte offset and what is wrong there.
pub(crate) fn check(text: &str) -> Result<(), (usize, PolicyFault)> {
    let mut shape = Shape::default();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let offset = text.len().saturating_sub(rest.len());
        shape.bytes = shape.bytes.saturating_add(1);
        rest = match (shape.inside, first, after) {
            (Inside::Code, b'/', [b'/', ..]) => shape.enter(Inside::Comment, after),
            (Inside::Code, b'"', _) => shape.enter(Inside::Text, after),
            (Inside::Code, b'i', [b'f', next, ..]) if !next.is_ascii_alphanumeric() => {
                shape.conditionals = shape.conditionals.saturating_add(1);
                after
            }
            (Inside::Code, byte, _) => {
                shape.code(*byte);
                after
            }
            (Inside::Text, b'\\', [_, after @ ..]) => {
                shape.bytes = shape.bytes.saturating_add(1);
                after
            }
            (Inside::Text, b'"', _) | (Inside::Comment, b'\n' | b'\r', _) => shape.enter(Inside::Code, after),
            (Inside::Text | Inside::Comment, _, _) => after,
        };
        if let Some(fault) = shape.fault() {
            return Err((offset, fault));
        }
    }
    Ok(())
}

#[derive(Debug, Clone, Copy, Default)]
enum Inside {
    #[default]
    Code,
    Text,
    Comment,
}

/// What was counted since the last policy's end.
#[derive(Debug, Default)]
struct Shape {
    inside: Inside,
    bytes: usize,
    nesting: usize,
    conditionals: usize,
}

impl Shape {
    fn enter<'a>(&mut self, inside: Inside, after: &'a [u8]) -> &'a [u8] {
        self.inside = inside;
        after
    }

    fn code(&mut self, byte: u8) {
        match byte {
            b'(' | b'[' | b'{' => self.nesting = self.nesting.saturating_add(1),
            b')' | b']' | b'}' => self.nesting = self.nesting.saturating_sub(1),
            b';' => *self = Self::default(),
            _ => {}
        }
    }

    fn fault(&self) -> Option<PolicyFault> {
        if self.bytes > POLICY_BYTES_MAX {
            Some(PolicyFault::PolicyTooLong { max: POLICY_BYTES_MAX })
        } else if self.nesting > NESTING_MAX {
            Some(PolicyFault::TooDeep {
                what: "brackets",
                max: NESTING_MAX,
            })
        } else if self.conditionals > CONDITIONALS_MAX {
            Some(PolicyFault::TooDeep {
                what: "conditionals",
                max: CONDITIONALS_MAX,
            })
        } else {
            None
        }
    }
}
