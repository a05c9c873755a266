//! Many at once: batches, a full queue, a newer model on the way, and an end that loses nobody.

mod common;

use common::{Running, classifier, config, png, receive, request};
use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use stepladder_server::{Notice, ServerConfig};

/// Waits until `done`, for some seconds at most.
fn wait_until(what: &str, done: impl Fn() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(20), "still not: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The value of a metric without labels.
fn metric(server: &Running, name: &str) -> f64 {
    let text = server.get("/metrics").text();
    let line = text
        .lines()
        .find(|line| line.starts_with(&format!("{name} ")))
        .unwrap();
    line.split(' ').nth(1).unwrap().parse().unwrap()
}

#[test]
fn many_at_once_share_the_network() {
    let server = Running::start();
    let picture = png(5);
    let alone = server.predict("", &picture).text();
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                for _ in 0..10 {
                    assert_eq!(server.predict("", &picture).text(), alone);
                }
            });
        }
    });
    let photos = metric(&server, "stepladder_batch_photos_sum");
    let batches = metric(&server, "stepladder_batch_photos_count");
    assert_eq!(photos, 161.0);
    assert!(batches < photos, "{batches} batches of {photos} photos");
    wait_until("the queue is empty", || {
        metric(&server, "stepladder_queued_photos") == 0.0
    });
}

#[test]
fn a_full_queue_refuses_and_recovers() {
    let server = Running::with(ServerConfig {
        queue: 2,
        photos: 2,
        ..config()
    });
    // A photo that takes a while to decode.
    let large = image::RgbImage::from_fn(3000, 3000, |x, y| image::Rgb([x as u8, y as u8, (x * y) as u8]));
    let mut bytes = std::io::Cursor::new(Vec::new());
    large.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    let (large, answered, refused) = (bytes.into_inner(), AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let reply = server.predict("", &large);
                match reply.status {
                    200 => answered.fetch_add(1, Ordering::Relaxed),
                    429 => {
                        assert_eq!(reply.header("retry-after"), Some("1"));
                        assert_eq!(reply.code(), "busy");
                        refused.fetch_add(1, Ordering::Relaxed)
                    }
                    other => panic!("{other}: {}", reply.text()),
                };
            });
        }
    });
    assert!(answered.into_inner() >= 2);
    assert!(refused.into_inner() >= 1);
    assert_eq!(server.predict("", &png(1)).status, 200);
}

#[test]
fn a_newer_model_takes_over_and_a_damaged_one_does_not() {
    let server = Running::start();
    let before = server.predict("", &png(1)).text();
    classifier(2).save(&server.model_file()).unwrap();
    wait_until("the newer model answers", || {
        server.predict("", &png(1)).text() != before
    });
    assert_eq!(server.get("/v1/models").json()["models"][0]["reloads"], 1);
    let after = server.predict("", &png(1)).text();
    std::fs::write(server.model_file(), b"no model").unwrap();
    wait_until("the damage is noticed", || {
        let notices = server.notices.lock().unwrap();
        notices
            .iter()
            .any(|notice| matches!(notice, Notice::NotReloaded { .. }))
    });
    assert_eq!(server.predict("", &png(1)).text(), after);
    classifier(1).save(&server.model_file()).unwrap();
    wait_until("the first model is back", || {
        server.predict("", &png(1)).text() == before
    });
    assert_eq!(metric(&server, "stepladder_model_reloads_total"), 2.0);
    assert_eq!(metric(&server, "stepladder_failed_model_reloads_total"), 1.0);
}

#[test]
fn the_end_loses_no_request() {
    let mut server = Running::start();
    let (begun, answered) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let address = server.address;
    std::thread::scope(|scope| {
        for client in 0..24_u8 {
            let (begun, answered) = (&begun, &answered);
            scope.spawn(move || {
                let bytes = request(
                    "POST /v1/predict HTTP/1.1",
                    &["Content-Type: image/png"],
                    &png(client),
                );
                let mut stream = TcpStream::connect(address).unwrap();
                stream.write_all(&bytes).unwrap();
                begun.fetch_add(1, Ordering::SeqCst);
                let reply = receive(&mut stream).expect("an answer");
                assert_eq!(reply.status, 200, "{}", reply.text());
                answered.fetch_add(1, Ordering::SeqCst);
            });
        }
        // All have sent their photo; the server may not even have accepted some of them.
        wait_until("all have begun", || begun.load(Ordering::SeqCst) == 24);
        server.begin_to_stop();
    });
    assert_eq!(answered.into_inner(), 24);
    server.wait();
    assert!(TcpStream::connect(address).is_err(), "nobody listens any more");
}
