//! Who asks: `Host` on the loopback interface, because a page may have its own name lead here (DNS rebinding); `Origin`, because
//! a browser sends requests for pages of anybody; the bearer token.

use crate::refusal::Refusal;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use std::net::IpAddr;

/// The host that the client means, with its port. A server that listens on the loopback interface has few names there.
///
/// # Errors
///
/// No host, several, or one that is not this machine where `address` is a loopback one.
pub fn host(request: &Request, address: IpAddr) -> Result<&str, Refusal> {
    let host = named_host(request)?;
    if address.is_loopback() && !is_loopback_name(host) {
        return Err(Refusal::new(
            StatusCode::MISDIRECTED_REQUEST,
            "wrong_host",
            "this server answers to localhost and 127.0.0.1 alone; to serve others, start it with --host",
        ));
    }
    Ok(host)
}

fn named_host(request: &Request) -> Result<&str, Refusal> {
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

/// Whether the origin is the server itself, which the client calls `host`.
pub fn is_own(origin: &HeaderValue, host: &str) -> bool {
    let origin = origin.to_str().unwrap_or_default();
    let name = origin.strip_prefix("http://").or(origin.strip_prefix("https://"));
    name.is_some_and(|name| name.eq_ignore_ascii_case(host))
}

/// Whether the headers carry the token. Takes as long for a wrong one, whatever is wrong with it.
pub fn carries(headers: &HeaderMap, token: &str) -> bool {
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

/// The refusal of a request without the token.
pub fn unauthorized() -> Refusal {
    Refusal::new(
        StatusCode::UNAUTHORIZED,
        "unauthorized",
        "send the token as Authorization: Bearer TOKEN",
    )
}

/// Whether a token can be sent in a header: visible ASCII, and not nothing.
pub fn is_token(token: &str) -> bool {
    !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Gives an answer the headers that all answers have, where it has none of its own.
pub fn protect(headers: &mut HeaderMap) {
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
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
