//! The one form of errors: problem details (RFC 9457).

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;

use crate::failure::Failure;
use crate::store::StoreError;

/// Why a request is not carried out. No variant holds what the caller sent.
#[derive(Debug)]
pub(crate) enum Refusal {
    Unauthenticated,
    /// What the caller may not, in a sentence.
    Forbidden(String),
    NotFound,
    /// The resource has no such method.
    Method,
    /// What is in the way, in a sentence.
    Conflict(String),
    /// What is wrong with the request, in a sentence.
    Invalid(String),
    TooLarge,
    /// The body is no JSON by its type.
    MediaType,
    /// What it takes cannot be had now, in a sentence.
    Unavailable(String),
    /// As much of this is going on as may.
    Busy,
    /// Somebody else's answer, or its absence, in a sentence.
    Upstream(String),
    Store(StoreError),
}

/// Problem details (RFC 9457).
#[derive(Serialize, JsonSchema)]
pub(super) struct Problem {
    /// `about:blank`: the status says what kind of problem it is.
    r#type: &'static str,
    /// The status in words.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What happened, in a sentence.
    detail: String,
}

impl Refusal {
    /// A request that is not as documented.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::Invalid(message.into())
    }

    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::Invalid(_) => StatusCode::BAD_REQUEST,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Upstream(_) => StatusCode::BAD_GATEWAY,
            Self::Busy | Self::Unavailable(_) | Self::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// What happened, in a sentence.
    pub(crate) fn detail(&self) -> String {
        match self {
            Self::Unauthenticated => "the token is missing or unknown".to_owned(),
            Self::Forbidden(detail)
            | Self::Conflict(detail)
            | Self::Invalid(detail)
            | Self::Unavailable(detail)
            | Self::Upstream(detail) => detail.clone(),
            Self::NotFound => "there is no such thing".to_owned(),
            Self::Method => "the resource does not know this method".to_owned(),
            Self::TooLarge => "the body is larger than 64 KiB".to_owned(),
            Self::MediaType => "the body has to be application/json".to_owned(),
            Self::Busy => "others are asking for this much at the moment; try again".to_owned(),
            Self::Store(error) => error.to_string(),
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// The system gave no random numbers or no text came about: nothing that the caller could change.
impl From<Failure> for Refusal {
    fn from(_: Failure) -> Self {
        Self::Store(StoreError::Closed)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = self.status();
        let title = status.canonical_reason().unwrap_or_default();
        let problem = Problem { r#type: "about:blank", title, status: status.as_u16(), detail: self.detail() };
        let mut response = (status, Json(problem)).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

pub(super) const PROBLEM_JSON: &str = "application/problem+json";
