//! The memory for the bodies of all requests together: taken as their bytes arrive, and taken back from whoever has begun a body and sends
//! nothing more, when another needs it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Bytes for which one permit stands.
const UNIT: usize = 4096;

/// Whoever has sent nothing for so long makes room for others.
const STALLED: Duration = Duration::from_millis(200);

/// How long a body waits for room.
const WAIT: Duration = Duration::from_millis(500);

/// Room for bodies.
#[derive(Debug)]
pub(crate) struct Bodies {
    room: Arc<Semaphore>,
    arriving: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    next: u64,
    bodies: BTreeMap<u64, Arrival>,
}

/// A body that is not there in full.
#[derive(Debug)]
struct Arrival {
    /// When its last piece came.
    last: Instant,
    /// Whether it holds room that others could use.
    holds_room: bool,
    given_up: Arc<Notify>,
}

impl Bodies {
    /// Room for `bytes`.
    pub fn new(bytes: usize) -> Bodies {
        Bodies {
            room: Arc::new(Semaphore::new((bytes / UNIT).max(1))),
            arriving: Mutex::default(),
        }
    }

    /// A body that begins to arrive.
    pub fn begin(&self) -> Body<'_> {
        let mut table = self.table();
        let number = table.next;
        table.next += 1;
        let given_up = Arc::new(Notify::new());
        let arrival = Arrival {
            last: Instant::now(),
            holds_room: false,
            given_up: Arc::clone(&given_up),
        };
        table.bodies.insert(number, arrival);
        Body {
            of: self,
            number,
            given_up,
            room: None,
            bytes: 0,
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.arriving.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives up the body that has stalled for longest, other than `except`.
    fn give_up_one(&self, except: u64) {
        let mut table = self.table();
        let stalled = table
            .bodies
            .iter()
            .filter(|(number, body)| **number != except && body.holds_room && body.last.elapsed() >= STALLED);
        let longest = stalled
            .min_by_key(|(_, body)| body.last)
            .map(|(number, _)| *number);
        if let Some(body) = longest.and_then(|number| table.bodies.remove(&number)) {
            body.given_up.notify_one();
        }
    }
}

/// A body on its way.
#[derive(Debug)]
pub(crate) struct Body<'a> {
    of: &'a Bodies,
    number: u64,
    given_up: Arc<Notify>,
    room: Option<OwnedSemaphorePermit>,
    bytes: usize,
}

impl Body<'_> {
    /// Takes room for `bytes` more, which have arrived; false if there is none.
    pub async fn grow(&mut self, bytes: usize) -> bool {
        self.bytes += bytes;
        let held = self.room.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let missing = self.bytes.div_ceil(UNIT).saturating_sub(held);
        let Ok(missing) = u32::try_from(missing) else {
            return false;
        };
        let Some(more) = self.more(missing).await else {
            return false;
        };
        match &mut self.room {
            Some(room) => room.merge(more),
            none => *none = Some(more),
        }
        if let Some(arrival) = self.of.table().bodies.get_mut(&self.number) {
            (arrival.last, arrival.holds_room) = (Instant::now(), true);
        }
        true
    }

    async fn more(&self, permits: u32) -> Option<OwnedSemaphorePermit> {
        let began = Instant::now();
        loop {
            if let Ok(more) = Arc::clone(&self.of.room).try_acquire_many_owned(permits) {
                return Some(more);
            }
            self.of.give_up_one(self.number);
            let more = Arc::clone(&self.of.room).acquire_many_owned(permits);
            match timeout(STALLED / 4, more).await {
                Ok(more) => return more.ok(),
                Err(_) if began.elapsed() < WAIT => {}
                Err(_) => return None,
            }
        }
    }

    /// Ready if the body has stalled and its room was needed.
    pub async fn given_up(&self) {
        self.given_up.notified().await;
    }

    /// The body is there in full; what it holds is given back when the permit is dropped.
    pub fn end(mut self) -> Option<OwnedSemaphorePermit> {
        self.room.take()
    }
}

impl Drop for Body<'_> {
    fn drop(&mut self) {
        self.of.table().bodies.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn room_is_taken_by_what_arrived_and_given_back() {
        let bodies = Bodies::new(8 * UNIT);
        let mut body = bodies.begin();
        assert!(body.grow(1).await && body.grow(UNIT).await);
        assert_eq!(bodies.room.available_permits(), 6);
        let held = body.end();
        assert_eq!(bodies.room.available_permits(), 6);
        drop(held);
        assert_eq!(bodies.room.available_permits(), 8);
        assert!(bodies.table().bodies.is_empty());
    }

    #[tokio::test]
    async fn a_body_that_stalls_makes_room_and_one_that_is_whole_does_not() {
        let bodies = Bodies::new(2 * UNIT);
        let mut whole = bodies.begin();
        assert!(whole.grow(UNIT).await);
        let whole = whole.end();
        let mut stalled = bodies.begin();
        assert!(stalled.grow(UNIT).await);
        let mut body = bodies.begin();
        let (grown, ()) = tokio::join!(body.grow(UNIT), async {
            stalled.given_up().await;
            drop(stalled);
        });
        assert!(grown);
        assert!(!bodies.begin().grow(UNIT + 1).await, "nobody stalls any more");
        drop(whole);
    }
}
