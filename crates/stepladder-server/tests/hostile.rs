//! Whatever is sent, the answer is a 4xx or a closed connection, and the server goes on.

mod common;

use common::{Running, config, png, receive, request};
use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};
use stepladder_server::ServerConfig;

const PREDICT: &str = "POST /v1/predict HTTP/1.1";

/// Asserts that the server still answers.
fn assert_alive(server: &Running) {
    assert_eq!(server.predict("", &png(1)).status, 200);
}

#[test]
fn what_makes_no_sense_says_so() {
    let server = Running::start();
    let body = |kind: &str, body: &[u8]| {
        let reply = server.request(PREDICT, &[&format!("Content-Type: {kind}")], body);
        (reply.status, reply.code())
    };
    let refusal = |status: u16, code: &str| (status, code.to_string());
    assert_eq!(
        body("text/html", b"<html>"),
        refusal(415, "unsupported_media_type")
    );
    assert_eq!(body("image/png", b""), refusal(422, "unusable_photo"));
    assert_eq!(body("image/png", b"no picture"), refusal(422, "unusable_photo"));
    assert_eq!(body("image/png", &png(1)[..40]), refusal(422, "unusable_photo"));
    assert_eq!(body("application/json", b""), refusal(400, "bad_json"));
    assert_eq!(
        body("application/json", b"{\"photos\":[]}"),
        refusal(400, "no_photos")
    );
    assert_eq!(
        body("application/json", b"{\"photos\":[{\"data\":\"%\"}]}"),
        refusal(400, "bad_base64")
    );
    let deep = "[".repeat(100_000);
    assert_eq!(
        body("application/json", deep.as_bytes()),
        refusal(400, "bad_json")
    );
    assert_eq!(body("multipart/form-data", b"x"), refusal(400, "bad_multipart"));
    assert_eq!(
        body("multipart/form-data; boundary=e", b"--e\r\n"),
        refusal(400, "bad_multipart")
    );
    assert_eq!(
        body("multipart/form-data; boundary=e", b"--e--\r\n"),
        refusal(400, "no_photos")
    );
    let path = |line: &str| {
        let reply = server.request(line, &[], b"");
        (reply.status, reply.code())
    };
    assert_eq!(path("GET /absent HTTP/1.1"), refusal(404, "not_found"));
    assert_eq!(path("GET /../../etc/passwd HTTP/1.1"), refusal(404, "not_found"));
    assert_eq!(path("DELETE /v1/models HTTP/1.1"), refusal(405, "wrong_method"));
    assert_eq!(path("POST /v1/predict?top=0 HTTP/1.1"), refusal(400, "bad_query"));
    assert_eq!(
        path("POST /v1/predict?model=absent HTTP/1.1"),
        refusal(404, "no_model")
    );
    assert_alive(&server);
}

#[test]
fn hosts_are_believed_only_if_they_are_this_machine() {
    let server = Running::start();
    let host = |host: &str| server.request("GET /v1/models HTTP/1.1", &[&format!("Host: {host}")], b"");
    for own in ["localhost", "127.0.0.1:8080", "[::1]:1"] {
        assert_eq!(host(own).status, 200, "{own}");
    }
    for other in [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.nip.io:80",
        "192.168.0.1",
    ] {
        let reply = host(other);
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (421, "wrong_host"),
            "{other}"
        );
    }
    let without = server
        .send(b"GET /v1/models HTTP/1.1\r\nConnection: close\r\n\r\n")
        .unwrap();
    assert_eq!(without.status, 400);
    let two = server
        .send(b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert_eq!(two.unwrap().status, 400);
    let elsewhere = server.send(
        b"GET http://evil.example/v1/models HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
    );
    assert_eq!(elsewhere.unwrap().status, 421);
}

