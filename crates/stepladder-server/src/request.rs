//! From a request to photos: the options in the query, and the body, which is one picture, several in a form, or JSON.

mod json;
mod media_type;

use crate::server::App;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Multipart, Query, Request};
use axum::http::{HeaderMap, StatusCode, header};
use http_body_util::BodyExt;
use json::json;
use media_type::{Form, of_body};
use serde::Deserialize;
use std::sync::Arc;
use stepladder_http::Refusal;
use tokio::sync::OwnedSemaphorePermit;

/// The greatest number of classes that `top` may ask for, as the OpenAPI document says.
const MOST_CLASSES: usize = 1_000_000;

/// What is said of a query that cannot be read. Nothing of the query is repeated: it may come from anywhere.
const WRONG_OPTIONS: &str = "the options cannot be read; there are model=NAME, top=1 to 1000000, tta=true or false, unsure=0 to 1, and heat=true or false";

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
            .map_err(|_| Refusal::bad("bad_query", WRONG_OPTIONS))?;
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
    /// What is said where the bytes are no picture, if anything beside what they are instead.
    pub remedy: Option<&'static str>,
}

/// What is said of a form's field that is no file and no picture.
const NOT_A_FILE: &str =
    "a form's field must be a file (curl -F photo=@PHOTO.jpg); options go into the address (?top=2)";

/// The photos of a request, and the right to hold their bytes.
pub(crate) struct SentPhotos {
    pub photos: Vec<Sent>,
    pub _room: Option<OwnedSemaphorePermit>,
}

/// The longest name of a photo that is given back, in characters.
const LONGEST_NAME: usize = 200;

impl SentPhotos {
    /// Reads the body, within the server's bounds on size and time.
    pub async fn read(request: Request, app: &App) -> Result<SentPhotos, Refusal> {
        let declared = Form::of(request.headers());
        let (parts, body) = request.into_parts();
        let received = receive(&parts.headers, body, app);
        let received = tokio::time::timeout(app.config.read_time, received).await;
        let (bytes, room) = received.map_err(|_| too_slow())??;
        let most = app.config.photos;
        let form = match declared {
            Some(form) => form,
            None => of_body(&parts.headers, &bytes)?,
        };
        let photos = match form {
            Form::Picture => vec![Sent {
                name: name_of(None, 0),
                bytes,
                remedy: None,
            }],
            Form::Json => aside(app, move || json(&bytes, most)).await?,
            Form::Multipart => {
                let request = Request::from_parts(parts, Body::from(bytes));
                let runtime = tokio::runtime::Handle::current();
                aside(app, move || runtime.block_on(multipart(request, most))).await?
            }
        };
        if photos.is_empty() {
            return Err(Refusal::bad("no_photos", "there is no photo in the request"));
        }
        Ok(SentPhotos { photos, _room: room })
    }
}

/// All of a body, within the server's bounds, and the room that it takes.
async fn receive(
    headers: &HeaderMap,
    mut body: Body,
    app: &App,
) -> Result<(Bytes, Option<OwnedSemaphorePermit>), Refusal> {
    let limit = app.config.body_bytes;
    let length = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if length.is_some_and(|length| length > limit) {
        return Err(Refusal::too_large(limit));
    }
    let busy = || Refusal::busy("too many large bodies are on their way");
    let mut arriving = app.bodies.begin();
    let mut bytes = Vec::new();
    loop {
        let frame = tokio::select! {
            frame = body.frame() => frame,
            () = arriving.given_up() => return Err(too_slow()),
        };
        let Some(frame) = frame else {
            return Ok((bytes.into(), arriving.end()));
        };
        let frame = frame.map_err(|_| Refusal::bad("bad_body", "the body ended before it was whole"))?;
        let Ok(piece) = frame.into_data() else { continue };
        if piece.len() > limit - bytes.len() {
            return Err(Refusal::too_large(limit));
        }
        if !arriving.grow(piece.len()).await || bytes.try_reserve(piece.len()).is_err() {
            return Err(busy());
        }
        bytes.extend_from_slice(&piece);
    }
}

fn too_slow() -> Refusal {
    Refusal::new(
        StatusCode::REQUEST_TIMEOUT,
        "too_slow",
        "the body took too long to arrive; send it again, or fewer photos at once",
    )
}

/// Does work that takes its time on another thread than those that carry requests, a few at once.
async fn aside<T: Send + 'static>(
    app: &App,
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let turn = Arc::clone(&app.parsing).acquire_owned().await;
    let _turn = turn.map_err(|_| Refusal::internal())?;
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| Refusal::internal())?
}

/// Every part of a form is a photo.
async fn multipart(request: Request, most: usize) -> Result<Vec<Sent>, Refusal> {
    // What the parser says may repeat names and values of the form.
    let bad = || {
        Refusal::bad(
            "bad_multipart",
            "the form is damaged or cut short; send it with its boundary, as curl -F photo=@PHOTO.jpg does",
        )
    };
    let form = Multipart::from_request(request, &()).await;
    let mut form = form.map_err(|_| bad())?;
    let mut photos = Vec::new();
    while let Some(field) = form.next_field().await.map_err(|_| bad())? {
        if photos.len() == most {
            return Err(too_many(most));
        }
        let name = field.file_name().or(field.name()).map(String::from);
        let remedy = field.file_name().is_none().then_some(NOT_A_FILE);
        let bytes = field.bytes().await.map_err(|_| bad())?;
        photos.push(Sent {
            name: name_of(name.as_deref(), photos.len()),
            bytes,
            remedy,
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
}
