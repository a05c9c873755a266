//! Listening on an address, or saying why that cannot be.

use std::io;
use std::net::{IpAddr, SocketAddr};
use tokio::net::TcpListener;

/// How many ports after one that is taken are looked at for a free one.
const LOOKED_AT: u16 = 20;

/// The address is taken, or none of this machine's.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}")]
pub struct ListenError {
    /// The address.
    pub address: SocketAddr,
    /// The system's refusal.
    pub source: io::Error,
    /// Where the port is taken: one of the next that was free a moment ago.
    pub free: Option<u16>,
}

/// Listens on a port of an address, 0 for a free one, and says which it is.
///
/// # Errors
///
/// The system refuses.
pub async fn listen(host: IpAddr, port: u16) -> Result<(TcpListener, SocketAddr), ListenError> {
    let address = SocketAddr::new(host, port);
    let bound = async || -> io::Result<(TcpListener, SocketAddr)> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    match bound().await {
        Ok(bound) => Ok(bound),
        Err(source) => Err(ListenError {
            address,
            free: match source.kind() {
                io::ErrorKind::AddrInUse => free_after(address).await,
                _ => None,
            },
            source,
        }),
    }
}

/// The first port after that of `taken` on which one could listen.
async fn free_after(taken: SocketAddr) -> Option<u16> {
    let last = taken.port().saturating_add(LOOKED_AT);
    for port in taken.port().checked_add(1)?..=last {
        if TcpListener::bind(SocketAddr::new(taken.ip(), port)).await.is_ok() {
            return Some(port);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[tokio::test]
    async fn a_taken_port_has_a_free_one_behind_it() {
        let host = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let (_taken, address) = listen(host, 0).await.unwrap();
        let error = listen(host, address.port()).await.unwrap_err();
        assert_eq!(error.address, address);
        if let Some(free) = error.free {
            assert!((1..=LOOKED_AT).contains(&(free - address.port())), "{free}");
        }
        // Without a permission or an address, no other port would do.
        let elsewhere = listen(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 0)
            .await
            .unwrap_err();
        assert_eq!(elsewhere.free, None);
    }
}
