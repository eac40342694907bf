//! Names and ids as types, so that two of them can never be swapped.

use std::fmt;

/// Why a name was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error("the {what} is empty")]
    Empty { what: &'static str },
    #[error("the {what} is {len} bytes long; at most {max} are allowed")]
    TooLong { what: &'static str, len: usize, max: usize },
    #[error("the {what} contains `{found}`; allowed are {allowed}")]
    Character {
        what: &'static str,
        found: char,
        allowed: &'static str,
    },
}

fn check(what: &'static str, text: &str, max: usize, extra: &str, allowed: &'static str) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty { what });
    }
    if text.len() > max {
        return Err(NameError::TooLong {
            what,
            len: text.len(),
            max,
        });
    }
    match text.chars().find(|c| !c.is_ascii_alphanumeric() && !extra.contains(*c)) {
        Some(found) => Err(NameError::Character { what, found, allowed }),
        None => Ok(()),
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $what:literal, $max:literal, $extra:literal, $allowed:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(std::sync::Arc<str>);

        impl $type {
            /// Checks and takes a name.
            ///
            /// # Errors
            /// When it is empty, too long, or has a character outside the allowed set.
            pub fn parse(text: &str) -> Result<Self, NameError> {
                check($what, text, $max, $extra, $allowed)?;
                Ok(Self(text.into()))
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// A named way in, from configuration.
    RouteName, "route name", 64, "-_.", "letters, digits, `-`, `_` and `.`"
);
name!(
    /// A named model service behind routes, from configuration.
    UpstreamName, "upstream name", 64, "-_.", "letters, digits, `-`, `_` and `.`"
);
name!(
    /// A named set of guards, from configuration or built in.
    ProfileName, "profile name", 64, "-_.", "letters, digits, `-`, `_` and `.`"
);
name!(
    /// Who pays and owns: the outermost boundary between callers.
    TenantId, "tenant", 64, "-_.", "letters, digits, `-`, `_` and `.`"
);
name!(
    /// The public half of a virtual key.
    KeyId, "key id", 32, "", "letters and digits"
);
name!(
    /// A model as the client names it; comes from requests, so it is never a metric label.
    ModelName, "model", 256, "-_./:@+", "letters, digits and `-_./:@+`"
);
name!(
    /// One request and its response.
    ExchangeId, "exchange id", 40, "_", "letters, digits and `_`"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_at_the_door() {
        assert!(RouteName::parse("openai-chat").is_ok());
        assert!(matches!(RouteName::parse(""), Err(NameError::Empty { .. })));
        assert!(matches!(
            RouteName::parse("a b"),
            Err(NameError::Character { found: ' ', .. })
        ));
        assert!(matches!(
            KeyId::parse(&"x".repeat(33)),
            Err(NameError::TooLong { len: 33, max: 32, .. })
        ));
        assert!(matches!(
            ModelName::parse("gpt\n4"),
            Err(NameError::Character { found: '\n', .. })
        ));
    }
}
