//! Schemas as declarations: a struct's fields are the members, in the order of the bytes.

/// Declares a struct whose fields are the members of a JSON object.
///
/// Fields stand sorted by name, which the compiler checks; a field of type `Option` may be absent.
macro_rules! record {
    ($(#[$doc:meta])* pub struct $type:ident { $($(#[$field_doc:meta])* pub $field:ident: $value:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $type {
            $($(#[$field_doc])* pub $field: $value,)*
        }

        const _: () = assert!($crate::entry::schema::ascend(&[$(stringify!($field),)*]));

        impl $crate::entry::canonical::Value for $type {
            fn write(&self, out: &mut String) -> Result<(), $crate::entry::EncodeError> {
                let mut separator = '{';
                $($crate::entry::schema::write_member(stringify!($field), &self.$field, &mut separator, out)?;)*
                if separator == '{' {
                    out.push('{');
                }
                out.push('}');
                Ok(())
            }

            fn read(
                reader: &mut $crate::entry::canonical::Reader<'_>,
            ) -> Result<Self, $crate::entry::DecodeError> {
                reader.expect("{")?;
                let mut first = true;
                let value = Self {
                    $($field: $crate::entry::schema::read_member(stringify!($field), &mut first, reader)?,)*
                };
                $crate::entry::schema::read_end(reader)?;
                Ok(value)
            }

            fn clip(&mut self, items_max: usize) {
                $(self.$field.clip(items_max);)*
            }
        }
    };
}

/// Declares an enum whose variants are names.
macro_rules! names {
    ($(#[$doc:meta])* pub enum $type:ident { $($(#[$variant_doc:meta])* $variant:ident = $name:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $type {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $type {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name in the entry.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// The value that a name stands for.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.as_str() == name)
            }
        }

        $crate::entry::canonical::named! {
            $type, concat!("one of the names ", $("`", $name, "` ",)* ""), $type::from_name;
        }
    };
}

pub(super) use {names, record};

use super::canonical::{Reader, Value};
use super::error::{DecodeError, EncodeError, Misread};

/// Writes a member unless it is absent. `separator` is what has to stand before it.
pub(super) fn write_member<T: Value>(
    name: &'static str,
    value: &T,
    separator: &mut char,
    out: &mut String,
) -> Result<(), EncodeError> {
    if value.is_absent() {
        return Ok(());
    }
    out.push(std::mem::replace(separator, ','));
    out.push('"');
    out.push_str(name);
    out.push_str("\":");
    value.write(out).map_err(|error| error.within(name))
}

/// Reads the member that has to stand next, or may be absent. `first` tells whether one was read before.
pub(super) fn read_member<T: Value>(
    name: &'static str,
    first: &mut bool,
    reader: &mut Reader<'_>,
) -> Result<T, DecodeError> {
    if reader.take_name(name, *first) {
        *first = false;
        return T::read(reader);
    }
    T::absent().ok_or_else(|| reader.error(Misread::Missing(name)))
}

/// Reads the end of an object after its last member.
pub(super) fn read_end(reader: &mut Reader<'_>) -> Result<(), DecodeError> {
    if reader.take("}") {
        Ok(())
    } else {
        Err(reader.error(Misread::UnknownMember))
    }
}

/// Whether names stand in the order of their bytes, none twice.
pub(super) const fn ascend(mut names: &[&str]) -> bool {
    while let [first, rest @ ..] = names {
        if let [second, ..] = rest
            && !is_before(first.as_bytes(), second.as_bytes())
        {
            return false;
        }
        names = rest;
    }
    true
}

const fn is_before(mut left: &[u8], mut right: &[u8]) -> bool {
    loop {
        match (left, right) {
            ([a, left_rest @ ..], [b, right_rest @ ..]) if *a == *b => {
                left = left_rest;
                right = right_rest;
            }
            ([a, ..], [b, ..]) => return *a < *b,
            ([], [_, ..]) => return true,
            _ => return false,
        }
    }
}
