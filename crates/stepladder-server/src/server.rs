//! The server as a whole: bound to its address, then serving until it is told to stop.

use crate::bodies::Bodies;
use crate::config::ServerConfig;
use crate::metrics::Metrics;
use crate::models::{Models, Reload};
use crate::queue::Queue;
use crate::routes::routes;
use axum::http::HeaderValue;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use stepladder_http::{Connections, ListenError, listen};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// Why a server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The address is taken, or none of this machine's.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The system refuses threads.
    #[error("cannot start {threads} threads: {reason}; give a smaller --threads")]
    Threads {
        /// How many were asked for.
        threads: usize,
        /// The refusal.
        reason: String,
    },
}

/// Something that whoever runs the server should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// A newer model file answers from now on.
    Reloaded {
        /// The model's name.
        model: String,
    },
    /// A newer model file cannot be loaded, and the one before goes on.
    NotReloaded {
        /// The model's name.
        model: String,
        /// Why.
        reason: String,
    },
}

/// What every request can reach.
pub(crate) struct App {
    pub config: ServerConfig,
    pub address: SocketAddr,
    pub models: Models,
    pub queue: Queue,
    pub pool: Arc<rayon::ThreadPool>,
    pub metrics: Arc<Metrics>,
    pub bodies: Bodies,
    /// How many bodies are taken apart at once.
    pub parsing: Arc<Semaphore>,
    pub connections: Connections,
}

impl App {
    /// Whether pages of this origin may ask.
    pub fn allows_origin(&self, origin: &HeaderValue) -> bool {
        self.config
            .origins
            .iter()
            .any(|allowed| allowed.as_bytes() == origin.as_bytes())
    }
}

/// A server that listens.
pub struct Server {
    app: Arc<App>,
    listener: TcpListener,
    worker: JoinHandle<()>,
}

impl Server {
    /// Listens on the configured address. Requests are answered once [`Server::serve`] runs.
    ///
    /// # Errors
    ///
    /// The address cannot be listened on, or threads cannot be started.
    pub async fn bind(config: ServerConfig, models: Models) -> Result<Server, ServerError> {
        let (listener, address) = listen(config.host, config.port).await?;
        let threads = |reason: String| ServerError::Threads {
            threads: config.threads,
            reason,
        };
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(config.threads)
            .thread_name(|number| format!("compute-{number}"))
            .build();
        let pool = Arc::new(pool.map_err(|error| threads(error.to_string()))?);
        let metrics = Arc::new(Metrics::new());
        let started = Queue::start(
            config.queue,
            config.batch,
            Arc::clone(&pool),
            Arc::clone(&metrics),
        );
        let (queue, worker) = started.map_err(|error| threads(error.to_string()))?;
        let app = Arc::new(App {
            bodies: Bodies::new(config.bodies_bytes),
            parsing: Arc::new(Semaphore::new(config.threads.max(1))),
            connections: Connections::new(config.connections, config.read_time, config.grace),
            address,
            models,
            queue,
            pool,
            metrics,
            config,
        });
        Ok(Server {
            app,
            listener,
            worker,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.app.address
    }

    /// Answers requests until `stop` is ready. Requests that were begun by then are answered, within the configured grace;
    /// what happens on the way is told to `notice`.
    pub async fn serve(
        self,
        stop: impl Future<Output = ()>,
        notice: impl Fn(Notice) + Send + Sync + 'static,
    ) {
        let reloading = tokio::spawn(reload(Arc::clone(&self.app), notice));
        let service = routes(Arc::clone(&self.app));
        self.app.connections.serve(self.listener, service, stop).await;
        reloading.abort();
        let _ = reloading.await;
        // The last holder of the queue ends its thread, unless a request is stuck beyond its grace.
        if let Ok(app) = Arc::try_unwrap(self.app).map_err(drop) {
            drop(app);
            let worker = self.worker;
            let _ = tokio::task::spawn_blocking(move || worker.join()).await;
        }
    }
}

/// Looks for newer model files now and then.
async fn reload(app: Arc<App>, notice: impl Fn(Notice) + Send + Sync + 'static) {
    let notice = Arc::new(notice);
    loop {
        tokio::time::sleep(app.config.reload_every).await;
        let (models, told) = (Arc::clone(&app), Arc::clone(&notice));
        let refreshed = tokio::task::spawn_blocking(move || {
            for reload in models.models.refresh() {
                models.metrics.reload(matches!(reload, Reload::Done(_)));
                told(match reload {
                    Reload::Done(model) => Notice::Reloaded { model },
                    Reload::Failed(model, error) => Notice::NotReloaded {
                        model,
                        reason: error.to_string(),
                    },
                });
            }
        });
        let _ = refreshed.await;
    }
}
