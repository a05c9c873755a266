//! Who may ask: the checks before any route, with the paths that need the token and the origins that were allowed.

use crate::server::App;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use std::time::Instant;
use stepladder_http::{Refusal, caller};

/// The paths that need the token, where there is one.
const GUARDED: [&str; 3] = ["/v1/predict", "/v1/models", "/metrics"];

/// Lets a request through or refuses it, counts it, and gives every answer its headers.
pub(crate) async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let start = Instant::now();
    let path = GUARDED
        .into_iter()
        .chain(["/", "/healthz", "/openapi.json"])
        .find(|path| *path == request.uri().path())
        .unwrap_or("other");
    let origin = request.headers().get(header::ORIGIN).cloned();
    let allowed = origin.filter(|origin| app.allows_origin(origin));
    let mut response = match check(&app, &request, path) {
        Err(refusal) => refusal.into_response(),
        // A browser asks first whether it may.
        Ok(()) if request.method() == Method::OPTIONS && allowed.is_some() => preflight(),
        Ok(()) => next.run(request).await,
    };
    let headers = response.headers_mut();
    if let Some(origin) = allowed {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::VARY, HeaderValue::from_static("origin"));
    }
    caller::protect(headers);
    app.metrics
        .request(path, response.status().as_u16(), start.elapsed());
    response
}

fn check(app: &App, request: &Request, path: &str) -> Result<(), Refusal> {
    let headers = request.headers();
    let host = caller::host(request, app.address.ip())?;
    if let Some(origin) = headers.get(header::ORIGIN)
        && !app.allows_origin(origin)
        && !caller::is_own(origin, host)
    {
        return Err(Refusal::new(
            StatusCode::FORBIDDEN,
            "wrong_origin",
            "pages of this origin may not ask here; allow them with --cors",
        ));
    }
    match &app.config.token {
        Some(token) if GUARDED.contains(&path) && !caller::carries(headers, token) => {
            Err(caller::unauthorized())
        }
        _ => Ok(()),
    }
}

fn preflight() -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    for (name, value) in [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST"),
        (
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            "authorization, content-type",
        ),
        (header::ACCESS_CONTROL_MAX_AGE, "600"),
    ] {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}
