//! Answers in JSON.

use crate::Refusal;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// A document as the body of an answer. A document that cannot be written becomes a 500.
#[derive(Debug, Clone, Copy)]
pub struct Json<T>(pub T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(body) => ([(header::CONTENT_TYPE, "application/json")], body).into_response(),
            Err(_) => Refusal::internal().into_response(),
        }
    }
}
