//! A server with a small model on a free port, and a client that sends exactly the bytes it is told to.
#![allow(dead_code, reason = "each test file uses a part of it")]

use serde_json::Value;
use std::io::{Cursor, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;
use stepladder_classifier::{Classifier, Temperature};
use stepladder_model::RungCatalog;
use stepladder_nn::{Device, Model};
use stepladder_server::{Models, Notice, Server, ServerConfig};
use tokio::sync::oneshot;

/// Side of the model's input.
pub const SIZE: usize = 32;

pub const CLASSES: [&str; 3] = ["daisy", "roses", "tulips"];

/// A network that has learned nothing, with weights that follow from `seed`.
pub fn classifier(seed: u64) -> Classifier {
    let rung = RungCatalog::shipped().get("m10").unwrap();
    let network = rung.graph(SIZE, CLASSES.len()).unwrap();
    let model = Model::new(network, seed, Device::Cpu);
    Classifier::new(model, rung, CLASSES.map(String::from).to_vec()).with_temperature(Temperature::new(1.5))
}

/// A PNG of stripes.
pub fn png(seed: u8) -> Vec<u8> {
    let photo = image::RgbImage::from_fn(40, 30, |x, y| {
        image::Rgb([(x * 6) as u8 ^ seed, (y * 8) as u8, seed.wrapping_mul(31)])
    });
    let mut bytes = Cursor::new(Vec::new());
    photo.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// A server that runs until it is stopped or dropped.
pub struct Running {
    pub address: SocketAddr,
    pub notices: Arc<Mutex<Vec<Notice>>>,
    folder: tempfile::TempDir,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What tests start from: a free port, two threads, and little patience.
pub fn config() -> ServerConfig {
    ServerConfig {
        port: 0,
        threads: 2,
        read_time: Duration::from_millis(700),
        reload_every: Duration::from_millis(50),
        grace: Duration::from_secs(20),
        ..ServerConfig::default()
    }
}

impl Running {
    pub fn start() -> Running {
        Running::with(config())
    }

    pub fn with(config: ServerConfig) -> Running {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("flowers.safetensors");
        classifier(1).save(&file).unwrap();
        let models = Models::load(&[file], Device::Cpu).unwrap();
        let (stop, stopped) = oneshot::channel();
        let (told, address) = mpsc::channel();
        let notices = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&notices);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let server = Server::bind(config, models).await.unwrap();
                told.send(server.address()).unwrap();
                let stop = async {
                    let _ = stopped.await;
                };
                server
                    .serve(stop, move |notice| noted.lock().unwrap().push(notice))
                    .await;
            });
        });
        Running {
            address: address.recv().unwrap(),
            notices,
            folder,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// The file of the only model, called `flowers`.
    pub fn model_file(&self) -> PathBuf {
        self.folder.path().join("flowers.safetensors")
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Tells the server to stop.
    pub fn begin_to_stop(&mut self) {
        let _ = self.stop.take().map(|stop| stop.send(()));
    }

    /// Waits until it has.
    pub fn wait(mut self) {
        self.begin_to_stop();
        self.thread.take().unwrap().join().unwrap();
    }

    /// Sends `bytes`, and reads until the server closes; `None` where it says nothing.
    pub fn send(&self, bytes: &[u8]) -> Option<Reply> {
        send(self.address, bytes)
    }

    /// A request with these headers (each a whole line) and this body.
    pub fn request(&self, line: &str, headers: &[&str], body: &[u8]) -> Reply {
        self.send(&request(line, headers, body)).expect("an answer")
    }

    pub fn get(&self, path: &str) -> Reply {
        self.request(&format!("GET {path} HTTP/1.1"), &[], b"")
    }

    /// Asks about a picture.
    pub fn predict(&self, query: &str, picture: &[u8]) -> Reply {
        let line = format!("POST /v1/predict{query} HTTP/1.1");
        self.request(&line, &["Content-Type: image/png"], picture)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.begin_to_stop();
    }
}

/// The bytes of a request that asks for the connection to be closed.
pub fn request(line: &str, headers: &[&str], body: &[u8]) -> Vec<u8> {
    let mut head = format!("{line}\r\n");
    if !headers.iter().any(|header| header.starts_with("Host:")) {
        head += "Host: localhost\r\n";
    }
    for header in headers {
        head += &format!("{header}\r\n");
    }
    if !body.is_empty() {
        head += &format!("Content-Length: {}\r\n", body.len());
    }
    head += "Connection: close\r\n\r\n";
    [head.as_bytes(), body].concat()
}

/// What a server answered.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }

    /// The word for programs of a refusal.
    pub fn code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap().to_string()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        let mut values = lines.filter(|(found, _)| found.eq_ignore_ascii_case(name));
        values.next().map(|(_, value)| value.trim())
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }
}

pub fn send(address: SocketAddr, bytes: &[u8]) -> Option<Reply> {
    let mut stream = TcpStream::connect(address).unwrap();
    // The server may refuse before it has read everything.
    let _ = stream.write_all(bytes);
    receive(&mut stream)
}

/// Reads an answer to its end.
pub fn receive(stream: &mut TcpStream) -> Option<Reply> {
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut answer = Vec::new();
    // A reset after the answer is the server's way to leave a body unread.
    let _ = stream.read_to_end(&mut answer);
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8(answer[..end].to_vec()).unwrap();
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(Reply {
        status,
        head,
        body: answer[end + 4..].to_vec(),
    })
}
