//! Strict reading of one flat JSON object: every member is asked for once, and none is left over.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use testudo_types::TenantId;
use zeroize::{Zeroize as _, Zeroizing};

/// Names, reasons and the like.
const TEXT_BYTES_MAX: usize = 256;

/// Why a line was not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(super) enum MemberError {
    #[error("the line is not one JSON object")]
    NotAnObject,
    #[error("the member `{0}` is missing")]
    Missing(&'static str),
    #[error("the member `{name}` is not {wanted}")]
    Kind { name: &'static str, wanted: &'static str },
    #[error("the member `{0}` is unknown")]
    Unknown(String),
    #[error("the operation is unknown")]
    Operation,
    #[error("the version is {0}")]
    Version(u64),
}

/// The members of an object that have not been read yet.
#[derive(Debug)]
pub(super) struct Members(Map<String, Value>);

impl Members {
    pub(super) fn parse(line: &[u8]) -> Result<Self, MemberError> {
        match serde_json::from_slice(line) {
            Ok(Value::Object(map)) => Ok(Self(map)),
            _ => Err(MemberError::NotAnObject),
        }
    }

    pub(super) fn of(value: Value) -> Result<Self, MemberError> {
        match value {
            Value::Object(map) => Ok(Self(map)),
            _ => Err(MemberError::NotAnObject),
        }
    }

    pub(super) fn take(&mut self, name: &'static str) -> Option<Value> {
        self.0.remove(name)
    }

    pub(super) fn count(&mut self, name: &'static str) -> Result<u64, MemberError> {
        self.count_if_there(name)?.ok_or(MemberError::Missing(name))
    }

    pub(super) fn count_if_there(&mut self, name: &'static str) -> Result<Option<u64>, MemberError> {
        let wanted = "a whole number";
        self.take(name)
            .map(|value| value.as_u64().ok_or(MemberError::Kind { name, wanted }))
            .transpose()
    }

    pub(super) fn flag(&mut self, name: &'static str) -> Result<bool, MemberError> {
        let wanted = "true or false";
        let value = self.take(name).ok_or(MemberError::Missing(name))?;
        value.as_bool().ok_or(MemberError::Kind { name, wanted })
    }

    /// A short text without control characters.
    pub(super) fn text(&mut self, name: &'static str) -> Result<String, MemberError> {
        self.text_if_there(name)?.ok_or(MemberError::Missing(name))
    }

    pub(super) fn text_if_there(&mut self, name: &'static str) -> Result<Option<String>, MemberError> {
        let wanted = "a text of 1 to 256 bytes without control characters";
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text))
                if !text.is_empty() && text.len() <= TEXT_BYTES_MAX && !text.contains(char::is_control) =>
            {
                Ok(Some(text))
            }
            Some(_) => Err(MemberError::Kind { name, wanted }),
        }
    }

    /// A text of any length; the line bounds it.
    pub(super) fn prose(&mut self, name: &'static str) -> Result<String, MemberError> {
        self.prose_if_there(name)?.ok_or(MemberError::Missing(name))
    }

    pub(super) fn prose_if_there(&mut self, name: &'static str) -> Result<Option<String>, MemberError> {
        let wanted = "a text";
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(MemberError::Kind { name, wanted }),
        }
    }

    pub(super) fn tenant(&mut self, name: &'static str) -> Result<TenantId, MemberError> {
        self.tenant_if_there(name)?.ok_or(MemberError::Missing(name))
    }

    pub(super) fn tenant_if_there(&mut self, name: &'static str) -> Result<Option<TenantId>, MemberError> {
        let wanted = "a tenant's name";
        let parse = |text: String| TenantId::parse(&text).map_err(|_| MemberError::Kind { name, wanted });
        self.text_if_there(name)?.map(parse).transpose()
    }

    /// Bytes in base64; the text they came in is wiped.
    pub(super) fn bytes_if_there(&mut self, name: &'static str) -> Result<Option<Zeroizing<Vec<u8>>>, MemberError> {
        let Some(mut text) = self.prose_if_there(name)? else {
            return Ok(None);
        };
        let decoded = STANDARD.decode(&text);
        text.zeroize();
        match decoded {
            Ok(bytes) => Ok(Some(Zeroizing::new(bytes))),
            Err(_) => Err(MemberError::Kind { name, wanted: "base64" }),
        }
    }

    pub(super) fn list(&mut self, name: &'static str) -> Result<Vec<Value>, MemberError> {
        match self.take(name) {
            None => Err(MemberError::Missing(name)),
            Some(Value::Array(list)) => Ok(list),
            Some(_) => Err(MemberError::Kind { name, wanted: "a list" }),
        }
    }

    /// Nothing may be left.
    pub(super) fn finish(self) -> Result<(), MemberError> {
        match self.0.into_iter().next() {
            Some((name, _)) => Err(MemberError::Unknown(name.chars().take(64).collect())),
            None => Ok(()),
        }
    }
}
