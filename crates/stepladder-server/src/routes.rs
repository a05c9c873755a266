//! The paths of the server, and what each answers.

use crate::answer::{PhotoAnswer, Predictions};
use crate::guard::guard;
use crate::metrics::Gauges;
use crate::models::Loaded;
use crate::page::page;
use crate::queue::Job;
use crate::request::{Options, Sent, SentPhotos};
use crate::server::App;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router, middleware};
use serde_json::{Value, json};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use stepladder_data::{PhotoError, decode, dimensions};
use stepladder_http::Refusal;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// The whole service.
pub(crate) fn routes(app: Arc<App>) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/v1/predict", post(predict))
        .route("/v1/models", get(models))
        .route("/healthz", get(health))
        .route("/metrics", get(metrics))
        .route("/openapi.json", get(openapi))
        .fallback(nothing_here)
        .method_not_allowed_fallback(wrong_method)
        // Bodies are bounded where they are read.
        .layer(DefaultBodyLimit::disable())
        .layer(middleware::from_fn_with_state(Arc::clone(&app), guard))
        .with_state(app)
}

/// Says what is on the photos of a request.
async fn predict(State(app): State<Arc<App>>, request: Request) -> Result<Response, Refusal> {
    let answer = tokio::time::timeout(app.config.answer_time, answer(&app, request));
    match answer.await {
        Ok(answer) => answer,
        Err(_) => Err(Refusal::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "overloaded",
            "there was no answer in time; try again later, or with fewer photos",
        )),
    }
}

async fn answer(app: &Arc<App>, request: Request) -> Result<Response, Refusal> {
    let options = Options::of(&request)?;
    let model = app.models.get(options.model.as_deref()).ok_or_else(|| {
        Refusal::new(
            StatusCode::NOT_FOUND,
            "no_model",
            "there is no model of that name; /v1/models lists them",
        )
    })?;
    let sent = SentPhotos::read(request, app).await?;
    let bytes = model.plain.image_len() * size_of::<f32>();
    let _places = app.queue.reserve(sent.photos.len(), bytes)?;
    let mut asked = JoinSet::new();
    for (number, photo) in sent.photos.into_iter().enumerate() {
        let (app, model, options) = (Arc::clone(app), Arc::clone(&model), options.clone());
        asked.spawn(async move { (number, ask(&app, &model, photo, &options).await) });
    }
    let mut answers = Vec::with_capacity(asked.len());
    while let Some(answer) = asked.join_next().await {
        let (number, answer) = answer.map_err(|_| Refusal::internal())?;
        answers.push((number, answer?));
    }
    answers.sort_by_key(|(number, _)| *number);
    let answers: Vec<PhotoAnswer> = answers.into_iter().map(|(_, answer)| answer).collect();
    if !answers.iter().any(PhotoAnswer::is_known) {
        let reasons: Vec<String> = answers.iter().filter_map(PhotoAnswer::reason).collect();
        return Err(Refusal::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "unusable_photo",
            reasons.join("; "),
        ));
    }
    Ok(Json(Predictions {
        model: model.info.name.clone(),
        photos: answers,
    })
    .into_response())
}

/// The answer about one photo.
async fn ask(app: &App, model: &Arc<Loaded>, photo: Sent, options: &Options) -> Result<PhotoAnswer, Refusal> {
    let Sent { name, bytes, remedy } = photo;
    let (reply, prepared) = oneshot::channel();
    let (to, pixels) = (Arc::clone(model), app.config.pixels);
    app.pool.spawn(move || {
        // Nobody waits any more, if the client is gone.
        if !reply.is_closed() {
            let work = || read(&bytes, pixels).map(|photo| to.plain.prepare(&photo));
            let _ = reply.send(catch_unwind(AssertUnwindSafe(work)));
        }
    });
    let image = match prepared.await {
        Ok(Ok(Ok(image))) => image,
        Ok(Ok(Err(error))) => {
            let remedy = remedy.map_or(String::new(), |remedy| format!("; {remedy}"));
            return Ok(PhotoAnswer::Unusable {
                name,
                error: format!("{error}{remedy}"),
            });
        }
        Ok(Err(_)) | Err(_) => return Err(Refusal::internal()),
    };
    let job = Job {
        model: Arc::clone(model),
        image,
        flips: options.tta,
        heat: options.heat,
    };
    Ok(match app.queue.ask(job).await? {
        Ok(answered) => PhotoAnswer::new(name, answered, model, options),
        Err(error) => PhotoAnswer::Unusable {
            name,
            error: error.to_string(),
        },
    })
}

/// Decodes a photo whose header claims no more pixels than are accepted.
fn read(bytes: &[u8], most: u64) -> Result<stepladder_data::RgbPhoto, PhotoError> {
    let (width, height) = dimensions(bytes)?;
    if u64::from(width) * u64::from(height) > most {
        return Err(PhotoError::NotAPhoto(format!(
            "{width} x {height} pixels, more than the {} megapixels that this server accepts",
            most / 1_000_000
        )));
    }
    decode(bytes)
}

async fn models(State(app): State<Arc<App>>) -> Json<Value> {
    Json(json!({ "models": app.models.info() }))
}

async fn health() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

async fn metrics(State(app): State<Arc<App>>) -> Response {
    let text = app.metrics.text(&Gauges {
        queued: app.queue.taken(),
        connections: app.connections.open(),
    });
    (
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
        text,
    )
        .into_response()
}

/// The OpenAPI document, with this version.
async fn openapi() -> Response {
    const DOCUMENT: &str = include_str!("../openapi.json");
    let document = DOCUMENT.replacen("VERSION", env!("CARGO_PKG_VERSION"), 1);
    ([(header::CONTENT_TYPE, "application/json")], document).into_response()
}

async fn nothing_here() -> Refusal {
    Refusal::new(
        StatusCode::NOT_FOUND,
        "not_found",
        "there is nothing here; photos go to POST /v1/predict, and /openapi.json lists the rest",
    )
}

async fn wrong_method() -> Refusal {
    Refusal::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "wrong_method",
        "this path has no such method; photos go to POST /v1/predict, and /openapi.json lists the rest",
    )
}
