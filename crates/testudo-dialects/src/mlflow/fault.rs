//! Why an MLflow client gets no answer, in MLflow's words.

use std::borrow::Cow;

/// MLflow's error codes; clients try again after 429, 500 and 503 and after nothing else of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    InvalidParameterValue,
    Unauthenticated,
    PermissionDenied,
    EndpointNotFound,
    ResourceDoesNotExist,
    RequestLimitExceeded,
    InternalError,
    TemporarilyUnavailable,
}

impl Code {
    /// As it is sent.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidParameterValue => "INVALID_PARAMETER_VALUE",
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::PermissionDenied => "PERMISSION_DENIED",
            Self::EndpointNotFound => "ENDPOINT_NOT_FOUND",
            Self::ResourceDoesNotExist => "RESOURCE_DOES_NOT_EXIST",
            Self::RequestLimitExceeded => "REQUEST_LIMIT_EXCEEDED",
            Self::InternalError => "INTERNAL_ERROR",
            Self::TemporarilyUnavailable => "TEMPORARILY_UNAVAILABLE",
        }
    }

    /// The HTTP status that goes with it.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::InvalidParameterValue => 400,
            Self::Unauthenticated => 401,
            Self::PermissionDenied => 403,
            Self::EndpointNotFound | Self::ResourceDoesNotExist => 404,
            Self::RequestLimitExceeded => 429,
            Self::InternalError => 500,
            Self::TemporarilyUnavailable => 503,
        }
    }
}

/// A refusal or a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Which error it is.
    pub code: Code,
    /// For people.
    pub message: Cow<'static, str>,
}

impl Fault {
    /// Of any kind.
    #[must_use]
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    /// What was sent is not understood.
    #[must_use]
    pub fn invalid(message: &'static str) -> Self {
        Self::new(Code::InvalidParameterValue, message)
    }

    /// A parameter is missing.
    #[must_use]
    pub fn missing(key: &'static str) -> Self {
        Self::new(Code::InvalidParameterValue, format!("`{key}` is missing"))
    }

    /// A parameter is said twice.
    #[must_use]
    pub fn repeated(key: &'static str) -> Self {
        Self::new(Code::InvalidParameterValue, format!("`{key}` is said twice"))
    }

    /// There is no such thing.
    #[must_use]
    pub fn not_found(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::ResourceDoesNotExist, message)
    }

    /// It may not be had.
    #[must_use]
    pub fn denied(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::PermissionDenied, message)
    }

    /// It would write; `command` says what does it.
    #[must_use]
    pub fn read_only(command: &'static str) -> Self {
        Self::denied(format!("MLflow clients only read here: {command}"))
    }

    /// Nothing is answered at this address.
    #[must_use]
    pub fn no_endpoint() -> Self {
        let message = "only registered models, their versions, aliases and files are answered here, for reading";
        Self::new(Code::EndpointNotFound, message)
    }

    /// It could not be recorded.
    #[must_use]
    pub fn unrecorded() -> Self {
        let message = "the ledger cannot be written, and nothing is given out without an entry; try again later";
        Self::new(Code::TemporarilyUnavailable, message)
    }

    /// Too much is asked at once.
    #[must_use]
    pub fn busy() -> Self {
        let message = "too many requests are being answered; try again later";
        Self::new(Code::RequestLimitExceeded, message)
    }

    /// What is asked is not answered now.
    #[must_use]
    pub fn silent() -> Self {
        Self::new(
            Code::TemporarilyUnavailable,
            "the vault does not answer; try again later",
        )
    }
}
