//! Photos of all requests, waiting for the network: one bounded queue, one thread that takes whatever is waiting, up to a batch,
//! and no clock. A lone photo is computed at once; while it is, others gather, so that batches grow with the load.

use crate::metrics::Metrics;
use crate::models::Loaded;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use stepladder_classifier::{NotFinite, ranked};
use stepladder_http::Refusal;
use stepladder_nn::HeatMap;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

/// A photo to be asked about.
pub(crate) struct Job {
    pub model: Arc<Loaded>,
    /// As the model's predictor prepared it.
    pub image: Vec<f32>,
    /// Whether its mirror image is asked about too.
    pub flips: bool,
    /// Whether a heat map of the best class is wanted.
    pub heat: bool,
}

/// What the model says of a photo.
#[derive(Debug)]
pub(crate) struct Answered {
    /// Of each class.
    pub probabilities: Vec<f32>,
    pub heat: Option<HeatMap>,
}

/// Where jobs go.
pub(crate) struct Queue {
    jobs: mpsc::UnboundedSender<Waiting>,
    room: Arc<Semaphore>,
    places: usize,
}

/// A place in the queue for some photos, given back when it is dropped.
pub(crate) type Places = OwnedSemaphorePermit;

/// A job, and where its answer goes.
struct Waiting {
    job: Job,
    reply: oneshot::Sender<Result<Answered, NotFinite>>,
}

impl Queue {
    /// A queue with `places`, and the thread that works it off in batches of at most `batch` on the threads of `pool`. The
    /// thread ends when the queue is dropped and empty.
    pub fn start(
        places: usize,
        batch: usize,
        pool: Arc<rayon::ThreadPool>,
        metrics: Arc<Metrics>,
    ) -> std::io::Result<(Queue, JoinHandle<()>)> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let worker = std::thread::Builder::new()
            .name("batches".into())
            .spawn(move || work(receiver, batch.max(1), &pool, &metrics))?;
        let queue = Queue {
            jobs: sender,
            room: Arc::new(Semaphore::new(places)),
            places,
        };
        Ok((queue, worker))
    }

    /// Places for `photos`, or a 429. They are taken before photos are decoded, so that decoded photos are bounded as well.
    pub fn reserve(&self, photos: usize) -> Result<Places, Refusal> {
        let photos = u32::try_from(photos).unwrap_or(u32::MAX);
        Arc::clone(&self.room)
            .try_acquire_many_owned(photos)
            .map_err(|_| Refusal::busy("all places in the queue are taken"))
    }

    /// Photos that are decoded, computed or waiting.
    pub fn taken(&self) -> usize {
        self.places - self.room.available_permits()
    }

    /// The answer to a job, for which a place is held.
    pub async fn ask(&self, job: Job) -> Result<Result<Answered, NotFinite>, Refusal> {
        let (reply, answer) = oneshot::channel();
        // The worker outlives the queue, and drops a job without an answer only where the network failed on it.
        let _ = self.jobs.send(Waiting { job, reply });
        answer.await.map_err(|_| Refusal::internal())
    }
}

/// Works jobs off until nobody can send any more.
fn work(
    mut jobs: mpsc::UnboundedReceiver<Waiting>,
    most: usize,
    pool: &rayon::ThreadPool,
    metrics: &Metrics,
) {
    let mut waiting = VecDeque::new();
    loop {
        if waiting.is_empty() {
            match jobs.blocking_recv() {
                Some(job) => waiting.push_back(job),
                None => return,
            }
        }
        while let Ok(job) = jobs.try_recv() {
            waiting.push_back(job);
        }
        // Nobody waits for these any more.
        waiting.retain(|job: &Waiting| !job.reply.is_closed());
        let batch = next_batch(&mut waiting, most);
        if !batch.is_empty() {
            metrics.batch(batch.len());
            // A panic costs the batch's requests a 500, not the server its life.
            let _ = catch_unwind(AssertUnwindSafe(|| pool.install(|| answer(batch))));
        }
    }
}

/// Takes the oldest job, and others that the same network can take along, in order.
fn next_batch(waiting: &mut VecDeque<Waiting>, most: usize) -> Vec<Waiting> {
    let Some(first) = waiting.pop_front() else {
        return Vec::new();
    };
    let mut batch = vec![first];
    let mut at = 0;
    while at < waiting.len() && batch.len() < most {
        if same_pass(&batch[0].job, &waiting[at].job) {
            batch.extend(waiting.remove(at));
        } else {
            at += 1;
        }
    }
    batch
}

fn same_pass(a: &Job, b: &Job) -> bool {
    Arc::ptr_eq(&a.model, &b.model) && a.flips == b.flips
}

/// Asks the network, and answers.
fn answer(batch: Vec<Waiting>) {
    let model = Arc::clone(&batch[0].job.model);
    let predictor = match batch[0].job.flips {
        true => &model.flipped,
        false => &model.plain,
    };
    let images: Vec<&[f32]> = batch.iter().map(|waiting| waiting.job.image.as_slice()).collect();
    let answers = predictor.predict(images.concat());
    for (Waiting { job, reply }, answer) in batch.into_iter().zip(answers) {
        let answered = answer.map(|probabilities| {
            let best = ranked(&probabilities)[0];
            let heat = match job.heat {
                true => predictor.heat_map(job.image, best),
                false => None,
            };
            Answered { probabilities, heat }
        });
        // Whoever asked may be gone.
        let _ = reply.send(answered);
    }
}
