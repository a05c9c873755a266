//! Who may look, and who may ask for something. Looking is free on the loopback interface; asking, and everything on another interface,
//! needs the token.

use crate::server::App;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use stepladder_http::{Refusal, caller};

/// Lets a request through or refuses it, and gives every answer its headers.
pub(crate) async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let mut response = match check(&app, &request) {
        Err(refusal) => refusal.into_response(),
        Ok(()) => next.run(request).await,
    };
    caller::protect(response.headers_mut());
    response
}

fn check(app: &App, request: &Request) -> Result<(), Refusal> {
    let headers = request.headers();
    let host = caller::host(request, app.address.ip())?;
    if let Some(origin) = headers.get(header::ORIGIN)
        && !caller::is_own(origin, host)
    {
        return Err(Refusal::new(
            StatusCode::FORBIDDEN,
            "wrong_origin",
            "pages of other origins may not ask here",
        ));
    }
    let is_data = request.uri().path().starts_with("/v1/");
    let only_looks = request.method() == Method::GET || request.method() == Method::HEAD;
    let is_free = !is_data || (only_looks && app.address.ip().is_loopback());
    match is_free || caller::carries(headers, &app.token) {
        true => Ok(()),
        false => Err(caller::unauthorized()),
    }
}
