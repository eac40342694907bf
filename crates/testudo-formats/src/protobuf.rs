//! Protocol buffers: the fields of a message, by number, without a schema.

use crate::source::{Cursor, Fault, Source, Window, read_up_to};

/// A field's value.
#[derive(Clone, Copy)]
pub(crate) enum Field<'s> {
    /// Its value matters nowhere.
    Number,
    Bytes(Window<'s>),
    /// A fixed number, which nothing here needs.
    Fixed,
}

/// The fields of a message, one after the other; stops at the first that is wrong.
pub(crate) struct Fields<'s> {
    source: &'s dyn Source,
    cursor: Cursor<'s>,
    pub(crate) broken: bool,
}

impl<'s> Fields<'s> {
    pub(crate) fn new(source: &'s dyn Source) -> Self {
        Self {
            source,
            cursor: Cursor::new(source, 0),
            broken: false,
        }
    }

    fn next_field(&mut self) -> Result<Option<(u64, Field<'s>)>, Fault> {
        if self.cursor.left() == 0 {
            return Ok(None);
        }
        let tag = varint(&mut self.cursor)?;
        let (number, kind) = (tag >> 3, tag & 7);
        if number == 0 {
            return Err(Fault::Truncated);
        }
        let field = match kind {
            0 => {
                varint(&mut self.cursor)?;
                Field::Number
            }
            1 => {
                self.cursor.skip(8)?;
                Field::Fixed
            }
            5 => {
                self.cursor.skip(4)?;
                Field::Fixed
            }
            2 => {
                let bytes = varint(&mut self.cursor)?;
                let at = self.cursor.position();
                self.cursor.skip(bytes)?;
                Field::Bytes(Window::new(self.source, at, bytes))
            }
            _ => return Err(Fault::Truncated),
        };
        Ok(Some((number, field)))
    }
}

impl<'s> Iterator for Fields<'s> {
    type Item = (u64, Field<'s>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.broken {
            return None;
        }
        match self.next_field() {
            Ok(field) => field,
            Err(_) => {
                self.broken = true;
                None
            }
        }
    }
}

fn varint(cursor: &mut Cursor<'_>) -> Result<u64, Fault> {
    let mut value = 0_u64;
    for shift in (0..70_u32).step_by(7) {
        let byte = cursor.byte()?;
        value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(Fault::Truncated)
}

/// A short text.
pub(crate) fn text(window: &Window<'_>) -> String {
    let bytes = read_up_to(window, 0, 4096).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}
