//! What the server says to those who ask properly.

mod common;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use common::{CLASSES, Running, classifier, config, png};
use serde_json::{Value, json};
use stepladder_server::ServerConfig;

/// The probabilities that the library gives a picture, by class.
fn expected(picture: &[u8], flips: bool) -> Vec<f32> {
    let predictor = classifier(1).predictor().with_flips(flips);
    let photo = stepladder_data::decode(picture, &stepladder_data::Decoding::default()).unwrap();
    predictor.predict(predictor.prepare(&photo)).remove(0).unwrap()
}

/// Checks one photo's answer against probabilities by class.
fn assert_answers(answer: &Value, expected: &[f32]) {
    let classes = answer["classes"].as_array().unwrap();
    assert_eq!(classes.len(), CLASSES.len());
    for (class, probability) in CLASSES.iter().zip(expected) {
        let found = classes.iter().find(|found| found["class"] == *class).unwrap();
        let found = found["probability"].as_f64().unwrap();
        assert!((found - f64::from(*probability)).abs() < 1e-5, "{answer}");
    }
    let ranks: Vec<f64> = classes
        .iter()
        .map(|class| class["probability"].as_f64().unwrap())
        .collect();
    assert!(ranks.is_sorted_by(|a, b| a >= b));
    assert_eq!(answer["class"], classes[0]["class"]);
    assert_eq!(answer["probability"], classes[0]["probability"]);
}

/// A form of these parts.
fn form(parts: &[(&str, &[u8])]) -> (String, Vec<u8>) {
    let mut body = Vec::new();
    for (name, bytes) in parts {
        body.extend(
            format!("--edge\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"{name}\"\r\n\r\n")
                .as_bytes(),
        );
        body.extend(*bytes);
        body.extend(b"\r\n");
    }
    body.extend(b"--edge--\r\n");
    (
        String::from("Content-Type: multipart/form-data; boundary=edge"),
        body,
    )
}

#[test]
fn a_picture_a_form_and_json_have_the_same_answers() {
    let server = Running::start();
    let (a, b) = (png(1), png(2));
    let alone = server.predict("", &a);
    assert_eq!(alone.status, 200, "{}", alone.text());
    let alone = alone.json();
    assert_eq!(alone["model"], "flowers");
    assert_answers(&alone["photos"][0], &expected(&a, false));

    let (kind, body) = form(&[("a.png", &a), ("b.png", &b)]);
    let both = server
        .request("POST /v1/predict HTTP/1.1", &[&kind], &body)
        .json();
    assert_eq!(
        [&both["photos"][0]["name"], &both["photos"][1]["name"]],
        ["a.png", "b.png"]
    );
    assert_answers(&both["photos"][0], &expected(&a, false));
    assert_answers(&both["photos"][1], &expected(&b, false));

    let body =
        json!({ "photos": [{ "data": STANDARD.encode(&b) }, { "name": "a", "data": STANDARD.encode(&a) }] });
    let kind = "Content-Type: application/json";
    let both = server
        .request("POST /v1/predict HTTP/1.1", &[kind], body.to_string().as_bytes())
        .json();
    assert_eq!(
        [&both["photos"][0]["name"], &both["photos"][1]["name"]],
        ["photo 1", "a"]
    );
    assert_answers(&both["photos"][0], &expected(&b, false));
}

#[test]
fn options_change_the_answer() {
    let server = Running::start();
    let picture = png(3);
    let top = server.predict("?top=1", &picture).json();
    assert_eq!(top["photos"][0]["classes"].as_array().unwrap().len(), 1);
    assert_eq!(top["photos"][0]["heat"], Value::Null);
    assert_answers(
        &server.predict("?tta=true", &picture).json()["photos"][0],
        &expected(&picture, true),
    );
    let unsure = server.predict("?unsure=1&model=flowers", &picture).json();
    assert_eq!(unsure["photos"][0]["class"], Value::Null);
    assert!(unsure["photos"][0]["probability"].as_f64().unwrap() < 1.0);
    let heat = server.predict("?heat=true", &picture).json()["photos"][0]["heat"].clone();
    let values = heat["values"].as_array().unwrap();
    assert_eq!(
        values.len() as u64,
        heat["height"].as_u64().unwrap() * heat["width"].as_u64().unwrap()
    );
    assert!(
        values
            .iter()
            .all(|value| (0.0..=1.0).contains(&value.as_f64().unwrap()))
    );
}

