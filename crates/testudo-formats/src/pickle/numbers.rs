//! Numbers that a pickle writes as texts, in every spelling that Python takes.

use super::broken::Broken;
use super::machine::Machine;
use super::values::Value;
use crate::source::read_up_to;
use crate::verdict::shown;

/// Longest number that is read.
const LINE_BYTES_MAX: usize = 1 << 20;

impl Machine<'_, '_> {
    /// The number of an INT, LONG or FLOAT.
    pub(super) fn written_number(&mut self, opcode: u8) -> Result<Value, Broken> {
        let line = self.number_line(may_be_in)?;
        let text = String::from_utf8_lossy(&line);
        let text = text.trim().trim_end_matches('L');
        match (opcode, text) {
            (b'I', "00") => Ok(Value::Bool(false)),
            (b'I', "01") => Ok(Value::Bool(true)),
            (_, "") => Err(Broken::new("an empty text is no number")),
            (b'F', _) if text.parse::<f64>().is_ok() => Ok(Value::Number),
            (b'I' | b'L', _) if text.parse::<i64>().is_ok() => Ok(text.parse().map_or(Value::Number, Value::Int)),
            // `0x1f`, `0b1`, `1_000` and numbers of any length.
            _ if text.bytes().all(may_be_in) => Ok(Value::Number),
            _ => Err(Broken::new(format!("`{}` is no number", shown(text)))),
        }
    }

    /// A line that may be a number. What is none from its beginning on may be a text with a long line.
    pub(super) fn number_line(&mut self, may_be_in: fn(u8) -> bool) -> Result<Vec<u8>, Broken> {
        let start = read_up_to(self.cursor.source(), self.cursor.position(), 64)?;
        let mut number = start.iter().take_while(|byte| **byte != b'\n');
        match number.find(|byte| !may_be_in(**byte)) {
            Some(wrong) => Err(Broken::new(format!("byte {wrong:#04x} is in no number"))),
            None => Ok(self.cursor.line(LINE_BYTES_MAX)?),
        }
    }
}

/// Whether a memo key may be written with this byte.
pub(super) fn may_be_in_key(byte: u8) -> bool {
    byte.is_ascii_digit() || byte.is_ascii_whitespace() || matches!(byte, b'_' | b'+' | b'-')
}

/// Whether a number may be written with this byte.
fn may_be_in(byte: u8) -> bool {
    byte.is_ascii_hexdigit() || byte.is_ascii_whitespace() || b"xXoOlL_+-.nNiItTyY".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pickle::machine::{Bounds, Next};
    use crate::source::Cursor;

    fn read(bytes: &[u8]) -> Result<Value, Broken> {
        let bounds = Bounds {
            opcodes_max: 10,
            bytes_max: 1 << 20,
            memo_max: 10,
            also: &[],
        };
        let mut machine = Machine::new(Cursor::new(&bytes, 0), bounds);
        assert_eq!(machine.step()?, Next::Step);
        Ok(machine.stack[0])
    }

    #[test]
    fn every_spelling_of_python_is_a_number() {
        for (bytes, value) in [
            (&b"I7\n"[..], Value::Int(7)),
            (b"I-7\n", Value::Int(-7)),
            (b"L5L\n", Value::Int(5)),
            (b"I01\n", Value::Bool(true)),
            (b"I 8 \n", Value::Int(8)),
            (b"I0x1f\n", Value::Number),
            (b"I1_000\n", Value::Number),
            (b"L0b1L\n", Value::Number),
            (b"L123456789012345678901234567890L\n", Value::Number),
            (b"F1e5\n", Value::Number),
            (b"F-inf\n", Value::Number),
            (b"Fnan\n", Value::Number),
        ] {
            assert_eq!(read(bytes).unwrap(), value, "{bytes:?}");
        }
        for bytes in [&b"I\n"[..], b"Introduction\n", b"F'1'\n", b"I7"] {
            assert!(!read(bytes).unwrap_err().is_limit, "{bytes:?}");
        }
        let long = [b"F".to_vec(), vec![b'0'; LINE_BYTES_MAX + 1], b"1\n".to_vec()].concat();
        assert!(read(&long).unwrap_err().is_limit);
        let text = [b"Few".to_vec(), vec![b'0'; LINE_BYTES_MAX + 1], b"1\n".to_vec()].concat();
        assert!(!read(&text).unwrap_err().is_limit);
    }
}
