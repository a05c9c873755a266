//! A Hugging Face hub on loopback, with the faults that networks have.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// The version that everything has.
pub const COMMIT: &str = "89abcdef0123456789abcdef0123456789abcdef";

/// What the hub does wrong.
#[allow(dead_code, reason = "each test file uses a part of it")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    None,
    /// Each answer ends after so many bytes.
    Cut(usize),
    /// Ranges are not understood: each answer is the whole.
    NoRanges,
    /// The first bytes are others.
    Changed,
    /// No hash is promised.
    NoHash,
    /// Everything is private.
    Private,
    /// More bytes than promised.
    TooMany,
}

/// A running hub; it ends with the test.
#[allow(dead_code, reason = "each test file uses a part of it")]
pub struct LoopbackHub {
    pub endpoint: String,
    /// The requests, as `GET /timm/x/resolve/main/config.json bytes=3-`.
    pub requests: Arc<Mutex<Vec<String>>>,
}

impl LoopbackHub {
    /// A hub with one model: its files by name, with the SHA-256 that is promised of each.
    pub fn start(model: &str, files: &[(&str, &[u8], &str)], fault: Fault) -> LoopbackHub {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let files: HashMap<String, (Vec<u8>, String)> = files
            .iter()
            .map(|(name, content, sha256)| {
                let path = format!("/{model}/resolve/main/{name}");
                (path, (content.to_vec(), sha256.to_string()))
            })
            .collect();
        let seen = Arc::clone(&requests);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that goes away is one of the faults.
                let _gone = answer(stream, &files, fault, &seen);
            }
        });
        LoopbackHub { endpoint, requests }
    }
}

fn answer(
    stream: TcpStream,
    files: &HashMap<String, (Vec<u8>, String)>,
    fault: Fault,
    seen: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    let mut range = String::new();
    for line in lines {
        let line = line?;
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.to_lowercase().strip_prefix("range: ") {
            range = value.to_owned();
        }
    }
    let mut words = first.split(' ');
    let (method, path) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    seen.lock().unwrap().push(format!("{method} {path} {range}"));
    let (status, headers, body) = reply(path, &range, files, fault);
    let mut stream = stream;
    write!(stream, "HTTP/1.1 {status}\r\nConnection: close\r\n{headers}")?;
    write!(stream, "Content-Length: {}\r\n\r\n", body.len())?;
    if method == "GET" {
        let sent = match fault {
            Fault::Cut(bytes) => bytes.min(body.len()),
            _ => body.len(),
        };
        stream.write_all(&body[..sent])?;
    }
    Ok(())
}

/// Status, headers and body for a path.
fn reply(
    path: &str,
    range: &str,
    files: &HashMap<String, (Vec<u8>, String)>,
    fault: Fault,
) -> (&'static str, String, Vec<u8>) {
    if fault == Fault::Private {
        return ("401 Unauthorized", String::new(), Vec::new());
    }
    // As on the hub, where a model's old name leads to its new one.
    if let Some(rest) = path.strip_prefix("/old/") {
        return (
            "307 Temporary Redirect",
            format!("Location: /timm/{rest}\r\n"),
            Vec::new(),
        );
    }
    let Some((content, sha256)) = files.get(path) else {
        return ("404 Not Found", String::new(), Vec::new());
    };
    let mut content = content.clone();
    let mut headers = format!("X-Repo-Commit: {COMMIT}\r\nX-Linked-Size: {}\r\n", content.len());
    if fault != Fault::NoHash {
        headers += &format!("X-Linked-Etag: \"{sha256}\"\r\n");
    }
    match fault {
        Fault::Changed => content[0] ^= 1,
        Fault::TooMany => content.push(0),
        _ => {}
    }
    let from = range
        .strip_prefix("bytes=")
        .and_then(|range| range.strip_suffix('-'))
        .and_then(|from| from.parse::<usize>().ok());
    match from {
        Some(from) if from >= content.len() => ("416 Range Not Satisfiable", headers, Vec::new()),
        Some(from) if fault != Fault::NoRanges => {
            let last = content.len() - 1;
            headers += &format!("Content-Range: bytes {from}-{last}/{}\r\n", content.len());
            ("206 Partial Content", headers, content[from..].to_vec())
        }
        _ => ("200 OK", headers, content),
    }
}
