//! The server of the live page as a whole: bound to its address, then serving until it is told to stop.

use crate::board::{Board, Runs};
use crate::routes::routes;
use crate::state::State;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use stepladder_http::{Connections, ListenError, listen};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

/// The most connections.
const CONNECTIONS: usize = 128;

/// The most pages that follow trainings at once, each of which keeps a connection: half of them, so that others are answered.
const PAGES: usize = CONNECTIONS / 2;

/// How long a client may take to send a request's head.
const READ_TIME: Duration = Duration::from_secs(15);

/// How long what was begun may take to finish once the server is told to stop.
const GRACE: Duration = Duration::from_secs(3);

/// What to show, and where.
#[derive(Debug, Clone)]
pub struct LookoutConfig {
    /// The address to listen on; the loopback interface by default.
    pub host: IpAddr,
    /// The port; 0 takes a free one.
    pub port: u16,
    /// What a page must send to ask for something: visible ASCII.
    pub token: String,
    /// Run directories, or folders that hold them or climbs. One that is not there (yet) holds none.
    pub roots: Vec<PathBuf>,
}

impl LookoutConfig {
    /// A page on the loopback interface, at a free port.
    pub fn new(roots: Vec<PathBuf>, token: String) -> LookoutConfig {
        LookoutConfig {
            host: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 0,
            token,
            roots,
        }
    }
}

/// What every request can reach.
pub(crate) struct App {
    pub address: SocketAddr,
    pub token: String,
    pub board: Board,
    /// Changes when the server is told to stop.
    pub stopping: watch::Receiver<bool>,
    /// Places for pages that follow.
    pub pages: Arc<Semaphore>,
}

/// A server that listens.
pub struct Lookout {
    app: Arc<App>,
    stopping: watch::Sender<bool>,
    listener: TcpListener,
}

/// Why there is no live page.
#[derive(Debug, thiserror::Error)]
pub enum LookoutError {
    /// The address is taken, or none of this machine's.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The system refuses a thread.
    #[error("cannot start a thread that looks at the runs: {0}")]
    Thread(#[from] std::io::Error),
}

impl Lookout {
    /// Looks at the runs, and listens on the configured address. Requests are answered once [`Lookout::serve`] runs.
    ///
    /// # Errors
    ///
    /// The address cannot be listened on, or a thread cannot be started.
    pub async fn bind(config: LookoutConfig) -> Result<Lookout, LookoutError> {
        let (listener, address) = listen(config.host, config.port).await?;
        let (stopping, stopped) = watch::channel(false);
        Ok(Lookout {
            app: Arc::new(App {
                address,
                token: config.token,
                board: Board::start(config.roots)?,
                stopping: stopped,
                pages: Arc::new(Semaphore::new(PAGES)),
            }),
            stopping,
            listener,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.app.address
    }

    /// The names of the runs that are there, each with how it stands.
    pub fn runs(&self) -> Vec<(String, State)> {
        let runs: Arc<Runs> = self.app.board.now();
        let views = runs.views.iter();
        views.map(|view| (view.name.clone(), view.state)).collect()
    }

    /// Answers requests until `stop` is ready.
    pub async fn serve(self, stop: impl Future<Output = ()>) {
        let service = routes(Arc::clone(&self.app));
        let stopping = self.stopping;
        let stop = async move {
            stop.await;
            // Pages that follow would otherwise keep their connections.
            let _ = stopping.send(true);
        };
        Connections::new(CONNECTIONS, READ_TIME, GRACE)
            .serve(self.listener, service, stop)
            .await;
    }
}
