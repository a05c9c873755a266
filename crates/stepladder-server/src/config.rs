//! What a server may be told: where to listen, whom to believe, and how much of everything to accept.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// The settings of a server. [`ServerConfig::default`] is safe on a machine of one's own.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// The address to listen on; the loopback interface by default.
    pub host: IpAddr,
    /// The port; 0 takes a free one.
    pub port: u16,
    /// What clients must send as `Authorization: Bearer`, if anything.
    pub token: Option<String>,
    /// Origins whose pages may ask, as browsers name them (`https://example.org`); none by default.
    pub origins: Vec<String>,
    /// Threads that decode and compute.
    pub threads: usize,
    /// The most photos that go through the network at once.
    pub batch: usize,
    /// The most photos that are decoded, computed or waiting; a request that would exceed it gets a 429.
    pub queue: usize,
    /// The largest body of a request, in bytes.
    pub body_bytes: usize,
    /// The bodies of all requests together, in bytes; a request that would exceed it gets a 429.
    pub bodies_bytes: usize,
    /// The most pixels of a photo.
    pub pixels: u64,
    /// The most photos of a request.
    pub photos: usize,
    /// The most connections; others wait until one of them is closed.
    pub connections: usize,
    /// How long a client may take to send a request's head, and again its body.
    pub read_time: Duration,
    /// How long a request may wait for its answer.
    pub answer_time: Duration,
    /// How long requests may take to finish once the server is told to stop.
    pub grace: Duration,
    /// How often model files are looked at for newer ones.
    pub reload_every: Duration,
}

impl Default for ServerConfig {
    fn default() -> ServerConfig {
        ServerConfig {
            host: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 8080,
            token: None,
            origins: Vec::new(),
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            batch: 32,
            queue: 256,
            body_bytes: 32 << 20,
            bodies_bytes: 512 << 20,
            pixels: 50_000_000,
            photos: 64,
            connections: 512,
            read_time: Duration::from_secs(15),
            answer_time: Duration::from_secs(60),
            grace: Duration::from_secs(30),
            reload_every: Duration::from_secs(2),
        }
    }
}
