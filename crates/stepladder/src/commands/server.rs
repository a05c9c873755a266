//! What the commands that serve have in common: their threads, their token, and how they are told to stop.

use crate::signals::{Hangup, on_stop};
use anyhow::Context;
use std::io::ErrorKind;
use stepladder_http::ListenError;
use tokio::runtime::{Builder, Runtime};

/// Where the token may be given without showing in the list of processes.
pub(super) const TOKEN_VARIABLE: &str = "STEPLADDER_TOKEN";

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
    // What is no UTF-8 is no token, and by no means none: a server that ignored it would answer everybody.
    let from_environment =
        || std::env::var_os(TOKEN_VARIABLE).map(|token| token.to_string_lossy().into_owned());
    let token = given.clone().or_else(from_environment);
    anyhow::ensure!(
        token.as_deref().is_none_or(stepladder_http::caller::is_token),
        "the token must be of visible ASCII characters, without spaces; choose another --token or {TOKEN_VARIABLE}"
    );
    Ok(token)
}

/// Ends the threads of a server. What still reads or computes for nobody is not waited for.
pub(super) fn end(runtime: Runtime) {
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
}

/// Why a server does not listen, with what to choose instead.
pub(super) fn not_listening(error: impl Into<anyhow::Error>) -> anyhow::Error {
    let error = error.into();
    let listening = error
        .chain()
        .find_map(|cause| cause.downcast_ref::<ListenError>());
    let remedy = match listening {
        None => return error,
        Some(ListenError { free: Some(free), .. }) => {
            format!("take --port {free}, which is free, or end what has that one")
        }
        Some(ListenError { source, .. }) if source.kind() == ErrorKind::PermissionDenied => {
            String::from("take a --port from 1024 on, e.g. --port 8080")
        }
        Some(_) => String::from("choose another --port or --host; --port 0 takes a free one"),
    };
    anyhow::anyhow!("{error}; {remedy}")
}

/// Ready at the first Ctrl-C or SIGTERM, or when the terminal is closed; the second ends the program at once.
pub(super) fn stopped() -> anyhow::Result<impl Future<Output = ()>> {
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    on_stop(Hangup::Stops, move || {
        // Whoever waited may have stopped for another reason.
        let _ = sender.send(());
    })?;
    Ok(async move {
        receiver.recv().await;
    })
}
