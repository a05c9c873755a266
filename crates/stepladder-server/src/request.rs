//! From a request to photos: the options in the query, and the body, which is one picture, several in a form, or JSON.

use crate::server::App;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Multipart, Query, Request};
use axum::http::{StatusCode, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::Deserialize;
use std::sync::Arc;
use stepladder_http::Refusal;
use tokio::sync::OwnedSemaphorePermit;

/// The greatest number of classes that `top` may ask for, as the OpenAPI document says.
const MOST_CLASSES: usize = 1_000_000;

/// The options of a prediction.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Options {
    /// The model's name; the first by default.
    pub model: Option<String>,
    /// The most classes to tell of each photo; all by default.
    pub top: Option<usize>,
    /// Whether to ask about mirror images too.
    #[serde(default)]
    pub tta: bool,
    /// The least probability that is an answer; with all digits that were sent, for f32 would round one just above 1 to 1.
    pub unsure: Option<f64>,
    /// Whether to send heat maps.
    #[serde(default)]
    pub heat: bool,
}

impl Options {
    /// Reads the query.
    pub fn of(request: &Request) -> Result<Options, Refusal> {
        let Query(options) = Query::<Options>::try_from_uri(request.uri())
            .map_err(|error| Refusal::bad("bad_query", error.body_text()))?;
        if options.top.is_some_and(|top| !(1..=MOST_CLASSES).contains(&top)) {
            return Err(Refusal::bad("bad_query", "top is not a number from 1 to 1000000"));
        }
        match options.unsure {
            Some(least) if !(0.0..=1.0).contains(&least) => Err(Refusal::bad(
                "bad_query",
                "unsure is no probability; give a number from 0 to 1",
            )),
            _ => Ok(options),
        }
    }
}

/// A picture as it was sent.
#[derive(Debug)]
pub(crate) struct Sent {
    /// The name that the client gave it, or `photo N`.
    pub name: String,
    pub bytes: Bytes,
}

/// The photos of a request, and the right to hold their bytes.
pub(crate) struct SentPhotos {
    pub photos: Vec<Sent>,
    pub _room: OwnedSemaphorePermit,
}

/// How a body carries photos.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Picture,
    Multipart,
    Json,
}

/// The body of JSON.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonPhotos {
    photos: Vec<JsonPhoto>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonPhoto {
    name: Option<String>,
    /// Base64, with padding.
    data: String,
}

/// Bytes for which one permit stands.
pub(crate) const ROOM_UNIT: usize = 4096;

/// The longest name of a photo that is given back, in characters.
const LONGEST_NAME: usize = 200;

impl SentPhotos {
    /// Reads the body, within the server's bounds on size and time.
    pub async fn read(request: Request, app: &App) -> Result<SentPhotos, Refusal> {
        let form = Form::of(&request)?;
        let limit = app.config.body_bytes;
        let length = request
            .headers()
            .get(header::CONTENT_LENGTH)
            .and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        if length.is_some_and(|length| length > limit) {
            return Err(Refusal::too_large(limit));
        }
        // What has no length may become as long as it may.
        let room = u32::try_from(length.unwrap_or(limit) / ROOM_UNIT + 1).unwrap_or(u32::MAX);
        let room = Arc::clone(&app.bodies)
            .try_acquire_many_owned(room)
            .map_err(|_| Refusal::busy("too many large bodies are on their way"))?;
        let (parts, body) = request.into_parts();
        let collect = Limited::new(body, limit).collect();
        let body = match tokio::time::timeout(app.config.read_time, collect).await {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(error)) if error.downcast_ref::<LengthLimitError>().is_some() => {
                return Err(Refusal::too_large(limit));
            }
            Ok(Err(_)) => return Err(Refusal::bad("bad_body", "the body ended before it was whole")),
            Err(_) => {
                return Err(Refusal::new(
                    StatusCode::REQUEST_TIMEOUT,
                    "too_slow",
                    "the body took too long to arrive; send it again, or fewer photos at once",
                ));
            }
        };
        let photos = match form {
            Form::Picture => vec![Sent {
                name: name_of(None, 0),
                bytes: body,
            }],
            Form::Json => json(&body)?,
            Form::Multipart => {
                multipart(Request::from_parts(parts, Body::from(body)), app.config.photos).await?
            }
        };
        if photos.is_empty() {
            return Err(Refusal::bad("no_photos", "there is no photo in the request"));
        }
        if photos.len() > app.config.photos {
            return Err(too_many(app.config.photos));
        }
        Ok(SentPhotos { photos, _room: room })
    }
}

