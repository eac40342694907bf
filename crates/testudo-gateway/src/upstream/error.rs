//! What can go wrong between the gateway and a model service.

use thiserror::Error;

/// Why a request to an upstream, or the reading of its answer, failed.
///
/// The messages name no address, no host and no credential, so that a client may see them; what
/// happened underneath is in `source()` and belongs into the log only.
#[derive(Debug, Error)]
pub enum UpstreamError {
    #[error("the request path or query cannot be forwarded: {0}")]
    Target(&'static str),
    #[error("the name of the model service could not be resolved")]
    Resolve(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error(
        "the model service is at an address that may not be dialled; set `allow_private` if it is on a private network"
    )]
    AddressDenied,
    #[error("the model service could not be reached")]
    Connect(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the model service did not accept a connection within its deadline")]
    ConnectTimeout,
    #[error("the connection to the model service could not be secured")]
    Tls(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the model service did not begin to answer within its deadline")]
    FirstByteTimeout,
    #[error("the model service stopped sending in the middle of its answer")]
    IdleTimeout,
    #[error("the model service did not finish within its deadline")]
    TotalTimeout,
    #[error("the model service answered with a redirect (status {0}), which is never followed")]
    Redirect(u16),
    #[error("the model service compressed its answer although it was asked not to, so it cannot be inspected")]
    Encoded,
    #[error("the answer of the model service is larger than {limit_bytes} bytes")]
    TooLarge { limit_bytes: usize },
    #[error("the connection to the model service broke")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Whose doing a failure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The client asked for something that cannot be forwarded.
    Client,
    /// The model service, or the network on the way to it.
    Upstream,
    /// This gateway's configuration.
    Configuration,
}

impl UpstreamError {
    /// Label of metrics and log fields.
    #[must_use]
    pub fn class(&self) -> &'static str {
        match self {
            Self::Target(_) => "target",
            Self::Resolve(_) => "resolve",
            Self::AddressDenied => "address_denied",
            Self::Connect(_) => "connect",
            Self::ConnectTimeout => "connect_timeout",
            Self::Tls(_) => "tls",
            Self::FirstByteTimeout => "first_byte_timeout",
            Self::IdleTimeout => "idle_timeout",
            Self::TotalTimeout => "total_timeout",
            Self::Redirect(_) => "redirect",
            Self::Encoded => "encoded",
            Self::TooLarge { .. } => "too_large",
            Self::Broken(_) => "broken",
        }
    }

    /// True when nothing of the request can have reached the upstream, so that another attempt
    /// cannot run it twice.
    #[must_use]
    pub fn retriable(&self) -> bool {
        matches!(self, Self::Resolve(_) | Self::Connect(_) | Self::ConnectTimeout)
    }

    /// True when a deadline passed; answered with 504 rather than 502.
    #[must_use]
    pub fn timed_out(&self) -> bool {
        matches!(
            self,
            Self::ConnectTimeout | Self::FirstByteTimeout | Self::IdleTimeout | Self::TotalTimeout
        )
    }

    /// Whose doing it is.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Self::Target(_) => Fault::Client,
            Self::AddressDenied => Fault::Configuration,
            Self::Resolve(_)
            | Self::Connect(_)
            | Self::ConnectTimeout
            | Self::Tls(_)
            | Self::FirstByteTimeout
            | Self::IdleTimeout
            | Self::TotalTimeout
            | Self::Redirect(_)
            | Self::Encoded
            | Self::TooLarge { .. }
            | Self::Broken(_) => Fault::Upstream,
        }
    }
}
