//! The live page from outside: what it tells of runs as they change, who may ask a training for something, and that run
//! directories from anywhere are survived.

use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use stepladder_lookout::{Lookout, LookoutConfig, new_token};
use tokio::sync::oneshot;

const TOKEN: &str = "secret";

/// A live page on a folder of runs, until it is dropped.
struct Live {
    folder: tempfile::TempDir,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Live {
    fn start(prepare: impl FnOnce(&Path)) -> Live {
        let folder = tempfile::tempdir().unwrap();
        prepare(folder.path());
        let config = LookoutConfig::new(vec![folder.path().to_path_buf()], TOKEN.to_string());
        let (stop, stopped) = oneshot::channel();
        let (told, address) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build();
            runtime.unwrap().block_on(async {
                let lookout = Lookout::bind(config).await.unwrap();
                told.send(lookout.address()).unwrap();
                let stop = async {
                    let _ = stopped.await;
                };
                lookout.serve(stop).await;
            });
        });
        Live {
            folder,
            address: address.recv().unwrap(),
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    fn run(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Status, head and body of an answer.
    fn ask(&self, line: &str, headers: &[&str], body: &str) -> (u16, String, String) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        let host = match headers.iter().any(|header| header.starts_with("Host:")) {
            true => "",
            false => "Host: localhost\r\n",
        };
        let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
        let length = body.len();
        write!(
            stream,
            "{line} HTTP/1.1\r\n{host}{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (
            head.split(' ').nth(1).unwrap().parse().unwrap(),
            head.to_string(),
            body.to_string(),
        )
    }

    fn runs(&self) -> Vec<Value> {
        let (status, _, body) = self.ask("GET /v1/runs", &[], "");
        assert_eq!(status, 200);
        let document: Value = serde_json::from_str(&body).unwrap();
        document["runs"].as_array().unwrap().clone()
    }

    /// The only run of a name.
    fn listed(&self, name: &str) -> Value {
        let runs = self.runs();
        runs.into_iter().find(|run| run["name"] == name).unwrap()
    }

    /// Opens the stream of events; its place is taken when this returns.
    fn events(&self, query: &str) -> Events {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        write!(
            stream,
            "GET /v1/events{query} HTTP/1.1\r\nHost: localhost\r\n\r\n"
        )
        .unwrap();
        let mut lines = BufReader::new(stream);
        let mut status = String::new();
        lines.read_line(&mut status).unwrap();
        assert_eq!(status.trim_end(), "HTTP/1.1 200 OK");
        Events { lines }
    }

    /// The status of a page that begins to follow, and goes again.
    fn ask_status_of_events(&self) -> u16 {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        stream
            .write_all(b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .unwrap();
        let mut head = [0; 12];
        stream.read_exact(&mut head).unwrap();
        std::str::from_utf8(&head[9..]).unwrap().parse().unwrap()
    }

    fn ask_training(&self, id: &str, token: &str, body: &str) -> (u16, String) {
        let token = format!("Authorization: Bearer {token}");
        let (status, _, body) = self.ask(&format!("POST /v1/runs/{id}/request"), &[&token], body);
        let document: Value = serde_json::from_str(&body).unwrap();
        let code = document["error"]["code"].as_str().unwrap_or_default();
        (status, code.to_string())
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        let _ = self.stop.take().unwrap().send(());
        let ended = self.thread.take().unwrap().join();
        if !std::thread::panicking() {
            ended.unwrap();
        }
    }
}

struct Events {
    lines: BufReader<TcpStream>,
}

impl Events {
    /// The next `shown` event that `is` what is waited for.
    fn shown(&mut self, is: impl Fn(&Value) -> bool) -> Value {
        let mut kind = String::new();
        loop {
            let mut line = String::new();
            assert!(self.lines.read_line(&mut line).unwrap() > 0, "the stream ended");
            if let Some(named) = line.strip_prefix("event: ") {
                kind = named.trim().to_string();
            } else if let Some(data) = line.strip_prefix("data: ")
                && kind == "shown"
            {
                let document: Value = serde_json::from_str(data).unwrap();
                if is(&document) {
                    return document;
                }
            }
        }
    }
}

fn append(path: &Path, line: &Value) {
    let file = File::options().create(true).append(true).open(path);
    writeln!(file.unwrap(), "{line}").unwrap();
}

/// A run of four epochs of two steps that was begun.
fn begun(run: &Path, started: u64) {
    std::fs::create_dir_all(run.join("checkpoints")).unwrap();
    let config =
        json!({ "model": "m5", "epochs": 4, "batch_size": 2, "size": 32, "data": { "shipped": "flowers" } });
    std::fs::write(
        run.join("environment.json"),
        json!({ "started": started }).to_string(),
    )
    .unwrap();
    std::fs::write(
        run.join("split.tsv"),
        "file\tclass\tpart\na\tx\ttrain\nb\tx\ttrain\nc\tx\ttrain\n",
    )
    .unwrap();
    std::fs::write(run.join(".lock"), "").unwrap();
    std::fs::write(run.join("config.json"), config.to_string()).unwrap();
}

fn step(step: u64) -> Value {
    json!({ "step": step, "epoch": step / 2 + 1, "loss": 1.0 / (step + 1) as f64, "accuracy": 0.5, "learning_rate": 0.001 })
}

fn epoch(epoch: u64) -> Value {
    json!({ "epoch": epoch, "loss": 1.0, "accuracy": 0.5, "val_loss": 0.9, "val_accuracy": 0.2 * epoch as f64, "learning_rate": 0.001,
            "images_per_second": 10.0, "input_wait_fraction": 0.0, "seconds": 1.0, "best": true })
}

/// Takes a run as a training does.
fn lock(run: &Path) -> File {
    let lock = File::options().append(true).open(run.join(".lock")).unwrap();
    lock.try_lock().unwrap();
    lock
}

#[test]
fn a_page_follows_the_run_in_training() {
    let mut training = None;
    let live = Live::start(|folder| {
        begun(&folder.join("older-1"), 900);
        begun(&folder.join("flowers-m5-1"), 100);
        training = Some(lock(&folder.join("flowers-m5-1")));
    });
    let run = live.run("flowers-m5-1");
    let mut events = live.events("");
    let first = events.shown(|_| true);
    assert_eq!(
        (&first["name"], &first["training"]),
        (&json!("flowers-m5-1"), &json!(true))
    );
    append(&run.join("steps.jsonl"), &step(0));
    events.shown(|shown| shown["figures"].as_str().unwrap().contains("1 of 8"));
    append(&run.join("steps.jsonl"), &step(1));
    append(&run.join("epochs.jsonl"), &epoch(1));
    let shown = events.shown(|shown| shown["title"] == "1 of 4 20.0% flowers-m5-1");
    let charts = shown["charts"].as_str().unwrap();
    assert!(charts.contains("validation 20.0% at epoch 1"), "{charts}");
    assert!(
        shown["spoken"]
            .as_str()
            .unwrap()
            .starts_with("Epoch 1 of 4: loss 1.000, validation accuracy 20.0%")
    );
    // It ends, and another begins.
    std::fs::write(
        run.join("summary.json"),
        json!({ "outcome": "finished", "test_accuracy": 0.75 }).to_string(),
    )
    .unwrap();
    drop(training);
    events.shown(|shown| shown["title"] == "20.0% flowers-m5-1 finished" || shown["name"] == "older-1");
    assert_eq!(live.listed("flowers-m5-1")["test"], 0.75);
    begun(&live.run("newer-1"), 1000);
    let _lock = lock(&live.run("newer-1"));
    events.shown(|shown| shown["name"] == "newer-1" && shown["training"] == true);
}

#[test]
fn chosen_runs_are_laid_over_each_other() {
    let live = Live::start(|folder| {
        for (number, name) in ["a-1", "b-1"].into_iter().enumerate() {
            begun(&folder.join(name), number as u64);
            append(&folder.join(name).join("epochs.jsonl"), &epoch(1));
        }
    });
    let ids = ["a-1", "b-1"].map(|name| live.listed(name)["id"].as_str().unwrap().to_string());
    let shown = live
        .events(&format!("?show={},{},unknown", ids[0], ids[1]))
        .shown(|_| true);
    assert_eq!(shown["ids"], json!(ids));
    let charts = shown["charts"].as_str().unwrap();
    assert!(
        charts.contains("a-1, validation") && charts.contains("b-1, training"),
        "{charts}"
    );
    assert!(
        shown["figures"].as_str().unwrap().contains("stepladder resume"),
        "it was broken off"
    );
}

#[test]
fn a_training_is_asked_by_those_who_have_the_token() {
    let mut training = None;
    let live = Live::start(|folder| {
        begun(&folder.join("a-1"), 1);
        begun(&folder.join("idle-1"), 0);
        training = Some(lock(&folder.join("a-1")));
    });
    let id = live.listed("a-1")["id"].as_str().unwrap().to_string();
    let asked = live.run("a-1/request.json");
    let stop = "{\"request\":\"stop\"}";
    for wrong in ["", "secre", "Secret", "secrets"] {
        assert_eq!(live.ask_training(&id, wrong, stop).0, 401, "{wrong}");
    }
    assert_eq!(
        live.ask_training(&id, TOKEN, "{\"request\":\"explode\"}"),
        (400, "bad_request".into())
    );
    assert_eq!(live.ask_training(&id, TOKEN, &" ".repeat(5000)).0, 400);
    assert_eq!(live.ask_training("unknown", TOKEN, stop), (404, "no_run".into()));
    let idle = live.listed("idle-1")["id"].as_str().unwrap().to_string();
    assert_eq!(
        live.ask_training(&idle, TOKEN, stop),
        (409, "not_training".into())
    );
    assert!(!asked.exists() && !live.run("idle-1/request.json").exists());
    let mut events = live.events("");
    assert_eq!(live.ask_training(&id, TOKEN, stop).0, 202);
    let document: Value = serde_json::from_str(&std::fs::read_to_string(&asked).unwrap()).unwrap();
    assert_eq!(document, json!({ "request": "stop" }));
    // A stop takes a checkpoint, too, and is not undone by being asked for one.
    assert_eq!(
        live.ask_training(&id, TOKEN, "{\"request\":\"checkpoint\"}").0,
        202
    );
    let still: Value = serde_json::from_str(&std::fs::read_to_string(&asked).unwrap()).unwrap();
    assert_eq!(still, document);
    // The page says what is asked for until it is taken up.
    events.shown(|shown| shown["request"] == "stop");
    std::fs::remove_file(asked).unwrap();
    events.shown(|shown| shown["request"] == Value::Null);
}

#[test]
fn other_hosts_and_other_pages_are_refused() {
    let live = Live::start(|folder| begun(&folder.join("a-1"), 1));
    let status = |line: &str, headers: &[&str]| live.ask(line, headers, "").0;
    assert_eq!(status("GET /v1/runs", &["Host: evil.example"]), 421);
    assert_eq!(status("GET /v1/runs", &["Origin: http://evil.example"]), 403);
    assert_eq!(status("GET /v1/runs", &["Origin: http://localhost"]), 200);
    assert_eq!(status("GET /absent", &[]), 404);
    assert_eq!(status("DELETE /v1/runs", &[]), 401);
    assert_eq!(status("DELETE /v1/runs", &["Authorization: Bearer secret"]), 405);
    let (status, head, body) = live.ask("GET /", &[], "");
    assert_eq!(status, 200);
    assert!(
        head.contains("frame-ancestors 'none'") && head.contains("no-referrer"),
        "{head}"
    );
    assert!(
        body.contains("script-src 'self'") && !body.contains(TOKEN),
        "{body}"
    );
    let (status, head, _) = live.ask("GET /live.js", &[], "");
    assert!(status == 200 && head.contains("text/javascript"), "{head}");
}

#[test]
fn directories_from_anywhere_are_survived_and_escaped() {
    let live = Live::start(|folder| {
        let run = folder.join("<img src=x onerror=alert(1)>");
        begun(&run, u64::MAX);
        let config = json!({ "model": "</script><script>alert(2)</script>", "epochs": u64::MAX, "batch_size": 0, "data": {} });
        std::fs::write(run.join("config.json"), config.to_string()).unwrap();
        std::fs::write(
            run.join("epochs.jsonl"),
            "{\"epoch\":18446744073709551615,\"loss\":1e38}\nnull\n[[[[",
        )
        .unwrap();
        std::fs::write(run.join("steps.jsonl"), format!("{}\n", "[".repeat(200_000))).unwrap();
        std::fs::write(run.join("summary.json"), "\u{feff}{}").unwrap();
        let odd = folder.join("odd");
        std::fs::create_dir_all(odd.join("config.json")).unwrap();
        #[cfg(unix)]
        {
            // A pipe that nobody writes to must not be waited for.
            let pipes = folder.join("pipes");
            std::fs::create_dir(&pipes).unwrap();
            begun(&pipes, 5);
            for name in ["steps.jsonl", "epochs.jsonl", "summary.json", "request.json"] {
                let made = std::process::Command::new("mkfifo")
                    .arg(pipes.join(name))
                    .status();
                assert!(made.unwrap().success());
            }
        }
    });
    let id = live.listed("<img src=x onerror=alert(1)>")["id"]
        .as_str()
        .unwrap()
        .to_string();
    let shown = live.events(&format!("?show={id}")).shown(|_| true);
    for markup in ["figures", "charts", "epochs"].map(|key| shown[key].as_str().unwrap()) {
        assert!(
            !markup.contains("<script") && !markup.contains("<img"),
            "{markup}"
        );
    }
    assert!(shown["figures"].as_str().unwrap().contains("&lt;/script&gt;"));
    assert_eq!(live.runs().len(), if cfg!(unix) { 2 } else { 1 });
}

#[test]
fn pages_that_follow_leave_places_to_those_who_ask() {
    let live = Live::start(|folder| begun(&folder.join("a-1"), 1));
    let pages: Vec<Events> = (0..64).map(|_| live.events("")).collect();
    let (status, _, body) = live.ask("GET /v1/events", &[], "");
    assert_eq!(status, 429, "{body}");
    assert_eq!(live.runs().len(), 1);
    drop(pages);
    // Those that went are noticed with the next event, and followed again.
    let until = Instant::now() + Duration::from_secs(30);
    while live.ask_status_of_events() == 429 {
        assert!(Instant::now() < until, "a page that is gone keeps its place");
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn stopping_waits_for_no_page() {
    let live = Live::start(|folder| begun(&folder.join("a-1"), 1));
    let mut events = live.events("");
    events.shown(|_| true);
    let start = Instant::now();
    drop(live);
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    let mut rest = Vec::new();
    events.lines.read_to_end(&mut rest).unwrap();
}

#[test]
fn tokens_are_long_and_differ() {
    let [one, other] = [new_token().unwrap(), new_token().unwrap()];
    assert!(one.len() == 32 && one != other);
}

#[test]
fn a_directory_that_is_made_anew_is_another_run() {
    let live = Live::start(|folder| {
        begun(&folder.join("a-1"), 1);
        std::fs::write(folder.join("a-1/summary.json"), "{\"outcome\":\"finished\"}").unwrap();
    });
    assert_eq!(live.listed("a-1")["state"], "finished");
    std::fs::remove_dir_all(live.run("a-1")).unwrap();
    begun(&live.run("a-1"), 2);
    let until = Instant::now() + Duration::from_secs(20);
    while live
        .runs()
        .iter()
        .all(|run| run["started"] != 2 || run["state"] != "broken_off")
    {
        assert!(Instant::now() < until, "{:?}", live.runs());
        std::thread::sleep(Duration::from_millis(100));
    }
}
