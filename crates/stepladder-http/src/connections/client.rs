//! Who is connected, and how far each is with its request: so that a place can be taken from whoever does not use it.

use axum::http::Request;
use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Instant;
use tokio::sync::Notify;

/// All clients, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Clients(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    next: u64,
    connected: BTreeMap<u64, Arc<Client>>,
}

/// A connection.
#[derive(Debug)]
pub(super) struct Client {
    number: u64,
    phase: Mutex<Phase>,
    dismissal: Notify,
}

/// How far a client is with its request.
#[derive(Debug, Clone, Copy)]
enum Phase {
    /// It is its turn: it sends a request, or could, since then.
    Asks(Instant),
    /// The request is there in full, and the answer is made or sent.
    IsAnswered,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Clients {
    pub fn enter(&self) -> Arc<Client> {
        let mut table = locked(&self.0);
        let client = Arc::new(Client {
            number: table.next,
            phase: Mutex::new(Phase::Asks(Instant::now())),
            dismissal: Notify::new(),
        });
        table.next += 1;
        table.connected.insert(client.number, Arc::clone(&client));
        client
    }

    pub fn leave(&self, client: &Client) {
        locked(&self.0).connected.remove(&client.number);
    }

    /// Sends away the client that has taken longest with its request, if any is at it.
    pub fn dismiss_one(&self) {
        let mut table = locked(&self.0);
        let asking = table
            .connected
            .values()
            .filter_map(|client| match *locked(&client.phase) {
                Phase::Asks(since) => Some((since, client.number)),
                Phase::IsAnswered => None,
            });
        if let Some((_, number)) = asking.min()
            && let Some(client) = table.connected.remove(&number)
        {
            client.dismissal.notify_one();
        }
    }
}

impl Client {
    /// The head of a request is there.
    pub fn begin<B: Body>(&self, request: &Request<B>) {
        match request.body().is_end_stream() {
            true => self.is_answered(),
            false => self.asks(),
        }
    }

    fn asks(&self) {
        *locked(&self.phase) = Phase::Asks(Instant::now());
    }

    fn is_answered(&self) {
        *locked(&self.phase) = Phase::IsAnswered;
    }

    /// Ready once the client is sent away.
    pub async fn dismissed(&self) {
        self.dismissal.notified().await;
    }
}

/// A request's body, at whose end the client's turn is over.
pub(super) struct Received {
    body: Incoming,
    client: Arc<Client>,
}

impl Received {
    pub fn new(body: Incoming, client: Arc<Client>) -> Received {
        Received { body, client }
    }
}

impl Body for Received {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if frame.is_none() || self.body.is_end_stream() {
            self.client.is_answered();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// An answer's body, at whose end it is the client's turn again.
pub(super) struct Sent {
    body: axum::body::Body,
    client: Arc<Client>,
}

impl Sent {
    pub fn new(body: axum::body::Body, client: Arc<Client>) -> Sent {
        Sent { body, client }
    }
}

impl Body for Sent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        self.client.asks();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_that_takes_longest_goes_and_nobody_who_is_answered() {
        let clients = Clients::default();
        let [first, second, third] = [(); 3].map(|()| clients.enter());
        first.is_answered();
        third.asks();
        second.asks();
        clients.dismiss_one();
        let left: Vec<u64> = locked(&clients.0).connected.keys().copied().collect();
        assert_eq!(left, [first.number, second.number], "the third asks for longest");
        clients.dismiss_one();
        clients.dismiss_one();
        let left: Vec<u64> = locked(&clients.0).connected.keys().copied().collect();
        assert_eq!(left, [first.number]);
    }
}
