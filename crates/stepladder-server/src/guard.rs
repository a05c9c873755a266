//! Who may ask: the checks before any route. `Host` on the loopback interface, because a page may have its own name lead here
//! (DNS rebinding); `Origin`, because a browser sends requests for pages of anybody; the bearer token.

use crate::refusal::Refusal;
use crate::server::App;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

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
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    app.metrics
        .request(path, response.status().as_u16(), start.elapsed());
    response
}

fn check(app: &App, request: &Request, path: &str) -> Result<(), Refusal> {
    let headers = request.headers();
    let host = host(request)?;
    if app.address.ip().is_loopback() && !is_loopback_name(host) {
        return Err(Refusal::new(
            StatusCode::MISDIRECTED_REQUEST,
            "wrong_host",
            "this server answers to localhost and 127.0.0.1 alone; to serve others, start it with --host",
        ));
    }
    if let Some(origin) = headers.get(header::ORIGIN)
        && !app.allows_origin(origin)
        && !is_own(origin, host)
    {
        return Err(Refusal::new(
            StatusCode::FORBIDDEN,
            "wrong_origin",
            "pages of this origin may not ask here; allow them with --cors",
        ));
    }
    match &app.config.token {
        Some(token) if GUARDED.contains(&path) && !carries(headers, token) => Err(Refusal::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "send the token as Authorization: Bearer TOKEN",
        )),
        _ => Ok(()),
    }
}

/// The host that the client means, with its port.
fn host(request: &Request) -> Result<&str, Refusal> {
    let mut named = request.headers().get_all(header::HOST).iter();
    let host = match (named.next(), named.next()) {
        (Some(host), None) => host.to_str().ok(),
        (None, _) => request.uri().authority().map(|authority| authority.as_str()),
        (Some(_), Some(_)) => None,
    };
    host.filter(|host| !host.is_empty())
        .ok_or_else(|| Refusal::bad("no_host", "the request names no host, or several"))
}

/// Whether `host` is this machine, by name or address, with any port.
fn is_loopback_name(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'))
        .unwrap_or(name);
    name.eq_ignore_ascii_case("localhost")
        || address
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// Whether the origin is the server itself.
fn is_own(origin: &HeaderValue, host: &str) -> bool {
    let origin = origin.to_str().unwrap_or_default();
    let name = origin.strip_prefix("http://").or(origin.strip_prefix("https://"));
    name.is_some_and(|name| name.eq_ignore_ascii_case(host))
}

/// Whether the headers carry the token. Takes as long for a wrong one, whatever is wrong with it.
fn carries(headers: &HeaderMap, token: &str) -> bool {
    let sent = headers
        .get(header::AUTHORIZATION)
        .map_or(&[][..], HeaderValue::as_bytes);
    let Some((scheme, sent)) = sent.split_at_checked("Bearer ".len()) else {
        return false;
    };
    let token = token.as_bytes();
    let difference = token
        .iter()
        .enumerate()
        .fold(sent.len() ^ token.len(), |difference, (at, byte)| {
            difference | usize::from(byte ^ sent.get(at).copied().unwrap_or_default())
        });
    scheme.eq_ignore_ascii_case(b"Bearer ") && difference == 0
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_few_names() {
        for own in [
            "localhost",
            "LOCALHOST:8080",
            "127.0.0.1:1",
            "127.8.8.8",
            "[::1]:8080",
            "[::1]",
        ] {
            assert!(is_loopback_name(own), "{own}");
        }
        for other in [
            "evil.example",
            "evil.example:8080",
            "localhost.evil.example",
            "10.0.0.1",
            "",
            ":80",
            "127.0.0.1.nip.io",
        ] {
            assert!(!is_loopback_name(other), "{other}");
        }
    }

    #[test]
    fn a_page_of_the_server_itself_may_ask() {
        let origin = |origin: &'static str| is_own(&HeaderValue::from_static(origin), "localhost:8080");
        assert!(origin("http://localhost:8080") && origin("https://LOCALHOST:8080"));
        assert!(!origin("http://localhost:8081") && !origin("null") && !origin("http://evil.example"));
    }

    #[test]
    fn only_the_token_is_the_token() {
        let believed = |sent: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, HeaderValue::from_static(sent));
            carries(&headers, "secret")
        };
        assert!(believed("Bearer secret") && believed("bearer secret"));
        for wrong in [
            "",
            "Bearer",
            "Bearer ",
            "Bearer secre",
            "Bearer secrets",
            "Basic secret",
            "Bearer Secret",
        ] {
            assert!(!believed(wrong), "{wrong}");
        }
    }
}
