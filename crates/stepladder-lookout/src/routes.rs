//! The paths of the live page, and what each answers.

use crate::events;
use crate::guard::guard;
use crate::page;
use crate::server::App;
use crate::state;
use crate::view;
use axum::extract::{DefaultBodyLimit, Path, Query, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router, middleware};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use stepladder_http::Refusal;
use stepladder_run::{RunDirectory, RunRequest};

/// The longest body, in bytes.
const BODY: usize = 1 << 10;

/// How long a client may take to send it.
const BODY_TIME: Duration = Duration::from_secs(10);

/// The whole service.
pub(crate) fn routes(app: Arc<App>) -> Router {
    Router::new()
        .route("/", get(page::document))
        .route("/live.js", get(page::script))
        .route("/v1/runs", get(runs))
        .route("/v1/events", get(follow))
        .route("/v1/runs/{id}/request", post(ask))
        .fallback(nothing_here)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(BODY))
        .layer(middleware::from_fn_with_state(Arc::clone(&app), guard))
        .with_state(app)
}

async fn runs(State(app): State<Arc<App>>) -> Json<Value> {
    Json(view::list(&app.board.now()))
}

/// What a page shows.
#[derive(Deserialize)]
struct Shown {
    /// Runs by their ids, separated by commas; the foremost where there is none.
    #[serde(default)]
    show: String,
}

async fn follow(State(app): State<Arc<App>>, Query(shown): Query<Shown>) -> Result<Response, Refusal> {
    let page = Arc::clone(&app.pages).try_acquire_owned();
    let page = page.map_err(|_| Refusal::busy("as many pages as there are places for follow already"))?;
    let ids = shown.show.split(',').filter(|id| !id.is_empty());
    let ids = ids.take(events::MOST_SHOWN).map(String::from).collect();
    Ok(events::stream(app, ids, page))
}

/// `{"request": "stop"}` or `{"request": "checkpoint"}`.
#[derive(Deserialize)]
struct Asked {
    request: RunRequest,
}

/// Asks a training for a checkpoint, or to stop.
async fn ask(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    let bad = || {
        Refusal::bad(
            "bad_request",
            "send {\"request\": \"checkpoint\"} or {\"request\": \"stop\"}",
        )
    };
    let body = axum::body::to_bytes(request.into_body(), BODY);
    let body = tokio::time::timeout(BODY_TIME, body).await;
    let body = body.map_err(|_| bad())?.map_err(|_| bad())?;
    let Asked { request } = serde_json::from_slice(&body).map_err(|_| bad())?;
    let runs = app.board.now();
    let run = runs.get(&id).ok_or_else(|| {
        Refusal::new(
            StatusCode::NOT_FOUND,
            "no_run",
            "there is no run of that id; /v1/runs lists them",
        )
    })?;
    // What was seen last may be a moment old; a request that nobody takes up would stop the next training at its start.
    let directory = RunDirectory::open(&run.path);
    let is_training = directory
        .is_training()
        .unwrap_or(run.state == state::State::Training);
    if !is_training {
        return Err(Refusal::new(
            StatusCode::CONFLICT,
            "not_training",
            "nobody trains this run at the moment",
        ));
    }
    let written = tokio::task::spawn_blocking(move || directory.ask(request)).await;
    match written {
        Ok(Ok(())) => Ok((StatusCode::ACCEPTED, Json(json!({ "request": request })))),
        Ok(Err(error)) => Err(Refusal::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "not_written",
            error.to_string(),
        )),
        Err(_) => Err(Refusal::internal()),
    }
}

async fn nothing_here() -> Refusal {
    Refusal::new(
        StatusCode::NOT_FOUND,
        "not_found",
        "there is nothing here; the page is at /",
    )
}

async fn wrong_method() -> Refusal {
    Refusal::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "wrong_method",
        "this path has no such method",
    )
}
