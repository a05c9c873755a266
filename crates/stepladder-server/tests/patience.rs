//! Clients that are slow, silent or greedy keep nobody else waiting, and hold nothing for good.

mod common;

use common::{Running, classifier, config, png, receive, request};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use stepladder_server::{Notice, ServerConfig};

/// A well-behaved client waits no longer.
const SOON: Duration = Duration::from_secs(1);

fn connected(server: &Running, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.write_all(bytes).unwrap();
    stream
}

/// Asserts that an answer comes soon.
fn assert_answers_soon(server: &Running) {
    let began = Instant::now();
    assert_eq!(server.predict("", &png(1)).status, 200);
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(20), "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A head that announces a picture of so many bytes.
fn announcing(bytes: usize) -> Vec<u8> {
    format!("POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nContent-Length: {bytes}\r\n\r\n")
        .into_bytes()
}

#[test]
fn bodies_that_are_announced_take_no_room() {
    let server = Running::with(ServerConfig {
        body_bytes: 1 << 20,
        bodies_bytes: 2 << 20,
        read_time: Duration::from_secs(30),
        ..config()
    });
    let _silent: Vec<TcpStream> = (0..16)
        .map(|_| connected(&server, &announcing(1 << 20)))
        .collect();
    for _ in 0..3 {
        assert_answers_soon(&server);
    }
}

#[test]
fn bodies_that_stall_make_room_for_others() {
    let server = Running::with(ServerConfig {
        body_bytes: 1 << 20,
        bodies_bytes: 2 << 20,
        read_time: Duration::from_secs(30),
        ..config()
    });
    let mut stalled: Vec<TcpStream> = (0..8)
        .map(|_| connected(&server, &[announcing(1 << 20), vec![0; 900 << 10]].concat()))
        .collect();
    std::thread::sleep(Duration::from_millis(300));
    for _ in 0..3 {
        assert_answers_soon(&server);
    }
    let was_told = |stream: &mut TcpStream| {
        stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let mut answer = [0; 64];
        let read = stream.read(&mut answer);
        read.is_ok_and(|count| answer[..count].starts_with(b"HTTP/1.1 4"))
    };
    let given_up = stalled.iter_mut().map(was_told).filter(|told| *told);
    assert!(given_up.count() >= 1, "one of those that stalled was told so");
}

#[test]
fn silent_clients_leave_their_places_to_others() {
    let server = Running::with(ServerConfig {
        connections: 8,
        read_time: Duration::from_secs(30),
        ..config()
    });
    // Some say nothing, some begin a head, some a body.
    let beginnings = [
        &b""[..],
        b"GET /healthz HTTP/1.1\r\n",
        &[announcing(1000), b"x".to_vec()].concat(),
    ];
    let _silent: Vec<TcpStream> = (0..24).map(|n| connected(&server, beginnings[n % 3])).collect();
    for _ in 0..4 {
        assert_answers_soon(&server);
    }
}

#[test]
fn a_client_that_takes_nothing_of_its_answers_is_let_go() {
    let server = Running::start();
    let ask = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(4000);
    let mut greedy = TcpStream::connect(server.address).unwrap();
    greedy
        .set_write_timeout(Some(Duration::from_millis(200)))
        .unwrap();
    // The server stops reading once its answers are not taken.
    let _ = greedy.write_all(&ask);
    let open = || {
        let metrics = server.get("/metrics").text();
        let line = metrics
            .lines()
            .find(|line| line.starts_with("stepladder_connections "));
        line.unwrap().rsplit(' ').next().unwrap().parse::<f64>().unwrap()
    };
    // The one that asks is there itself.
    wait_until("the connection is closed", || open() <= 1.0);
    drop(greedy);
}

#[test]
fn the_end_comes_though_clients_do_not_stop_coming() {
    let mut server = Running::start();
    let address = server.address;
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let Ok(mut stream) = TcpStream::connect(address) else {
                        continue;
                    };
                    let _ = stream.write_all(&request("GET /healthz HTTP/1.1", &[], b""));
                    let _ = receive(&mut stream);
                }
            });
        }
        std::thread::sleep(Duration::from_millis(200));
        server.begin_to_stop();
        let began = Instant::now();
        server.wait();
        over.store(true, Ordering::Relaxed);
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    });
}

#[test]
fn a_head_is_as_long_as_the_docs_say_and_no_longer() {
    let server = Running::start();
    let head = |bytes: usize| {
        let long = format!("X-Long: {}", "x".repeat(bytes));
        server.request("GET /healthz HTTP/1.1", &[&long], b"").status
    };
    assert_eq!((head(60 << 10), head(66 << 10), head(100_000)), (200, 431, 431));
}

#[test]
fn more_photos_than_a_request_may_have_are_not_read() {
    let server = Running::start();
    let photos = br#"{"data":""},"#.repeat(400_000);
    let body = [br#"{"photos":["#, &photos[..photos.len() - 1], b"]}"].concat();
    let began = Instant::now();
    let reply = server.request(
        "POST /v1/predict HTTP/1.1",
        &["Content-Type: application/json"],
        &body,
    );
    assert_eq!((reply.status, reply.code().as_str()), (413, "too_many_photos"));
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[cfg(unix)]
#[test]
fn a_newer_model_that_cannot_be_read_at_first_is_tried_again() {
    let server = Running::start();
    let before = server.predict("", &png(1)).text();
    let file = server.model_file();
    // A folder in its place: as too many open files would, it says nothing of the model that comes.
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    let refusals = || {
        let notices = server.notices.lock().unwrap();
        let refused = notices
            .iter()
            .filter(|notice| matches!(notice, Notice::NotReloaded { .. }));
        refused.count()
    };
    wait_until("the trouble is noticed", || refusals() > 0);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(refusals(), 1, "it is said once, however often it is tried");
    std::fs::remove_dir(&file).unwrap();
    classifier(2).save(&file).unwrap();
    wait_until("the newer model answers", || {
        server.predict("", &png(1)).text() != before
    });
}
