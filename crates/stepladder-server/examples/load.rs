//! Loads a server on this machine and says how it bears it: `load ADDRESS PHOTO [CONNECTIONS] [SECONDS]`, e.g.
//! `load 127.0.0.1:8080 tulips.jpg 64 30`.
//!
//! Each connection sends the photo, waits for the answer, and sends it again. What is counted is every request that was begun
//! before the time was over. Refuses any address but the loopback interface's.

use std::io::{BufRead, BufReader, Error, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, photo, rest @ ..] = arguments.as_slice() else {
        return Err("say ADDRESS PHOTO [CONNECTIONS] [SECONDS]".into());
    };
    let address: SocketAddr = address.parse()?;
    if !address.ip().is_loopback() {
        return Err("only servers on this machine may be loaded".into());
    }
    let connections = rest.first().map_or(Ok(64), |text| text.parse::<usize>())?;
    let seconds = rest.get(1).map_or(Ok(30), |text| text.parse::<u64>())?.min(300);
    let photo = std::fs::read(photo)?;
    let head = format!(
        "POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/octet-stream\r\nContent-Length: {}\r\n\r\n",
        photo.len()
    );
    let request = [head.as_bytes(), &photo].concat();

    let over = AtomicBool::new(false);
    let start = Instant::now();
    let (mut times, mut memory, mut errors) = (Vec::new(), Vec::new(), Vec::new());
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..connections)
            .map(|_| scope.spawn(|| client(address, &request, &over)))
            .collect();
        while start.elapsed() < Duration::from_secs(seconds) {
            memory.extend(resident_bytes(address));
            std::thread::sleep(Duration::from_secs(1));
        }
        over.store(true, Ordering::Relaxed);
        for client in clients {
            match client.join().expect("a client does not panic") {
                Ok(mut own) => times.append(&mut own),
                Err(error) => errors.push(error.to_string()),
            }
        }
    });
    let elapsed = start.elapsed().as_secs_f64();
    times.sort();
    let at = |share: f64| {
        times
            .get((times.len() as f64 * share) as usize)
            .copied()
            .unwrap_or_default()
    };
    let mebibytes = |bytes: Option<&u64>| bytes.map_or(0, |bytes| bytes >> 20);
    println!(
        "requests    {} in {elapsed:.1} s, {:.0} a second",
        times.len(),
        times.len() as f64 / elapsed
    );
    println!("errors      {} {errors:?}", errors.len());
    println!(
        "p50 {:.1?}  p90 {:.1?}  p99 {:.1?}  most {:.1?}",
        at(0.5),
        at(0.9),
        at(0.99),
        at(1.0 - 1e-9)
    );
    // The first seconds fill the buffers.
    println!(
        "memory      {} MiB after 5 s, {} MiB at the end, {} MiB at most",
        mebibytes(memory.get(5)),
        mebibytes(memory.last()),
        mebibytes(memory.iter().max())
    );
    if errors.is_empty() {
        Ok(())
    } else {
        Err("some requests failed".into())
    }
}

/// Asks until the time is over, and gives the time of each answer.
fn client(address: SocketAddr, request: &[u8], over: &AtomicBool) -> Result<Vec<Duration>, Error> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let mut answers = BufReader::new(stream.try_clone()?);
    let mut times = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let start = Instant::now();
        stream.write_all(request)?;
        let (status, body) = answer(&mut answers)?;
        if status != 200 {
            return Err(Error::other(format!(
                "{status}: {}",
                String::from_utf8_lossy(&body)
            )));
        }
        times.push(start.elapsed());
    }
    Ok(times)
}

/// Reads one answer: its status and its body.
fn answer(from: &mut impl BufRead) -> Result<(u16, Vec<u8>), Error> {
    let (mut status, mut length) = (None, 0);
    loop {
        let mut line = String::new();
        if from.read_line(&mut line)? == 0 {
            return Err(Error::other("the server closed the connection"));
        }
        let line = line.trim_end();
        if status.is_none() {
            status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
        } else if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().map_err(Error::other)?;
        } else if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    from.read_exact(&mut body)?;
    Ok((status.ok_or_else(|| Error::other("no HTTP"))?, body))
}

/// The memory that the server says it holds.
fn resident_bytes(address: SocketAddr) -> Option<u64> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .ok()?;
    let (_, body) = answer(&mut BufReader::new(stream)).ok()?;
    let text = String::from_utf8(body).ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("process_resident_memory_bytes "))?;
    line.parse().ok()
}
