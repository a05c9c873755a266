//! A connection's socket, with one descriptor for hyper and for what is said when hyper is done; and with a bound on how long a client may
//! take nothing of its answer.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

pub(super) struct Socket {
    stream: Arc<TcpStream>,
    patience: Duration,
    /// Runs while the client takes nothing.
    limit: Option<Pin<Box<Sleep>>>,
}

impl Socket {
    pub fn new(stream: TcpStream, patience: Duration) -> Socket {
        Socket {
            stream: Arc::new(stream),
            patience,
            limit: None,
        }
    }

    /// The same socket once more.
    pub fn clone(&self) -> Socket {
        Socket {
            stream: Arc::clone(&self.stream),
            patience: self.patience,
            limit: None,
        }
    }

    /// Says a last word without waiting; what is not taken at once is not said.
    pub fn say(&self, bytes: &[u8]) {
        let _ = self.stream.try_write(bytes);
        end(&self.stream);
    }

    /// Does `write` as soon as the client takes something.
    fn poll_writing(
        &mut self,
        context: &mut Context<'_>,
        write: impl Fn(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        while self.stream.poll_write_ready(context)?.is_ready() {
            match write(&self.stream) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                outcome => {
                    self.limit = None;
                    return Poll::Ready(outcome);
                }
            }
        }
        let patience = self.patience;
        let limit = self.limit.get_or_insert_with(|| Box::pin(sleep(patience)));
        ready!(limit.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            ready!(self.stream.poll_read_ready(context))?;
            match self.stream.try_read(buffer.initialize_unfilled()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
                Ok(count) => {
                    buffer.advance(count);
                    return Poll::Ready(Ok(()));
                }
            }
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut()
            .poll_writing(context, |stream| stream.try_write(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut()
            .poll_writing(context, |stream| stream.try_write_vectored(pieces))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        end(&self.stream);
        Poll::Ready(Ok(()))
    }
}

/// Nothing more is said. Where a request was not read to its end, closing alone would take back what was.
#[cfg(unix)]
fn end(stream: &TcpStream) {
    // Whoever is gone needs not be told.
    let _ = rustix::net::shutdown(stream, rustix::net::Shutdown::Write);
}

#[cfg(not(unix))]
fn end(_stream: &TcpStream) {}
