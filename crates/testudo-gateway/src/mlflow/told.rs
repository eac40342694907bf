//! What clients are told when there is no answer.

use axum::body::Body;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use serde_json::json;
use testudo_dialects::mlflow::{Code, Fault};
use testudo_vault::vault::{OpenVaultError, VaultError};

use super::registry::Unanswered;
use crate::auth::AuthError;

/// Of a key that is none.
pub(super) fn of_key(error: AuthError) -> Fault {
    match error {
        AuthError::Unavailable => Fault::new(Code::TemporarilyUnavailable, error.to_string()),
        _ => Fault::new(
            Code::Unauthenticated,
            format!("{error}; MLflow clients send the key that stands in MLFLOW_TRACKING_TOKEN"),
        ),
    }
}

/// Of a vault that gave no answer; the log says more.
pub(super) fn of_vault(error: &Unanswered) -> Fault {
    match error {
        Unanswered::Open(OpenVaultError::Vault(error)) | Unanswered::Vault(error) => of_error(error),
        Unanswered::Silent | Unanswered::Open(_) => Fault::silent(),
    }
}

fn of_error(error: &VaultError) -> Fault {
    match error {
        VaultError::NoArtifact { .. } | VaultError::NoVersion { .. } | VaultError::NoAlias { .. } => {
            Fault::not_found(error.to_string())
        }
        VaultError::Revoked { .. } => Fault::denied(error.to_string()),
        VaultError::Key(_) => Fault::silent(),
        _ if error.is_unreadable() => Fault::silent(),
        _ if error.is_denial() => {
            Fault::denied("refused: what the vault shows cannot be believed; the gateway's log and ledger say more")
        }
        _ => Fault::new(Code::InternalError, "the vault failed; the gateway's log says why"),
    }
}

/// A refusal as an answer.
pub(super) fn respond(fault: &Fault) -> Response<Body> {
    let body = json!({"error_code": fault.code.as_str(), "message": fault.message}).to_string();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(fault.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    match fault.code {
        Code::Unauthenticated => {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        Code::RequestLimitExceeded | Code::TemporarilyUnavailable => {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        _ => {}
    }
    response
}
