//! How a body carries photos: as its type says, or, where the type says nothing of it, as its first bytes do.

use axum::http::{HeaderMap, StatusCode, header};
use stepladder_data::{dimensions, printable};
use stepladder_http::Refusal;

/// How a body carries photos.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Picture,
    Multipart,
    Json,
}

/// What `curl -d` and `--data-binary` send where no other type is given.
const FORM_FIELDS: &str = "application/x-www-form-urlencoded";

/// The longest type that is named in an answer, in characters.
const LONGEST_TYPE: usize = 60;

impl Form {
    /// How the headers say that the body carries photos; `None` where their type is none of those that do.
    pub fn of(headers: &HeaderMap) -> Option<Form> {
        let Some(essence) = essence(headers) else {
            return Some(Form::Picture);
        };
        match essence.as_str() {
            "application/json" => Some(Form::Json),
            "multipart/form-data" => Some(Form::Multipart),
            "application/octet-stream" => Some(Form::Picture),
            picture if picture.starts_with("image/") => Some(Form::Picture),
            _ => None,
        }
    }
}

/// How a body of another type carries photos: clients send pictures and JSON under any.
///
/// # Errors
///
/// It is neither, or a picture that lost its line ends on the way; the answer says which type came and what to send.
pub(super) fn of_body(headers: &HeaderMap, body: &[u8]) -> Result<Form, Refusal> {
    if essence(headers).as_deref() == Some(FORM_FIELDS) && lost_line_ends(body) {
        return Err(unsupported(
            "the picture lost its line ends on the way: curl -d removes them; send it with --data-binary @PHOTO.jpg",
        ));
    }
    if dimensions(body).is_ok() {
        return Ok(Form::Picture);
    }
    match body.trim_ascii_start().first() {
        Some(b'{') => Ok(Form::Json),
        _ => Err(unsupported(format!(
            "the body's type is {}, and it is no picture; send a picture with Content-Type: image/jpeg, a form with pictures \
             (multipart/form-data), or JSON with base64 and Content-Type: application/json",
            shown(headers)
        ))),
    }
}

/// The type without its parameters, in lower case; `None` where there is no header.
fn essence(headers: &HeaderMap) -> Option<String> {
    let kind = headers.get(header::CONTENT_TYPE)?.to_str().unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default();
    Some(essence.trim().to_ascii_lowercase())
}

/// The type as it may stand in an answer.
fn shown(headers: &HeaderMap) -> String {
    match essence(headers).filter(|essence| !essence.is_empty()) {
        Some(essence) => printable(&essence).chars().take(LONGEST_TYPE).collect(),
        None => String::from("unreadable"),
    }
}

/// Whether a JPEG has none of the bytes that `curl -d` removes. Chance leaves them out of a thousand bytes once in a hundred thousand times.
fn lost_line_ends(body: &[u8]) -> bool {
    const ENOUGH: usize = 1000;
    let is_jpeg = body.starts_with(&[0xff, 0xd8, 0xff]);
    is_jpeg && body.len() >= ENOUGH && !body.iter().any(|byte| matches!(byte, b'\r' | b'\n'))
}

fn unsupported(message: impl Into<String>) -> Refusal {
    Refusal::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported_media_type",
        message,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn headers(kind: &str) -> HeaderMap {
        let kind = HeaderValue::from_str(kind).unwrap();
        HeaderMap::from_iter([(header::CONTENT_TYPE, kind)])
    }

    fn png() -> Vec<u8> {
        let mut file = std::io::Cursor::new(Vec::new());
        let photo = image::RgbImage::new(8, 8);
        photo.write_to(&mut file, image::ImageFormat::Png).unwrap();
        file.into_inner()
    }

    #[test]
    fn kinds_of_bodies_are_told_by_their_type() {
        let form = |kind: &str| Form::of(&headers(kind));
        assert_eq!(form("image/jpeg"), Some(Form::Picture));
        assert_eq!(form("Application/JSON; charset=utf-8"), Some(Form::Json));
        assert_eq!(form("multipart/form-data; boundary=x"), Some(Form::Multipart));
        assert_eq!(form("text/html"), None);
        assert_eq!(Form::of(&HeaderMap::new()), Some(Form::Picture));
    }

    #[test]
    fn other_types_are_told_by_the_first_bytes() {
        for kind in [FORM_FIELDS, "text/plain", "binary/octet-stream"] {
            assert_eq!(of_body(&headers(kind), &png()), Ok(Form::Picture), "{kind}");
            assert_eq!(
                of_body(&headers(kind), b" {\"photos\": []}"),
                Ok(Form::Json),
                "{kind}"
            );
        }
    }

    #[test]
    fn a_refusal_names_the_type_and_the_header_to_send() {
        let refused = |kind: &str, body: &[u8]| of_body(&headers(kind), body).unwrap_err();
        let refusal = refused("Text/Plain; charset=utf-8", b"aGVsbG8=");
        assert_eq!(refusal.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
        for part in ["text/plain", "Content-Type: image/jpeg", "multipart/form-data"] {
            assert!(refusal.message.contains(part), "{}", refusal.message);
        }
        assert!(!refusal.message.contains("aGVsbG8"), "{}", refusal.message);
        let long = refused(&"x".repeat(5000), b"");
        assert!(long.message.len() < 400, "{}", long.message);
    }

    #[test]
    fn a_picture_without_line_ends_is_not_answered_about() {
        let mut jpeg = vec![0xff, 0xd8, 0xff];
        jpeg.extend(
            (0..=255_u8)
                .cycle()
                .take(5000)
                .filter(|byte| !matches!(byte, b'\r' | b'\n')),
        );
        let refusal = of_body(&headers(FORM_FIELDS), &jpeg).unwrap_err();
        assert!(refusal.message.contains("--data-binary"), "{}", refusal.message);
    }
}
