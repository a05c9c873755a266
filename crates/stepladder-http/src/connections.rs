//! Connections: accepted up to a number, each with little time to say what it wants, and finished rather than cut when the
//! server stops.

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The largest head of a request, in bytes.
const HEAD_BYTES: usize = 64 << 10;

/// How long to wait after an error of accepting, such as too many open files.
const PAUSE: Duration = Duration::from_millis(50);

/// How long a stopping server goes on accepting what the system has queued for it.
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
    sockets: Arc<Semaphore>,
    read_time: Duration,
    grace: Duration,
}

impl Connections {
    /// At most `most` connections; others wait until one of them is closed. A client may take `read_time` to send a request's
    /// head, and what was begun may take `grace` to finish once the server is told to stop.
    pub fn new(most: usize, read_time: Duration, grace: Duration) -> Connections {
        Connections {
            most,
            sockets: Arc::new(Semaphore::new(most)),
            read_time,
            grace,
        }
    }

    /// Open connections.
    pub fn open(&self) -> usize {
        self.most - self.sockets.available_permits()
    }

    /// Serves each connection with `service` until `stop` is ready; then accepts what is queued already, answers what was
    /// asked, and returns when that is done or the grace is over.
    pub async fn serve(&self, listener: TcpListener, service: Router, stop: impl Future<Output = ()>) {
        let graceful = GracefulShutdown::new();
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(self.read_time)
            .max_buf_size(HEAD_BYTES);
        let serve = |stream: TcpStream, socket: OwnedSemaphorePermit| {
            // Answers are small, and whoever asks waits for them.
            let _ = stream.set_nodelay(true);
            let Ok((stream, twin)) = doubled(stream) else {
                return;
            };
            let service = TowerToHyperService::new(service.clone());
            let connection = graceful.watch(builder.serve_connection(TokioIo::new(stream), service));
            tokio::spawn(async move {
                // A client that breaks off or speaks no HTTP is no news.
                if connection.await.is_err_and(|error| error.is_timeout()) {
                    let _ = (&twin).write_all(TOO_SLOW.as_bytes());
                }
                drop(socket);
            });
        };
        tokio::pin!(stop);
        loop {
            let next = async {
                let socket = Arc::clone(&self.sockets).acquire_owned().await;
                (listener.accept().await, socket)
            };
            tokio::select! {
                () = &mut stop => break,
                (stream, socket) = next => match (stream, socket) {
                    (Ok((stream, _)), Ok(socket)) => serve(stream, socket),
                    _ => tokio::time::sleep(PAUSE).await,
                },
            }
        }
        while let Ok(socket) = Arc::clone(&self.sockets).try_acquire_owned() {
            match tokio::time::timeout(LAST_CALL, listener.accept()).await {
                Ok(Ok((stream, _))) => serve(stream, socket),
                _ => break,
            }
        }
        drop(listener);
        let _ = tokio::time::timeout(self.grace, graceful.shutdown()).await;
    }
}

/// `stream`, and the same socket once more, without waiting, for what is to be said when hyper is done with the first.
fn doubled(stream: TcpStream) -> std::io::Result<(TcpStream, std::net::TcpStream)> {
    let stream = stream.into_std()?;
    let twin = stream.try_clone()?;
    Ok((TcpStream::from_std(stream)?, twin))
}
