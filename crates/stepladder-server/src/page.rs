//! The page at `/`: drop photos or take one, and see classes, probabilities and heat maps. Everything it needs comes from
//! here, and its content security policy lets it load nothing else.

use axum::http::{HeaderName, header};
use axum::response::IntoResponse;

/// What the page may load: its own style and script, its own photos, and the answers of this server.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; \
                      media-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The document.
pub(crate) async fn html() -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (HeaderName::from_static("permissions-policy"), "camera=(self), microphone=(), geolocation=()"),
    ];
    (headers, include_str!("../page/index.html"))
}

/// The style.
pub(crate) async fn css() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("../page/page.css"))
}

/// The script.
pub(crate) async fn script() -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, "text/javascript; charset=utf-8")],
        include_str!("../page/page.js"),
    )
}
