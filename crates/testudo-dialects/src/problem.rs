//! Errors in the shape that the client's own software development kit understands.

use testudo_bounded::json::escape_into;

use crate::Family;

/// What went wrong, before it is put into a dialect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// HTTP status.
    pub status: u16,
    /// Machine-readable cause: `content_blocked`, `invalid_request`, `unauthenticated`, `forbidden`,
    /// `rate_limited`, `too_large`, `upstream_unavailable`, `upstream_timeout`, `internal`, ….
    pub code: &'static str,
    /// One sentence for people; free of secrets and internals.
    pub message: String,
    /// The field at fault, if one is.
    pub param: Option<String>,
}

/// The JSON body of an error response.
#[must_use]
pub fn problem_body(family: Family, problem: &Problem) -> Vec<u8> {
    let mut out = Vec::with_capacity(problem.message.len().saturating_add(128));
    match family {
        Family::OpenAi => {
            out.extend_from_slice(b"{\"error\":");
            error_object(problem, &mut out);
            out.push(b'}');
        }
        Family::Anthropic => anthropic_error(problem, &mut out),
    }
    out
}

/// The error's `type` as the family names it for a status.
#[must_use]
pub fn error_type(family: Family, status: u16) -> &'static str {
    match family {
        Family::OpenAi => match status {
            401 => "authentication_error",
            403 => "permission_error",
            404 => "not_found_error",
            429 => "rate_limit_error",
            400..=499 => "invalid_request_error",
            _ => "server_error",
        },
        Family::Anthropic => match status {
            401 => "authentication_error",
            402 => "billing_error",
            403 => "permission_error",
            404 => "not_found_error",
            413 => "request_too_large",
            429 => "rate_limit_error",
            400..=499 => "invalid_request_error",
            504 => "timeout_error",
            503 | 529 => "overloaded_error",
            _ => "api_error",
        },
    }
}

/// `{"message":…,"type":…,"param":…,"code":…}`.
fn error_object(problem: &Problem, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"message\":");
    write_string(&problem.message, out);
    out.extend_from_slice(b",\"type\":");
    write_string(error_type(Family::OpenAi, problem.status), out);
    out.extend_from_slice(b",\"param\":");
    match &problem.param {
        Some(param) => write_string(param, out),
        None => out.extend_from_slice(b"null"),
    }
    out.extend_from_slice(b",\"code\":");
    write_string(problem.code, out);
    out.push(b'}');
}

/// `{"type":"error","error":{"type":…,"message":…}}`; the field at fault goes into the message.
fn anthropic_error(problem: &Problem, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"type\":\"error\",\"error\":{\"type\":");
    write_string(error_type(Family::Anthropic, problem.status), out);
    out.extend_from_slice(b",\"message\":");
    match &problem.param {
        Some(param) if !problem.message.contains(param.as_str()) => {
            write_string(&format!("{param}: {}", problem.message), out);
        }
        _ => write_string(&problem.message, out),
    }
    out.extend_from_slice(b"}}");
}

/// A JSON string literal.
pub(crate) fn write_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    escape_into(text, out);
    out.push(b'"');
}

#[cfg(test)]
mod tests;
