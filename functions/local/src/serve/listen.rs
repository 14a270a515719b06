//! The two ports.

use std::net::SocketAddr;

use tokio::net::TcpListener;

/// A port that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    #[error("{address} is in use; stop the other process or choose another address with {option}")]
    InUse { address: SocketAddr, option: &'static str },
    #[error("cannot listen on {address}: {source}")]
    Failed {
        address: SocketAddr,
        #[source]
        source: std::io::Error,
    },
}

/// Binds an address that `option` sets.
pub(crate) async fn bind(address: SocketAddr, option: &'static str) -> Result<TcpListener, ListenError> {
    TcpListener::bind(address).await.map_err(|source| match source.kind() {
        std::io::ErrorKind::AddrInUse => ListenError::InUse { address, option },
        _ => ListenError::Failed { address, source },
    })
}
