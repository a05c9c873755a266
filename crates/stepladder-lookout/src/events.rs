//! Server-sent events: a page asks once, and gets an event whenever the runs change, until it goes or the server stops.

use crate::board::Runs;
use crate::run::RunView;
use crate::server::App;
use crate::view;
use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hyper::body::Frame;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::sleep;

/// The most runs that are laid over each other.
pub(crate) const MOST_SHOWN: usize = 8;

/// Events that a slow client may be behind.
const WAITING: usize = 2;

/// The least time between two events of a kind.
const LEAST: Duration = Duration::from_millis(300);

/// How often something is sent though nothing happens, so that both sides notice when the other is gone. It also renews the wish to see
/// the runs that are shown.
const PULSE: Duration = Duration::from_secs(5);

/// The stream of events for a page that shows the runs `shown`, or the foremost where that is empty. It holds the place `page` for as long.
pub(crate) fn stream(app: Arc<App>, shown: Vec<String>, page: OwnedSemaphorePermit) -> Response {
    let (sender, receiver) = mpsc::channel(WAITING);
    tokio::spawn(async move {
        follow(app, shown, sender).await;
        drop(page);
    });
    let headers = [(header::CONTENT_TYPE, "text/event-stream")];
    (headers, Body::new(Events { receiver })).into_response()
}

async fn follow(app: Arc<App>, shown: Vec<String>, sender: mpsc::Sender<Bytes>) {
    let mut runs = app.board.runs();
    let mut stopping = app.stopping.clone();
    let mut list = Last::new("runs");
    let mut view = Last::new("shown");
    loop {
        let now = Arc::clone(&runs.borrow_and_update());
        let chosen = choose(&now, &shown);
        for run in &chosen {
            app.board.wish(&run.id);
        }
        let events = [
            list.event(view::list(&now)),
            view.event(view::shown(&chosen, !shown.is_empty())),
        ];
        for event in events.into_iter().flatten() {
            if sender.send(event).await.is_err() {
                return;
            }
        }
        tokio::select! {
            () = sleep(PULSE) => {
                if sender.send(Bytes::from_static(b": nothing new\n\n")).await.is_err() {
                    return;
                }
            }
            changed = runs.changed() => if changed.is_err() {
                return;
            },
            // Whoever ends the server waits for no page.
            _ = stopping.changed() => return,
        }
        sleep(LEAST).await;
    }
}

/// The runs that a page shows, in the order in which it names them.
fn choose(runs: &Runs, shown: &[String]) -> Vec<Arc<RunView>> {
    let named = shown.iter().filter_map(|id| runs.get(id)).take(MOST_SHOWN);
    let named: Vec<Arc<RunView>> = named.cloned().collect();
    match named.is_empty() {
        true => runs.foremost().cloned().into_iter().collect(),
        false => named,
    }
}

/// The last event of a kind, so that nothing is sent twice in a row.
struct Last {
    kind: &'static str,
    data: String,
}

impl Last {
    fn new(kind: &'static str) -> Last {
        Last {
            kind,
            data: String::new(),
        }
    }

    /// The event with this document, if it is another than the last.
    fn event(&mut self, document: serde_json::Value) -> Option<Bytes> {
        // JSON as it is written here has no line breaks, which would end the event.
        let data = document.to_string();
        (data != self.data).then(|| {
            self.data = data;
            Bytes::from(format!("event: {}\ndata: {}\n\n", self.kind, self.data))
        })
    }
}

/// A body that is what was sent so far, and goes on.
struct Events {
    receiver: mpsc::Receiver<Bytes>,
}

impl hyper::body::Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = self.get_mut().receiver.poll_recv(context);
        piece.map(|piece| piece.map(|bytes| Ok(Frame::data(bytes))))
    }
}
