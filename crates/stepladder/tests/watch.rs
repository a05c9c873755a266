//! A training that is watched: the page sees it, and what the page asks for is taken up as Ctrl-C would be.
#![cfg(unix)]

mod command;

use command::{Workplace, last_line};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// `stepladder watch`, ended with the test.
struct Watch {
    child: Child,
    address: String,
    token: String,
}

impl Watch {
    fn start(place: &Workplace) -> Watch {
        let mut command = place.command(&["watch", "--port", "0", "--json"]);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let started: Value = serde_json::from_str(&line).unwrap();
        let url = started["url"].as_str().unwrap();
        Watch {
            child,
            address: url.strip_prefix("http://").unwrap().to_string(),
            token: started["token"].as_str().unwrap().to_string(),
        }
    }

    fn ask(&self, line: &str, body: &str) -> (u16, Value) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(
            stream,
            "{line} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.address,
            self.token,
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        (status, serde_json::from_str(body).unwrap())
    }

    /// The first run that is as wanted, once there is one.
    fn run(&self, is: impl Fn(&Value) -> bool) -> Value {
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            let (_, document) = self.ask("GET /v1/runs", "");
            let found = document["runs"]
                .as_array()
                .unwrap()
                .iter()
                .find(|run| is(run))
                .cloned();
            if let Some(run) = found {
                return run;
            }
            assert!(Instant::now() < until, "{document}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_watched_training_takes_checkpoints_and_stops_on_request() {
    let place = Workplace::new();
    // A page may be there before the first run.
    let watch = Watch::start(&place);
    assert_eq!(watch.ask("GET /v1/runs", "").1["runs"], Value::Array(vec![]));
    let patient = [
        "--set",
        "early_stopping.patience=100000",
        "--checkpoint-every",
        "3600",
    ];
    let long = [
        &[
            "train", "--model", "baseline", "--size", "32", "--epochs", "20000", "--json",
        ][..],
        &patient,
    ]
    .concat();
    let training = place
        .command(&long)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let run = watch.run(|run| run["state"] == "training" && run["epoch"].as_u64() > Some(0));
    let path = format!("POST /v1/runs/{}/request", run["id"].as_str().unwrap());
    let folder = place.path("runs").join(run["name"].as_str().unwrap());
    let taken = || {
        let until = Instant::now() + Duration::from_secs(20);
        while folder.join("request.json").exists() {
            assert!(Instant::now() < until, "the request is not taken up");
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    assert_eq!(watch.ask(&path, "{\"request\":\"checkpoint\"}").0, 202);
    taken();
    assert_eq!(watch.ask(&path, "{\"request\":\"stop\"}").0, 202);
    let output = training.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "as Ctrl-C would");
    assert_eq!(last_line(&output)["outcome"], "interrupted");
    watch.run(|run| run["state"] == "stopped");
    let (status, refused) = watch.ask(&path, "{\"request\":\"stop\"}");
    assert_eq!((status, &refused["error"]["code"]), (409, &"not_training".into()));
    // What was asked is no reason to stop again.
    let name = format!("runs/{}", run["name"].as_str().unwrap());
    std::fs::write(folder.join("request.json"), "{\"request\":\"stop\"}").unwrap();
    let mut resumed = place
        .command(&["resume", &name])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let before = run["epoch"].as_u64();
    watch.run(|run| run["state"] == "training" && run["epoch"].as_u64() > before.map(|epoch| epoch + 3));
    resumed.kill().unwrap();
    resumed.wait().unwrap();
    watch.run(|run| run["state"] == "stopped" || run["state"] == "broken_off");
}

#[test]
fn what_cannot_be_watched_is_said() {
    let place = Workplace::new();
    let message = place.error(&["watch", "absent"]);
    assert!(message.contains("absent is no directory"), "{message}");
    let message = place.error(&["train", "--model", "baseline", "--tui"]);
    assert!(message.contains("--tui needs a terminal"), "{message}");
}
