//! Listening on an address, or saying why that cannot be.

use std::io;
use std::net::{IpAddr, SocketAddr};
use tokio::net::TcpListener;

/// The address is taken, or none of this machine's.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}; choose another with --port or --host")]
pub struct ListenError {
    /// The address.
    pub address: SocketAddr,
    /// The system's refusal.
    pub source: io::Error,
}

/// Listens on a port of an address, 0 for a free one, and says which it is.
///
/// # Errors
///
/// The system refuses.
pub async fn listen(host: IpAddr, port: u16) -> Result<(TcpListener, SocketAddr), ListenError> {
    let address = SocketAddr::new(host, port);
    let failed = |source| ListenError { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}
