//! Serving as a user starts it: the address it prints answers, and SIGTERM ends it without an error.
#![cfg(unix)]

mod command;

use command::Workplace;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

/// A network that has learned nothing.
fn model(place: &Workplace) {
    let rung = stepladder_model::RungCatalog::shipped().get("m10").unwrap();
    let network = rung.graph(32, 2).unwrap();
    let model = stepladder_nn::Model::new(network, 0, stepladder_nn::Device::Cpu);
    let classes = ["cat", "dog"].map(String::from).to_vec();
    let classifier = stepladder_classifier::Classifier::new(model, rung, classes);
    classifier.save(&place.path("pets.safetensors")).unwrap();
}

fn status(url: &str, path: &str) -> String {
    let address = url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().to_string()
}

/// The server, and the line that it prints once it listens.
fn start(place: &Workplace, more: &[&str]) -> (Child, Value) {
    let arguments = [
        ["serve", "pets.safetensors", "--port", "0", "--json"].as_slice(),
        more,
    ]
    .concat();
    started(place.command(&arguments).stderr(Stdio::piped()))
}

/// The server that `command` starts, and the line that it prints once it listens.
fn started(command: &mut Command) -> (Child, Value) {
    let mut server = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    (server, serde_json::from_str(&line).unwrap())
}

#[test]
fn it_answers_where_it_says_and_ends_when_told() {
    let place = Workplace::new();
    model(&place);
    let (server, started) = start(&place, &[]);
    assert_eq!(started["models"][0]["name"], "pets");
    let url = started["url"].as_str().unwrap();
    assert_eq!(status(url, "/healthz"), "200");
    assert_eq!(status(url, "/v1/models"), "200");
    let killed = Command::new("kill")
        .args(["-TERM", &server.id().to_string()])
        .status()
        .unwrap();
    assert!(killed.success());
    let output = server.wait_with_output().unwrap();
    assert!(output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("every request that had begun was answered"),
        "{said}"
    );
}

#[test]
fn the_token_may_come_from_the_environment() {
    let place = Workplace::new();
    model(&place);
    let mut command = place.command(&["serve", "pets.safetensors", "--port", "0", "--json"]);
    let (mut server, line) = started(command.env("STEPLADDER_TOKEN", "secret").stderr(Stdio::null()));
    assert_eq!(status(line["url"].as_str().unwrap(), "/v1/models"), "401");
    server.kill().unwrap();
    server.wait().unwrap();
}

#[test]
fn what_cannot_be_served_is_said() {
    let place = Workplace::new();
    model(&place);
    assert!(
        place
            .error(&["serve", "absent"])
            .contains("absent does not exist")
    );
    let message = place.error(&["serve", "pets.safetensors", "--cors", "example.org"]);
    assert!(message.contains("--cors example.org is no origin"), "{message}");
    let message = place.error(&["serve", "pets.safetensors", "--token", "two words"]);
    assert!(message.contains("visible ASCII"), "{message}");
    std::fs::write(place.path("bad.safetensors"), b"no model").unwrap();
    assert!(
        place
            .error(&["serve", "bad.safetensors"])
            .contains("bad.safetensors")
    );
}

#[test]
fn a_closed_terminal_ends_it_unless_nohup_started_it() {
    let place = Workplace::new();
    model(&place);
    let hang_up = |server: &Child| {
        let told = Command::new("kill")
            .args(["-HUP", &server.id().to_string()])
            .status();
        assert!(told.unwrap().success());
    };
    let (server, _) = start(&place, &[]);
    hang_up(&server);
    assert!(server.wait_with_output().unwrap().status.success());
    if cfg!(not(target_os = "linux")) {
        return;
    }
    let mut nohup = Command::new("nohup");
    nohup
        .arg(env!("CARGO_BIN_EXE_stepladder"))
        .current_dir(place.path(""));
    nohup
        .args(["serve", "pets.safetensors", "--port", "0", "--json"])
        .stderr(Stdio::null());
    let (mut server, line) = started(&mut nohup);
    hang_up(&server);
    assert_eq!(status(line["url"].as_str().unwrap(), "/healthz"), "200");
    server.kill().unwrap();
    server.wait().unwrap();
}

#[test]
fn a_taken_port_names_a_free_one() {
    let place = Workplace::new();
    model(&place);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let message = place.error(&["serve", "pets.safetensors", "--port", &port.to_string()]);
    assert!(message.contains(&format!("127.0.0.1:{port}")), "{message}");
    assert!(message.contains("--port"), "{message}");
    let message = place.error(&["watch", "--port", &port.to_string()]);
    assert!(message.contains("--port"), "{message}");
}

#[test]
fn the_example_has_the_token() {
    let place = Workplace::new();
    model(&place);
    let example = |command: &mut Command| {
        let mut server = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(server.stdout.take().unwrap()).lines();
        let example = lines.map(Result::unwrap).find(|line| line.contains("curl"));
        server.kill().unwrap();
        server.wait().unwrap();
        example.unwrap()
    };
    let serve = ["serve", "pets.safetensors", "--port", "0"];
    let given = example(&mut place.command(&[&serve[..], &["--token", "s3cret"]].concat()));
    assert!(given.contains("-H 'Authorization: Bearer s3cret'"), "{given}");
    let from_environment = example(place.command(&serve).env("STEPLADDER_TOKEN", "s3cret"));
    assert!(
        from_environment.contains("-H \"Authorization: Bearer $STEPLADDER_TOKEN\"")
            && !from_environment.contains("s3cret"),
        "{from_environment}"
    );
}
