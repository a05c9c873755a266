//! What the commands that serve have in common: their threads, their token, and how they are told to stop.

use anyhow::Context;
use tokio::runtime::{Builder, Runtime};

/// Where the token may be given without showing in the list of processes.
const TOKEN_VARIABLE: &str = "STEPLADDER_TOKEN";

/// Threads that read requests and write answers; decoding and computing have others.
const IO_THREADS: usize = 2;

/// The threads of a server.
pub(super) fn runtime() -> anyhow::Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(IO_THREADS)
        .enable_all()
        .build()
        .context("cannot start the threads that read requests")
}

/// The token that was given, on the command line or in the environment.
pub(super) fn token(given: &Option<String>) -> anyhow::Result<Option<String>> {
    let token = given.clone().or_else(|| std::env::var(TOKEN_VARIABLE).ok());
    anyhow::ensure!(
        token.as_deref().is_none_or(stepladder_http::caller::is_token),
        "the token must be of visible ASCII characters, without spaces; choose another --token or {TOKEN_VARIABLE}"
    );
    Ok(token)
}

/// Ready at the first Ctrl-C or SIGTERM; the second ends the program at once.
pub(super) fn stopped() -> anyhow::Result<impl Future<Output = ()>> {
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    crate::signals::on_stop(move || {
        // Whoever waited may have stopped for another reason.
        let _ = sender.send(());
    })?;
    Ok(async move {
        receiver.recv().await;
    })
}
