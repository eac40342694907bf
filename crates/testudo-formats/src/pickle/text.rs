//! Texts and bytes of a pickle: read, decoded and kept if they are short.

use super::broken::Broken;
use super::machine::Machine;
use super::values::KEPT_BYTES_MAX;

/// Longest line of a text in protocol 0.
const LINE_BYTES_MAX: usize = 64 << 20;
/// Shortest constant that is looked into for another pickle.
const LOOKED_INTO_BYTES_MIN: u64 = 8;
/// Constants that are looked into, in one pickle.
const LOOKED_INTO_MAX: usize = 4_096;

impl Machine<'_, '_> {
    pub(super) fn text(&mut self, opcode: u8) -> Result<(), Broken> {
        if matches!(opcode, b'S' | b'V') {
            return self.text_line(opcode);
        }
        let bytes = match opcode {
            b'U' | b'\x8c' | b'C' => u64::from(self.cursor.byte()?),
            b'\x8d' | b'\x8e' | b'\x96' => self.cursor.u64_le()?,
            b'T' => {
                let count = i32::from_le_bytes(self.cursor.array()?);
                u64::try_from(count).map_err(|_| Broken::new("a text has a negative length"))?
            }
            _ => u64::from(self.cursor.u32_le()?),
        };
        let at = self.cursor.position();
        if bytes > self.cursor.left() {
            return Err(Broken::new("a text is longer than the data"));
        }
        self.look_into(at, bytes);
        let is_text = !matches!(opcode, b'B' | b'C' | b'\x8e' | b'\x96');
        let kept = u64::try_from(KEPT_BYTES_MAX).is_ok_and(|max| bytes <= max);
        let value = if kept {
            let content = self.cursor.take(bytes, KEPT_BYTES_MAX)?;
            if is_text {
                self.values.text(&content)
            } else {
                self.values.bytes(&content)
            }
        } else {
            self.cursor.skip(bytes)?;
            if is_text {
                super::values::Value::LongText
            } else {
                self.values.long_bytes(at, bytes)
            }
        };
        self.push(value)
    }

    fn text_line(&mut self, opcode: u8) -> Result<(), Broken> {
        let at = self.cursor.position();
        let line = self.cursor.line(LINE_BYTES_MAX)?;
        self.look_into(at, u64::try_from(line.len()).unwrap_or(u64::MAX));
        let content = if opcode == b'V' {
            raw_unicode(&line)
        } else {
            quoted(&line).ok_or_else(|| Broken::new("a text has no quotes"))?
        };
        let value = self.values.text(&content);
        self.push(value)
    }

    fn look_into(&mut self, at: u64, bytes: u64) {
        if bytes >= LOOKED_INTO_BYTES_MIN && self.constants.len() < LOOKED_INTO_MAX {
            self.constants.push((at, bytes));
        }
    }
}

/// Latin-1 with `\uXXXX` and `\UXXXXXXXX`.
fn raw_unicode(line: &[u8]) -> Vec<u8> {
    let mut out = String::new();
    let mut rest = line;
    while let Some((first, after)) = rest.split_first() {
        let digits = match (first, after.first()) {
            (b'\\', Some(b'u')) => 4,
            (b'\\', Some(b'U')) => 8,
            _ => 0_usize,
        };
        let code = after
            .get(1..digits.saturating_add(1))
            .filter(|_| digits > 0)
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .and_then(|hex| u32::from_str_radix(hex, 16).ok())
            .and_then(char::from_u32);
        match code {
            Some(character) => {
                out.push(character);
                rest = after.get(digits.saturating_add(1)..).unwrap_or_default();
            }
            None => {
                out.push(char::from(*first));
                rest = after;
            }
        }
    }
    out.into_bytes()
}

/// A Python string literal in single or double quotes.
fn quoted(line: &[u8]) -> Option<Vec<u8>> {
    let line = line.trim_ascii_end();
    let quote = *line.first().filter(|byte| matches!(byte, b'\'' | b'"'))?;
    let inner = line.strip_prefix(&[quote])?.strip_suffix(&[quote])?;
    let mut out = Vec::new();
    let mut rest = inner;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'\\' {
            out.push(*first);
            continue;
        }
        let Some((escape, after)) = after.split_first() else {
            out.push(b'\\');
            break;
        };
        rest = after;
        match escape {
            b'n' => out.push(b'\n'),
            b't' => out.push(b'\t'),
            b'r' => out.push(b'\r'),
            b'a' => out.push(7),
            b'b' => out.push(8),
            b'f' => out.push(12),
            b'v' => out.push(11),
            b'\n' => {}
            b'\\' | b'\'' | b'"' => out.push(*escape),
            b'x' => {
                let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
                match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
                    Some(byte) => {
                        out.push(byte);
                        rest = after.get(2..).unwrap_or_default();
                    }
                    None => out.extend_from_slice(b"\\x"),
                }
            }
            b'0'..=b'7' => {
                let digits = after
                    .iter()
                    .take(2)
                    .take_while(|byte| (b'0'..=b'7').contains(*byte))
                    .count();
                let mut value = u32::from(escape.saturating_sub(b'0'));
                for digit in after.iter().take(digits) {
                    value = value
                        .saturating_mul(8)
                        .saturating_add(u32::from(digit.saturating_sub(b'0')));
                }
                out.push(u8::try_from(value & 0xff).unwrap_or(0));
                rest = after.get(digits..).unwrap_or_default();
            }
            other => out.extend_from_slice(&[b'\\', *other]),
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_hide_no_name() {
        assert_eq!(raw_unicode(br"\u006fs\U00000073"), b"oss");
        assert_eq!(raw_unicode(b"\\u00zz\xe9"), "\\u00zz\u{e9}".as_bytes());
        assert_eq!(quoted(br"'\x6f\163'").unwrap(), b"os");
        assert_eq!(quoted(br#""o\"s" "#).unwrap(), b"o\"s");
        assert_eq!(quoted(b"'os"), None);
        assert_eq!(quoted(b""), None);
        assert_eq!(quoted(b"'"), None);
    }
}