#[test]
fn one_bad_photo_of_several_has_its_reason() {
    let server = Running::start();
    let (kind, body) = form(&[("page.jpg", b"<html>"), ("a.png", &png(1))]);
    let reply = server.request("POST /v1/predict HTTP/1.1", &[&kind], &body);
    assert_eq!(reply.status, 200);
    let photos = reply.json()["photos"].clone();
    assert!(photos[0]["error"].as_str().unwrap().contains("HTML"), "{photos}");
    assert_answers(&photos[1], &expected(&png(1), false));
    let (kind, body) = form(&[("page.jpg", b"<html>"), ("none.jpg", b"")]);
    let reply = server.request("POST /v1/predict HTTP/1.1", &[&kind], &body);
    assert_eq!((reply.status, reply.code().as_str()), (422, "unusable_photo"));
}

#[test]
fn models_health_metrics_and_the_document() {
    let server = Running::start();
    let models = server.get("/v1/models").json();
    assert_eq!(models["models"][0]["name"], "flowers");
    assert_eq!(models["models"][0]["classes"], json!(CLASSES));
    assert_eq!(models["models"][0]["temperature"], 1.5);
    assert_eq!(server.get("/healthz").json(), json!({ "status": "ok" }));
    server.predict("", &png(1));
    let metrics = server.get("/metrics");
    assert!(metrics.header("content-type").unwrap().starts_with("text/plain"));
    let text = metrics.text();
    assert!(
        text.contains("stepladder_requests_total{path=\"/v1/predict\",status=\"200\"} 1\n"),
        "{text}"
    );
    assert!(text.contains("stepladder_batch_photos_count 1\n"), "{text}");
    let document = server.get("/openapi.json").json();
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    for path in document["paths"].as_object().unwrap().keys() {
        let status = server.get(path).status;
        let wanted = if path == "/v1/predict" { 405 } else { 200 };
        assert_eq!(status, wanted, "{path}");
    }
}

#[test]
fn the_page_needs_nothing_from_elsewhere() {
    let server = Running::start();
    let page = server.get("/");
    assert_eq!(page.status, 200);
    assert_eq!(
        page.header("content-security-policy"),
        Some("frame-ancestors 'none'")
    );
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    let text = page.text();
    assert!(text.contains("default-src 'none'") && text.contains("connect-src 'self'"));
    for elsewhere in ["://", "src=\"/", "@import", "url("] {
        assert!(!text.contains(elsewhere), "{elsewhere}");
    }
}

#[test]
fn with_a_token_only_those_who_know_it_ask() {
    let server = Running::with(ServerConfig {
        token: Some("secret".into()),
        ..config()
    });
    for path in ["/v1/models", "/metrics", "/v1/predict"] {
        let reply = server.get(path);
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (401, "unauthorized"),
            "{path}"
        );
        assert_eq!(reply.header("www-authenticate"), Some("Bearer"));
    }
    let wrong = server.request("GET /v1/models HTTP/1.1", &["Authorization: Bearer secreT"], b"");
    assert_eq!(wrong.status, 401);
    let right = server.request("GET /v1/models HTTP/1.1", &["Authorization: Bearer secret"], b"");
    assert_eq!(right.status, 200);
    // The page asks for the token itself.
    for path in ["/", "/healthz", "/openapi.json"] {
        assert_eq!(server.get(path).status, 200, "{path}");
    }
}

#[test]
fn only_allowed_origins_may_ask() {
    let server = Running::with(ServerConfig {
        origins: vec!["https://example.org".into()],
        ..config()
    });
    let from = |origin: &str, line: &str| {
        let header = format!("Origin: {origin}");
        server.request(line, &[&header, "Access-Control-Request-Method: POST"], b"")
    };
    let allowed = from("https://example.org", "GET /v1/models HTTP/1.1");
    assert_eq!(allowed.status, 200);
    assert_eq!(
        allowed.header("access-control-allow-origin"),
        Some("https://example.org")
    );
    let preflight = from("https://example.org", "OPTIONS /v1/predict HTTP/1.1");
    assert_eq!(preflight.status, 204);
    assert!(
        preflight
            .header("access-control-allow-headers")
            .unwrap()
            .contains("authorization")
    );
    for other in ["https://evil.example", "null", "https://example.org.evil.example"] {
        let refused = from(other, "GET /v1/models HTTP/1.1");
        assert_eq!(
            (refused.status, refused.code().as_str()),
            (403, "wrong_origin"),
            "{other}"
        );
        assert_eq!(refused.header("access-control-allow-origin"), None);
        assert_eq!(from(other, "OPTIONS /v1/predict HTTP/1.1").status, 403);
    }
    assert_eq!(from("http://localhost", "GET /v1/models HTTP/1.1").status, 200);
}
