//! Schemas as declarations: a struct's fields are the members, in the order of the bytes.

/// Declares a struct whose fields are the members of a JSON object.
///
/// Fields stand sorted by name; a field of type `Option` may be absent.
macro_rules! record {
    ($(#[$doc:meta])* pub struct $type:ident { $($(#[$field_doc:meta])* pub $field:ident: $value:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $type {
            $($(#[$field_doc])* pub $field: $value,)*
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
    };
}

pub(super) use {names, record};