impl Form {
    /// How the request says that it carries photos.
    fn of(request: &Request) -> Result<Form, Refusal> {
        let Some(kind) = request.headers().get(header::CONTENT_TYPE) else {
            return Ok(Form::Picture);
        };
        let kind = kind.to_str().unwrap_or_default();
        let essence = kind
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase();
        match essence.as_str() {
            "application/json" => Ok(Form::Json),
            "multipart/form-data" => Ok(Form::Multipart),
            "application/octet-stream" => Ok(Form::Picture),
            picture if picture.starts_with("image/") => Ok(Form::Picture),
            _ => Err(Refusal::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                "send a picture as it is, multipart/form-data with pictures, or application/json with base64",
            )),
        }
    }
}

fn json(body: &[u8]) -> Result<Vec<Sent>, Refusal> {
    let document: JsonPhotos = serde_json::from_slice(body).map_err(|error| {
        Refusal::bad(
            "bad_json",
            format!("the body is not {{\"photos\": [{{\"name\": .., \"data\": base64}}]}}: {error}"),
        )
    })?;
    let photos = document.photos.into_iter().enumerate();
    photos
        .map(|(number, photo)| {
            let name = name_of(photo.name.as_deref(), number);
            match STANDARD.decode(&photo.data) {
                Ok(bytes) => Ok(Sent {
                    name,
                    bytes: bytes.into(),
                }),
                Err(error) => Err(Refusal::bad(
                    "bad_base64",
                    format!("{name}: its data is no base64: {error}"),
                )),
            }
        })
        .collect()
}

/// Every part of a form is a photo.
async fn multipart(request: Request, most: usize) -> Result<Vec<Sent>, Refusal> {
    let bad = |reason: String| Refusal::bad("bad_multipart", format!("the form is damaged: {reason}"));
    let form = Multipart::from_request(request, &()).await;
    let mut form = form.map_err(|error| bad(error.body_text()))?;
    let mut photos = Vec::new();
    while let Some(field) = form.next_field().await.map_err(|error| bad(error.body_text()))? {
        if photos.len() == most {
            return Err(too_many(most));
        }
        let name = field.file_name().or(field.name()).map(String::from);
        let bytes = field.bytes().await.map_err(|error| bad(error.body_text()))?;
        photos.push(Sent {
            name: name_of(name.as_deref(), photos.len()),
            bytes,
        });
    }
    Ok(photos)
}

fn too_many(most: usize) -> Refusal {
    Refusal::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "too_many_photos",
        format!("more than {most} photos in one request; divide it"),
    )
}

/// What the photo at `index` is called: as the client says, safe to print and not too long.
fn name_of(name: Option<&str>, index: usize) -> String {
    match name.filter(|name| !name.is_empty()) {
        Some(name) => stepladder_data::printable(name)
            .chars()
            .take(LONGEST_NAME)
            .collect(),
        None => format!("photo {}", index + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(query: &str) -> Result<Options, Refusal> {
        let request = Request::get(format!("/v1/predict?{query}"))
            .body(Body::empty())
            .unwrap();
        Options::of(&request)
    }

    #[test]
    fn options_are_read_or_refused() {
        let read = options("model=a%20b&top=3&tta=true&unsure=0.6&heat=true").unwrap();
        assert_eq!(read.model.as_deref(), Some("a b"));
        assert_eq!(
            (read.top, read.tta, read.unsure, read.heat),
            (Some(3), true, Some(0.6), true)
        );
        for wrong in [
            "top=0",
            "top=1000001",
            "top=-1",
            "top=x",
            "unsure=2",
            "unsure=1.0000000000000002",
            "unsure=NaN",
            "tta=maybe",
            "unknown=1",
        ] {
            let refusal = options(wrong).unwrap_err();
            assert_eq!(
                (refusal.status.as_u16(), refusal.code),
                (400, "bad_query"),
                "{wrong}"
            );
        }
    }

    #[test]
    fn kinds_of_bodies_are_told_by_their_type() {
        let form = |kind: &str| {
            let request = Request::post("/")
                .header("content-type", kind)
                .body(Body::empty())
                .unwrap();
            Form::of(&request).map_err(|refusal| refusal.status.as_u16())
        };
        assert_eq!(form("image/jpeg"), Ok(Form::Picture));
        assert_eq!(form("Application/JSON; charset=utf-8"), Ok(Form::Json));
        assert_eq!(form("multipart/form-data; boundary=x"), Ok(Form::Multipart));
        assert_eq!(form("text/html"), Err(415));
    }

    #[test]
    fn json_is_photos_or_says_what_is_wrong() {
        let photos = json(br#"{"photos":[{"data":"aGk="},{"name":"b\u001b","data":""}]}"#).unwrap();
        assert_eq!(
            (photos[0].name.as_str(), photos[0].bytes.as_ref()),
            ("photo 1", b"hi".as_slice())
        );
        assert_eq!(photos[1].name, "b\\u{1b}");
        assert_eq!(json(b"{}").unwrap_err().code, "bad_json");
        assert_eq!(
            json(br#"{"photos":[{"data":"*"}]}"#).unwrap_err().code,
            "bad_base64"
        );
    }
}