#[test]
fn what_is_too_large_is_refused_before_it_is_read() {
    let server = Running::with(ServerConfig {
        body_bytes: 100_000,
        pixels: 1_000,
        photos: 2,
        ..config()
    });
    let kind = "Content-Type: image/png";
    let claimed = server
        .send(&request(PREDICT, &[kind, "Content-Length: 99999999999"], b""))
        .unwrap();
    assert_eq!((claimed.status, claimed.code().as_str()), (413, "too_large"));
    assert_eq!(claimed.header("connection"), Some("close"));
    // Chunks have no length beforehand.
    let mut chunked = request(PREDICT, &[kind, "Transfer-Encoding: chunked"], b"");
    for _ in 0..50 {
        chunked.extend(b"1000\r\n");
        chunked.extend([b'x'; 4096]);
        chunked.extend(b"\r\n");
    }
    let chunked = server.send(&chunked).unwrap();
    assert_eq!((chunked.status, chunked.code().as_str()), (413, "too_large"));
    let pixels = server.predict("", &png(1));
    assert_eq!(
        (pixels.status, pixels.code().as_str()),
        (422, "unusable_photo"),
        "40 x 30 pixels"
    );
    let photos = br#"{"photos":[{"data":""},{"data":""},{"data":""}]}"#;
    let photos = server.request(PREDICT, &["Content-Type: application/json"], photos);
    assert_eq!((photos.status, photos.code().as_str()), (413, "too_many_photos"));
    let head = format!("X-Long: {}", "x".repeat(200_000));
    let head = server
        .send(&request("GET /healthz HTTP/1.1", &[&head], b""))
        .unwrap();
    assert_eq!(head.status, 431);
    assert_eq!(server.get("/healthz").status, 200);
}

#[test]
fn a_picture_that_claims_the_world_costs_nothing() {
    let server = Running::start();
    // A PNG header for 60,000 x 60,000 pixels, and a GIF's of its greatest size.
    let mut picture = png(1);
    picture[16..24].copy_from_slice(&[0, 0, 0xea, 0x60, 0, 0, 0xea, 0x60]);
    let gif = b"GIF89a\xff\xff\xff\xff\0\0\0\x2c\0\0\0\0\xff\xff\xff\xff\0\x02\0";
    for picture in [picture.as_slice(), gif] {
        let reply = server.predict("", picture);
        assert_eq!((reply.status, reply.code().as_str()), (422, "unusable_photo"));
    }
    assert_alive(&server);
}

#[test]
fn who_is_slow_is_not_waited_for() {
    let server = Running::start();
    let mut body = TcpStream::connect(server.address).unwrap();
    let head = b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nContent-Length: 1000\r\n\r\nx";
    body.write_all(head).unwrap();
    let mut head = TcpStream::connect(server.address).unwrap();
    head.write_all(b"GET /healthz HTTP/1.1\r\nHost: localh").unwrap();
    let mut nothing = TcpStream::connect(server.address).unwrap();
    let start = Instant::now();
    let reply = receive(&mut body).unwrap();
    assert_eq!((reply.status, reply.code().as_str()), (408, "too_slow"));
    for stream in [&mut head, &mut nothing] {
        let reply = receive(stream).unwrap();
        assert_eq!((reply.status, reply.code().as_str()), (408, "too_slow"));
    }
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    // A body that ends early.
    let mut early = TcpStream::connect(server.address).unwrap();
    early
        .write_all(b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nx")
        .unwrap();
    early.shutdown(std::net::Shutdown::Write).unwrap();
    assert!(receive(&mut early).is_none_or(|reply| reply.status == 400));
    assert_alive(&server);
}

#[test]
fn noise_is_refused_and_nothing_breaks() {
    let server = Running::start();
    let whole = request(
        PREDICT,
        &["Content-Type: multipart/form-data; boundary=edge"],
        &form(),
    );
    let mut state = 7_u32;
    let mut next = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state >> 8
    };
    for round in 0..300 {
        let mut bytes = whole.clone();
        for _ in 0..1 + next() % 6 {
            let at = next() as usize % bytes.len();
            bytes[at] = next() as u8;
        }
        if round % 3 == 0 {
            bytes.truncate(next() as usize % bytes.len());
        }
        // What is cut short is waited for, which the test need not.
        let mut stream = TcpStream::connect(server.address).unwrap();
        let _ = stream.write_all(&bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        if let Some(reply) = receive(&mut stream) {
            assert!(
                (400..500).contains(&reply.status) || reply.status == 200,
                "{}: {:?}",
                reply.status,
                String::from_utf8_lossy(&bytes)
            );
        }
    }
    assert_alive(&server);
    let metrics = server.get("/metrics").text();
    assert!(!metrics.contains("status=\"5"), "{metrics}");
}

fn form() -> Vec<u8> {
    let head = b"--edge\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"a.png\"\r\n\r\n";
    [head.as_slice(), &png(1), b"\r\n--edge--\r\n"].concat()
}
