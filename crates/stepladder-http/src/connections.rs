//! Connections: accepted up to a number, each with little time to say what it wants, and finished rather than cut when the
//! server stops. Where all places are taken, whoever has kept one longest without asking anything makes room.

mod client;
mod socket;

use crate::refusal::Refusal;
use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use client::{Client, Clients, Received, Sent};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use socket::Socket;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// The largest head of a request, in bytes.
const HEAD_BYTES: usize = 64 << 10;

/// How long to wait after an error of accepting, such as too many open files, and for a place that was made free.
const PAUSE: Duration = Duration::from_millis(50);

/// How long a stopping server goes on accepting what the system has queued for it, in all.
const LAST_CALL: Duration = Duration::from_millis(20);

/// The answer to a head that took too long: hyper, which reads heads, gives none. In the form of a [`crate::Refusal`].
const TOO_SLOW: &str = concat!(
    "HTTP/1.1 408 Request Timeout\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: 100\r\n\r\n",
    r#"{"error":{"code":"too_slow","message":"the head of the request took too long to arrive; try again"}}"#,
);

/// How many connections there may be, and how patient the server is with them.
#[derive(Debug)]
pub struct Connections {
    most: usize,
    /// Places that are free.
    places: Arc<Semaphore>,
    clients: Arc<Clients>,
    patience: Duration,
    grace: Duration,
}

impl Connections {
    /// At most `most` connections, and no more than the system has descriptors for. A client may take `patience` to send a request's head,
    /// and to take any piece of the answer; what was begun may take `grace` to finish once the server is told to stop.
    pub fn new(most: usize, patience: Duration, grace: Duration) -> Connections {
        let most = most.min(crate::descriptors::for_connections());
        Connections {
            most,
            places: Arc::new(Semaphore::new(most)),
            clients: Arc::default(),
            patience,
            grace,
        }
    }

    /// Open connections.
    pub fn open(&self) -> usize {
        self.most - self.places.available_permits()
    }

    /// Serves each connection with `service` until `stop` is ready; then accepts what is queued already, answers what was
    /// asked, and returns when that is done or the grace is over.
    pub async fn serve(&self, listener: TcpListener, service: Router, stop: impl Future<Output = ()>) {
        let graceful = GracefulShutdown::new();
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(self.patience)
            .max_buf_size(HEAD_BYTES);
        let serve = |stream: TcpStream, place: OwnedSemaphorePermit| {
            // Answers are small, and whoever asks waits for them.
            let _ = stream.set_nodelay(true);
            let socket = Socket::new(stream, self.patience);
            let said = socket.clone();
            let client = self.clients.enter();
            let (service, asking) = (service.clone(), Arc::clone(&client));
            let service = service_fn(move |request| answer(service.clone(), request, Arc::clone(&asking)));
            let connection = graceful.watch(builder.serve_connection(TokioIo::new(socket), service));
            let clients = Arc::clone(&self.clients);
            tokio::spawn(async move {
                tokio::select! {
                    // A client that breaks off or speaks no HTTP is no news.
                    ended = connection => if ended.is_err_and(|error| error.is_timeout()) {
                        said.say(TOO_SLOW.as_bytes());
                    },
                    () = client.dismissed() => {}
                }
                clients.leave(&client);
                drop(place);
            });
        };
        tokio::pin!(stop);
        loop {
            let next = async { (listener.accept().await, self.place().await) };
            tokio::select! {
                () = &mut stop => break,
                (stream, place) = next => match stream {
                    Ok((stream, _)) => serve(stream, place),
                    // Too many open files, perhaps: one fewer is a beginning.
                    Err(_) => {
                        self.clients.dismiss_one();
                        tokio::time::sleep(PAUSE).await;
                    }
                },
            }
        }
        let queued = async {
            while let (Ok((stream, _)), Ok(place)) = (
                listener.accept().await,
                Arc::clone(&self.places).try_acquire_owned(),
            ) {
                serve(stream, place);
            }
        };
        let _ = timeout(LAST_CALL, queued).await;
        drop(listener);
        let _ = timeout(self.grace, graceful.shutdown()).await;
    }

    /// A place for a connection that has come: a free one, else that of a client which does not ask anything.
    async fn place(&self) -> OwnedSemaphorePermit {
        loop {
            if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
                return place;
            }
            self.clients.dismiss_one();
            if let Ok(Ok(place)) = timeout(PAUSE, Arc::clone(&self.places).acquire_owned()).await {
                return place;
            }
        }
    }
}

/// Answers a request, and notes how far it is.
async fn answer(
    service: Router,
    request: Request<Incoming>,
    client: Arc<Client>,
) -> Result<Response<Body>, Infallible> {
    client.begin(&request);
    let response = match head_bytes(&request) <= HEAD_BYTES {
        true => {
            let request = request.map(|body| Received::new(body, Arc::clone(&client)));
            TowerToHyperService::new(service).call(request).await?
        }
        false => head_too_large(),
    };
    Ok(response.map(|body| Body::new(Sent::new(body, client))))
}

/// The length of a request's head, but for its version. What is read at once may be longer than hyper's own bound.
fn head_bytes<B>(request: &Request<B>) -> usize {
    // Of each line, the colon, the space, and the end.
    let lines = request
        .headers()
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + 4);
    let uri = request.uri();
    let target = uri.path_and_query().map_or(0, |target| target.as_str().len())
        + uri.authority().map_or(0, |authority| authority.as_str().len());
    request.method().as_str().len() + target + lines.sum::<usize>()
}

fn head_too_large() -> Response<Body> {
    let mut response = Refusal::new(
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        "head_too_large",
        format!("the head of the request is longer than {HEAD_BYTES} bytes"),
    )
    .into_response();
    let close = header::HeaderValue::from_static("close");
    response.headers_mut().insert(header::CONNECTION, close);
    response
}
